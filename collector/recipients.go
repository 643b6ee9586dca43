package collector

import (
	"maps"
	"time"

	"magpipe_exporter/apiclient"
)

// seeGet takes in a whole answer to get.
func (a *account) seeGet(row apiclient.Batch, t *tally, sent time.Time) {
	row = a.seeRow(row, sent)
	id, b := row.ID, a.batches[row.ID]
	read, seen, odd := t.finish(sent, &row)
	for _, o := range odd {
		a.seeOdd(o)
	}
	if row.Status != apiclient.BatchRunning || !sent.Before(b.leftAt) {
		b.owed = false
	}
	read.byAPI = a.clock.theirs(sent)
	b.failures, b.notFound, b.reading, b.shown = 0, 0, read, nil
	if a.clock.disputed() {
		b.owed = true // read again once it is told since when calls count
		return
	}
	since := a.clock.start
	if mark, returned := a.watermarks[id]; returned {
		since = mark.since
	}
	delete(a.watermarks, id)
	if b.ledger == nil {
		b.ledger = &ledger{}
	}
	a.inst.count(b.ledger.absorb(seen, since))
}

// seeGetFail notes that a get failed. A batch that is not found twice in a row is
// gone if the last walk did not show it either, whatever else that walk may have
// missed; a run is without, for no walk would tell.
func (a *account) seeGetFail(id string, notFound bool) {
	b := a.batches[id]
	if b == nil {
		return
	}
	a.version++
	b.failures++
	if !notFound {
		b.notFound = 0
		return
	}
	if b.notFound++; b.notFound >= missesToBeGone && (b.absent || b.row.ParentID != "") {
		a.forget(id)
	}
}

// missesToBeGone is how many answers in a row must lack a batch where one alone
// proves nothing: a 404 is also what a database error gives, and a deletion
// hides a row from a walk of several pages.
const missesToBeGone = 2

// forget drops a batch that is gone. Of its runs, those that no get follows go
// with it: nothing else would tell that they have.
func (a *account) forget(id string) {
	a.dropLedger(id)
	delete(a.batches, id)
	if a.series[id] != nil {
		maps.DeleteFunc(a.batches, func(_ string, b *batch) bool {
			return b.row.ParentID == id && b.row.Status != apiclient.BatchRunning && !b.owed
		})
	}
	delete(a.series, id)
	a.version++
}

// dropLedger frees what the event counters remember of a batch, but for a watermark.
func (a *account) dropLedger(id string) {
	b := a.batches[id]
	if b == nil || b.ledger == nil {
		return
	}
	a.watermarks[id] = watermark{since: b.ledger.watermark(b.reading.byAPI.Add(sameClock)), of: fingerprintOf(&b.row)}
	b.ledger, b.reading, b.shown = nil, nil, nil
}
