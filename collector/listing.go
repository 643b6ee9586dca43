package collector

import (
	"time"

	"golang.org/x/time/rate"

	"magpipe_exporter/apiclient"
)

// listings are all listings of an account.
type listings struct {
	client    *apiclient.Client
	all       listing             // every batch
	running   listing             // the running batches; used if walks of all batches are long
	runs      map[string]*listing // by id of the recurring batch; list does not show runs
	allowance *rate.Limiter       // limits the pages of long walks
}

func newListings(client *apiclient.Client, budget *apiclient.Budget) listings {
	return listings{
		client:    client,
		all:       listing{pager: client.Batches()},
		running:   listing{pager: client.BatchesIn(apiclient.BatchRunning)},
		runs:      map[string]*listing{},
		allowance: rate.NewLimiter(rate.Limit(walkShare*budget.Refill()), max(1, budget.Burst()/4)),
	}
}

// of returns the listing that a request reads a page of. It returns nil for a
// listing of runs that was never started, or whose recurring batch is gone.
func (ls *listings) of(r request) *listing {
	switch {
	case r.action == apiclient.ActionListRuns:
		return ls.runs[r.id]
	case r.running:
		return &ls.running
	}
	return &ls.all
}

// begin returns the walk whose next page a request is about to read. For a
// listing of runs, spawned is the number of runs according to the row of the
// recurring batch.
func (ls *listings) begin(r request, now time.Time, spawned apiclient.Count) *apiclient.Walk {
	if r.action == apiclient.ActionListRuns && ls.runs[r.id] == nil {
		ls.runs[r.id] = &listing{pager: ls.client.Runs(r.id)}
	}
	l := ls.of(r)
	if l.walk == nil {
		l.spawning = spawned
	}
	walk := l.next(now)
	if l == &ls.all && l.long() {
		ls.allowance.AllowN(now, 1)
	}
	return walk
}

// up reports whether the batch list can be read.
func (ls *listings) up() bool {
	return ls.all.answered && ls.failure() == nil
}

// failure returns why the batch list could not be read, or nil if it was read.
func (ls *listings) failure() error {
	if ls.all.long() && ls.running.failures > 0 {
		return ls.running.failure
	}
	return ls.all.failure
}

// listing is one listing that is read page by page, again and again: every
// batch, the running ones, or the runs of one recurring batch. It fails as a
// whole: a good first page does not hide that the second has failed for hours.
type listing struct {
	pager *apiclient.Pager

	walk     *apiclient.Walk // the walk in progress; nil: none. A request in flight may be using it
	walked   int             // pages of walk that were read
	began    time.Time       // when the first page of walk was requested
	resuming bool            // the last page of walk failed and is requested again
	answered bool            // this process has read a page
	AskedAt  time.Time       // when a page was last requested, successfully or not; zero: never

	failures int       // failed pages since a walk was completed, or since a walk got past its failed page
	failure  error     // of the last failed page
	GoodAt   time.Time // when the last good page was requested while failures was 0; zero: none yet
	Furthest int       // the most pages that any walk has read, until the first one is complete

	WholeAt   time.Time // when the last complete walk began; zero: none yet
	Pages     int       // non-empty pages of the last complete walk
	Truncated bool      // the last complete walk may have missed rows

	// Of a listing of runs: how many of them are known, and how many of these are live without running: their state is told
	// by this listing alone, the others are followed by get. Further, what the recurring batch said of their number before the last whole walk, and before the
	// one under way; and the moment from which on calls count of runs that were forgotten.
	Known, Waiting    int
	Spawned, spawning apiclient.Count
	ResumeFrom        time.Time
}

// persistent reports whether a read that failed n times in a row counts as one
// that keeps failing. One failure is not enough: on a small budget, the last good
// read may already be older than Config.MaxStaleness when the next one is sent.
func persistent(n int) bool { return n >= 2 }

// next returns the walk whose next page is requested now.
func (l *listing) next(now time.Time) *apiclient.Walk {
	l.AskedAt = now
	if l.walk == nil {
		l.walk, l.walked, l.began = l.pager.Walk(), 0, now
	}
	return l.walk
}

// pageRead records that the last requested page was read.
func (l *listing) pageRead() {
	l.walked = l.walk.Pages()
	progress := l.WholeAt.IsZero() && l.walked > l.Furthest
	if l.resuming || progress {
		l.failures, l.failure = 0, nil
	}
	l.resuming = false
	l.Furthest = max(l.Furthest, l.walked)
	if l.failures == 0 {
		l.answered = true
		l.GoodAt = l.AskedAt
	}
}

// retriesOfPage is how many times in a row a long walk requests a failing page
// before it starts over. Rows may have been deleted, so that the page now lies
// beyond the end.
const retriesOfPage = 3

// pageFailed records a failed page. A short walk starts over; a long one, for
// which that would be too expensive, continues at the failed page.
func (l *listing) pageFailed(err error) {
	l.failures++
	l.failure = err
	l.resuming = l.walked >= longWalk && l.failures%retriesOfPage != 0
	if !l.resuming {
		l.walk = nil
	}
}

// longWalk is the most pages a walk may have to be read in full at each refresh.
const longWalk = 2

// long reports whether a walk has more pages than longWalk, as far as is known.
func (l *listing) long() bool {
	return l.Pages > longWalk || (l.walk != nil && l.walked >= longWalk)
}

// staleAt returns when a row that was last listed at listedAt becomes too old to
// be exposed, because the listing keeps failing. It is zero as long as the
// listing can be read.
func (l *listing) staleAt(listedAt time.Time, maxStaleness time.Duration) time.Time {
	if !persistent(l.failures) {
		return time.Time{}
	}
	return later(listedAt, l.GoodAt).Add(maxStaleness)
}

// finish records that the walk in progress is complete, and returns it.
func (l *listing) finish() *apiclient.Walk {
	walk := l.walk
	l.walk, l.WholeAt, l.Pages, l.Truncated = nil, l.began, l.walked, walk.Truncated()
	l.failures, l.failure, l.GoodAt, l.Spawned, l.answered = 0, nil, l.AskedAt, l.spawning, true
	return walk
}
