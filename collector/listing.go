package collector

import (
	"time"

	"golang.org/x/time/rate"

	"magpipe_exporter/apiclient"
)

// listings are those that an account has.
type listings struct {
	client    *apiclient.Client
	all       listing             // every batch
	running   listing             // the running ones, where walks of all batches are long
	runs      map[string]*listing // by the id of the recurring batch; list hides them
	allowance *rate.Limiter       // of the pages of long walks
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

// of is the listing that a request reads a page of; nil if it is of runs and
// was not begun, or its recurring batch is gone.
func (ls *listings) of(r request) *listing {
	switch {
	case r.action == apiclient.ActionListRuns:
		return ls.runs[r.id]
	case r.running:
		return &ls.running
	}
	return &ls.all
}

// begin returns the walk whose next page a request is about to read. spawned is
// what the recurring batch says of the number of its runs, if it reads those.
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
	return !ls.all.goodAt.IsZero() && ls.failure() == nil
}

// failure is why the batch list could not be read; nil if it could.
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

	walk     *apiclient.Walk // under way; nil between two. A request in flight may be using it
	walked   int             // pages of it that were read
	began    time.Time       // when the first page of that walk was asked for
	resuming bool            // its last page failed, and is asked for again
	askedAt  time.Time       // when a page was asked for last, good or not; zero: never

	failures int       // pages that failed since a walk ended whole, or since the walk got past the page that failed
	failure  error     // of the last of them
	goodAt   time.Time // when the last good page without such failures was asked for; zero: none yet
	furthest int       // the most pages of a walk so far, until one has ended whole

	wholeAt   time.Time // when the last whole walk began; zero: none yet
	pages     int       // of the last whole walk, with rows
	truncated bool      // the last whole walk may have missed rows

	// Of a listing of runs: how many of them are known, and how many of these are live without running: their state is told
	// by this listing alone, the others are followed by get. Further, what the recurring batch said of their number before the last whole walk, and before the
	// one under way; and the moment from which on calls count of runs that were forgotten.
	known, waiting    int
	spawned, spawning apiclient.Count
	resumeFrom        time.Time
}

// persistent reports whether reads that failed n times in a row keep failing.
// One failure is not enough: where the budget is short, the last good read may be
// older than Config.MaxStaleness when the next one is sent.
func persistent(n int) bool { return n >= 2 }

// next is the walk whose next page is asked for now.
func (l *listing) next(now time.Time) *apiclient.Walk {
	l.askedAt = now
	if l.walk == nil {
		l.walk, l.walked, l.began = l.pager.Walk(), 0, now
	}
	return l.walk
}

// pageRead records that the page asked for last was read.
func (l *listing) pageRead() {
	l.walked = l.walk.Pages()
	progress := l.wholeAt.IsZero() && l.walked > l.furthest
	if l.resuming || progress {
		l.failures, l.failure = 0, nil
	}
	l.resuming = false
	l.furthest = max(l.furthest, l.walked)
	if l.failures == 0 {
		l.goodAt = l.askedAt
	}
}

// retriesOfPage is how often in a row a long walk asks for a page that fails
// before it begins anew: rows may have been deleted, so that the page is past
// the end.
const retriesOfPage = 3

// pageFailed records a failed page. A short walk begins anew; a long one is too
// expensive for that and goes on at the page that failed.
func (l *listing) pageFailed(err error) {
	l.failures++
	l.failure = err
	l.resuming = l.walked >= longWalk && l.failures%retriesOfPage != 0
	if !l.resuming {
		l.walk = nil
	}
}

// longWalk is how many pages a walk may have to be read at each refresh.
const longWalk = 2

// long reports whether a walk costs more than that, as far as is known.
func (l *listing) long() bool {
	return l.pages > longWalk || (l.walk != nil && l.walked >= longWalk)
}

// staleAt is when a row that the listing showed last at a time is too old to be
// exposed, because the listing keeps failing; zero while it can be read.
func (l *listing) staleAt(listedAt time.Time, maxStaleness time.Duration) time.Time {
	if !persistent(l.failures) {
		return time.Time{}
	}
	return later(listedAt, l.goodAt).Add(maxStaleness)
}

// finish ends the walk under way, which was read whole, and returns it.
func (l *listing) finish() *apiclient.Walk {
	walk := l.walk
	l.walk, l.wholeAt, l.pages, l.truncated = nil, l.began, l.walked, walk.Truncated()
	l.failures, l.failure, l.goodAt, l.spawned = 0, nil, l.askedAt, l.spawning
	return walk
}
