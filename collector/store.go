package collector

import (
	"hash/maphash"
	"time"

	"magpipe_exporter/apiclient"
)

// account is what is known of the account's batches. It is guarded by the
// mutex of its Collector.
type account struct {
	cfg   *Config
	inst  *instruments
	clock apiClock
	seed  maphash.Seed

	batches    map[string]*batch
	watermarks map[string]watermark // of batches whose ledger was dropped
	series     map[string]*series   // by the recurring batch's id
	list       listing
	rateLimit  apiclient.RateLimit
	known      map[uint64]struct{} // oddities that were counted
	version    uint64              // raised with every change
}

// batch is what is known of one batch or run.
type batch struct {
	row     apiclient.Batch
	rowAt   time.Time // when the request that brought the row was sent
	leftAt  time.Time // when it was seen to be no longer running; zero while it runs
	endedAt time.Time // zero while it is not over, or where its end is not known
	owed    bool      // it left running, or ended, and has not been read since

	askedAt  time.Time // of the last get, good or not; zero: never
	failures int       // gets that failed in a row
	reading  *reading  // nil until read
	ledger   *ledger   // nil until read
	misses   int       // walks in a row that should have shown it and did not
	notFound int       // gets in a row that did not find it
	absent   bool      // the last walk did not show it
	shown    *view     // what scrapes expose of it; nil: to be made anew
}

func newAccount(cfg *Config, inst *instruments) *account {
	return &account{
		cfg: cfg, inst: inst, clock: startClock(time.Now()), seed: maphash.MakeSeed(),
		batches: map[string]*batch{}, watermarks: map[string]watermark{}, series: map[string]*series{},
		known: map[uint64]struct{}{},
	}
}

// meet keeps what the headers of an answer tell.
func (a *account) meet(e apiclient.Exchange) {
	if !e.Date.IsZero() {
		a.clock.hear(e.Date, e.DateAt)
	}
	if e.RateLimit.Limit > 0 {
		a.rateLimit = e.RateLimit
	}
	a.version++
}

// watermark stands in for the ledger of a batch that was dropped.
type watermark struct {
	since time.Time   // from when on events count, should the batch return
	of    fingerprint // of its row, by then
}

// template tells whether a row only serves to spawn runs: its own recipients
// stay pending for ever.
func template(row *apiclient.Batch) bool {
	return recurring(row) && row.Status != apiclient.BatchRunning
}

func recurring(row *apiclient.Batch) bool {
	return row.ParentID == "" && recurrence(row) != "none"
}

func recurrence(row *apiclient.Batch) string {
	if row.Recurrence == "" {
		return "none"
	}
	return row.Recurrence
}

// seeRow takes in a row from any answer whose request was sent at a time, and
// returns it with what it left out filled in from what was known.
func (a *account) seeRow(row apiclient.Batch, sent time.Time) apiclient.Batch {
	a.version++
	for _, odd := range row.Odd {
		a.seeOdd(oddity{field: odd.Field, id: row.ID, hash: odd.Hash})
	}
	b := a.batches[row.ID]
	if b == nil {
		b = &batch{}
		a.batches[row.ID] = b
		a.firstSight(b, &row)
	} else {
		row.KeepFrom(&b.row)
		if sent.Before(b.rowAt) {
			return row // what is known is newer
		}
		a.follow(b, &row)
	}
	b.row, b.rowAt, b.misses, b.absent, b.shown = row, sent, 0, false, nil
	return row
}

// firstSight decides what a batch never seen before is owed.
func (a *account) firstSight(b *batch, row *apiclient.Batch) {
	if row.Status != apiclient.BatchRunning {
		b.leftAt = time.Now()
	}
	if !row.Status.Ended() {
		return
	}
	ended := row.UpdatedAt
	if !row.CompletedAt.IsZero() && !row.CompletedAt.Before(row.StartedAt) {
		ended = row.CompletedAt
	}
	if !ended.IsZero() {
		b.endedAt = a.clock.ours(ended)
	}
	mark, returned := a.watermarks[row.ID]
	news := !returned || mark.of != fingerprintOf(row) || a.retained(b, time.Now())
	b.owed = news && !template(row) && !ended.Before(a.clock.start)
}

// follow notes what changed since a batch was seen last.
func (a *account) follow(b *batch, row *apiclient.Batch) {
	was, is := b.row.Status, row.Status
	if is == apiclient.BatchRunning {
		b.leftAt, b.endedAt, b.owed = time.Time{}, time.Time{}, false
		return
	}
	if was == apiclient.BatchRunning || b.leftAt.IsZero() {
		b.leftAt, b.owed = time.Now(), was == apiclient.BatchRunning || !template(row)
	}
	switch {
	case !is.Ended():
		b.endedAt = time.Time{}
	case !was.Ended() || row.RanSince(&b.row): // it may have run and ended between two looks
		b.endedAt = time.Now()
		b.leftAt, b.owed = b.endedAt, b.owed || !template(row)
	}
}

// seeOdd counts an oddity unless it was counted before.
func (a *account) seeOdd(o oddity) {
	hash := maphash.Comparable(a.seed, o)
	if _, old := a.known[hash]; old || len(a.known) >= maxOddities {
		return
	}
	a.known[hash] = struct{}{}
	a.inst.unknownValues.WithLabelValues(string(o.field)).Inc()
}

// maxOddities bounds the memory that a server which sends nothing but odd
// values can claim; beyond it they are no news.
const maxOddities = 1 << 17
