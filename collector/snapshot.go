package collector

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
)

// snapshot is what scrapes expose until something new is known. It is never
// changed once built; what depends on the clock is worked out at each scrape.
type snapshot struct {
	version   uint64
	list      listing
	listUntil time.Time // from when on what comes from the list's rows is too old; zero: never
	batches   map[apiclient.BatchStatus]int
	runs      []runShown
	tracked   []tracked // by id
	rateLimit apiclient.RateLimit
	still     atomic.Pointer[still] // nil until the first scrape
}

// runShown is a run of a recurring batch that is counted until a time; zero: for ever.
type runShown struct {
	status apiclient.BatchStatus
	until  time.Time
}

// tracked is a batch with series of its own.
type tracked struct {
	*view
	until        time.Time // from when on it is not shown; zero: never
	readingUntil time.Time // from when on its recipients are not shown; zero: never
}

// view is a batch's series as they are, while nothing new is known of it.
type view struct {
	row     apiclient.Batch
	read    *reading // nil: no recipients to show
	id      *dto.LabelPair
	samples [][]*dto.Metric // by row of the catalogue; of those that depend on the clock, none
}

func passed(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

// failuresToKeepFailing is how many reads in a row must fail before what they
// would have refreshed can be dropped. One does not: where the budget is short
// the last good read may be older than Config.MaxStaleness by then.
const failuresToKeepFailing = 2

// build makes the snapshot of what is known now.
func (a *account) build(rows *catalogue) *snapshot {
	now := time.Now()
	s := &snapshot{version: a.version, list: a.list, rateLimit: a.rateLimit, batches: map[apiclient.BatchStatus]int{}}
	if a.list.failures >= failuresToKeepFailing && !a.list.goodAt.IsZero() {
		s.listUntil = a.list.goodAt.Add(a.cfg.MaxStaleness)
	}
	for _, b := range a.batches {
		if b.row.ParentID == "" {
			s.batches[b.row.Status]++
		} else if !b.row.Status.Ended() || !b.endedAt.IsZero() {
			s.runs = append(s.runs, runShown{status: b.row.Status, until: a.shownUntil(b)})
		}
	}
	for _, id := range a.tracked(now) {
		b := a.batches[id]
		if b.shown == nil {
			b.shown = rows.view(b)
		}
		t := tracked{view: b.shown, until: a.shownUntil(b)}
		if b.failures >= failuresToKeepFailing && b.reading != nil {
			t.readingUntil = b.reading.at.Add(a.cfg.MaxStaleness)
		}
		s.tracked = append(s.tracked, t)
	}
	slices.SortFunc(s.tracked, func(a, b tracked) int { return cmp.Compare(a.row.ID, b.row.ID) })
	return s
}

// shownUntil is when a batch's retention ends, or when the row of a run gets
// too old because neither list_runs nor get can be read.
func (a *account) shownUntil(b *batch) (until time.Time) {
	if b.row.Status.Ended() {
		until = b.endedAt.Add(a.cfg.FinishedRetention)
	}
	if s := a.series[b.row.ParentID]; s != nil && s.failures >= failuresToKeepFailing {
		until = earlier(until, b.rowAt.Add(a.cfg.MaxStaleness))
	}
	return until
}
