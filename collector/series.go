package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

// series is what is known of the runs of a recurring batch, which list hides.
type series struct {
	runs     *apiclient.Pager
	walk     *apiclient.Walk // under way; nil between two
	walkAt   time.Time       // when its first page was asked for
	askedAt  time.Time       // the last attempt; zero: never
	failures int             // attempts that failed in a row
	spawned  apiclient.Count // runs that the recurring batch had spawned before the last whole look
	spawning apiclient.Count // the same before the walk under way
}

// seriesOf returns what is known of a recurring batch's runs, made on first use.
func (a *account) seriesOf(id string) *series {
	s := a.series[id]
	if s == nil {
		s = &series{}
		a.series[id] = s
	}
	return s
}

// next is the walk of a recurring batch's runs whose next page is asked for now.
func (s *series) next(client *apiclient.Client, parent *batch, now time.Time) *apiclient.Walk {
	s.askedAt = now
	if s.walk == nil {
		if s.runs == nil {
			s.runs = client.Runs(parent.row.ID)
		}
		s.walk, s.walkAt, s.spawning = s.runs.Walk(), now, parent.row.RecurrenceRuns
	}
	return s.walk
}

// seeRuns takes in a page of runs. Pages are read until one holds no live run.
// What was asked for before the series was forgotten is of no use.
func (a *account) seeRuns(walk *apiclient.Walk, parent string, rows []apiclient.Batch, sent time.Time) {
	a.version++
	s := a.series[parent]
	if s == nil || s.walk != walk {
		return
	}
	s.failures = 0
	live, oldest := false, time.Time{}
	for _, row := range rows {
		row.ParentID = parent
		a.seeRow(row, sent)
		live = live || liveRun(&row)
		oldest = earlier(oldest, row.CreatedAt)
	}
	if !live || walk.Done() {
		a.finishRuns(parent, oldest)
	}
}

// finishRuns looks for runs that should have been on the pages read, and were not.
func (a *account) finishRuns(parent string, oldest time.Time) {
	s := a.series[parent]
	walk := s.walk
	s.walk, s.spawned = nil, s.spawning
	if walk.Truncated() {
		return
	}
	for id, b := range a.batches {
		passed := walk.Done() || b.row.CreatedAt.After(oldest)
		if b.row.ParentID != parent || !b.rowAt.Before(s.walkAt) || walk.Has(id) || !passed {
			continue
		}
		if b.misses++; b.misses >= missesToBeGone {
			a.forget(id)
		}
	}
}

func (a *account) seeRunsFail(walk *apiclient.Walk, parent string) {
	a.version++
	s := a.series[parent]
	if s == nil || s.walk != walk {
		return
	}
	s.walk = nil
	s.failures++
}

// liveRun tells whether a run may still call, or call again.
func liveRun(row *apiclient.Batch) bool {
	return row.ParentID != "" && !row.Status.Ended() && row.Status != apiclient.BatchUnknown
}
