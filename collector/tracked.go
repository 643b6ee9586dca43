package collector

import (
	"cmp"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// tracked picks the batches that have series of their own: at most
// Config.MaxBatches of those that are running, paused, recurring or scheduled,
// or that ended within the retention, in this order, newest first within each.
func (a *account) tracked(now time.Time) []string {
	type candidate struct {
		id      string
		rank    int
		created time.Time
	}
	var all []candidate
	for id, b := range a.batches {
		if rank := a.rank(b, now); rank > 0 {
			all = append(all, candidate{id, rank, b.row.CreatedAt})
		}
	}
	slices.SortFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), y.created.Compare(x.created), cmp.Compare(x.id, y.id))
	})
	ids := make([]string, 0, min(len(all), a.cfg.MaxBatches))
	for _, c := range all[:cap(ids)] {
		ids = append(ids, c.id)
	}
	return ids
}

// rank orders the kinds of tracked batches; 0 is not tracked.
func (a *account) rank(b *batch, now time.Time) int {
	switch b.row.Status {
	case apiclient.BatchRunning:
		return 1
	case apiclient.BatchPaused, apiclient.BatchRecurring:
		return 2
	case apiclient.BatchScheduled:
		return 3
	case apiclient.BatchCompleted, apiclient.BatchCancelled, apiclient.BatchFailed:
		if a.retained(b, now) {
			return 4
		}
	}
	return 0
}

func (a *account) retained(b *batch, now time.Time) bool {
	return !b.endedAt.IsZero() && now.Before(b.endedAt.Add(a.cfg.FinishedRetention))
}

// unsettled tells whether the recipients of a batch that is not running may
// have changed since they were read: calls in flight still end, and a retry
// changes the row.
func (a *account) unsettled(b *batch, now time.Time) bool {
	switch {
	case b.reading == nil:
		return b.row.Status == apiclient.BatchPaused && !template(&b.row)
	case b.reading.of != fingerprintOf(&b.row):
		return true
	}
	return b.reading.active > 0 && now.Before(b.leftAt.Add(a.cfg.FinishedRetention))
}

// sweep frees what is remembered of batches that are no longer tracked.
func (a *account) sweep(now time.Time) {
	keep := map[string]bool{}
	for _, id := range a.tracked(now) {
		keep[id] = true
	}
	for id, b := range a.batches {
		if keep[id] || b.owed {
			continue
		}
		a.dropLedger(id)
		if b.row.ParentID != "" && b.row.Status.Ended() && !a.retained(b, now) {
			delete(a.batches, id)
		}
	}
}
