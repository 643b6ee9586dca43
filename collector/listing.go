package collector

import (
	"time"

	"golang.org/x/time/rate"

	"magpipe_exporter/apiclient"
)

// listing is how far the list of all batches was read.
type listing struct {
	all, running  *apiclient.Pager
	walk          *apiclient.Walk // under way; nil between two
	pages         int             // of the walk under way
	walkAt        time.Time       // when its first page was asked for
	price         int             // pages with rows of the last whole walk; 0: none yet
	allowance     *rate.Limiter   // of long walks
	filter        *apiclient.Walk // of the running batches, under way; nil between two
	stuck         bool            // the last page of the full walk could not be read
	filterAt      time.Time       // when its first page was asked for
	filterPrice   int             // pages with rows of the last whole filter; 0: none yet
	filtered      map[string]bool // what it has shown so far
	askedAt       time.Time       // the last page of the full walk, good or not
	filterAskedAt time.Time       // the last page of the filter, good or not
	refreshed     time.Time       // start of the last whole walk; zero: none yet
	truncated     bool            // the last whole walk may have missed batches
	up            bool            // the last attempt was good
	failures      int             // attempts that failed in a row
	failure       error           // of the last attempt
	goodAt        time.Time       // the last good attempt; zero: none yet
}

// seeListPage takes in a page of the full walk or, filtered, of the running batches.
func (a *account) seeListPage(walk *apiclient.Walk, rows []apiclient.Batch, sent time.Time, filtered bool) {
	a.version++
	a.list.up, a.list.failures, a.list.failure, a.list.goodAt = true, 0, nil, sent
	for _, row := range rows {
		a.seeRow(row, sent)
		if filtered {
			a.list.filtered[row.ID] = true
		}
	}
	if !filtered {
		a.list.pages = walk.Pages()
	}
	switch {
	case !walk.Done():
	case filtered:
		a.finishFilter()
	default:
		a.finishWalk()
	}
}

// seeListFail notes a failed attempt. A short walk starts anew at the next one;
// a long one is too dear for that and goes on at the page that failed.
func (a *account) seeListFail(filtered bool, why error) {
	a.version++
	l := &a.list
	l.up = false
	l.failures++
	l.failure = why
	switch {
	case filtered:
		l.filter = nil
	case !l.long():
		l.walk = nil
	default:
		l.stuck = true
	}
}

// long tells whether a full walk costs more than a couple of pages, as far as
// that is known.
func (l *listing) long() bool {
	return l.price > couple || (l.walk != nil && l.pages >= couple)
}

const couple = 2

func (a *account) finishWalk() {
	l := &a.list
	walk, began := l.walk, l.walkAt
	l.walk, l.price, l.refreshed, l.truncated = nil, walk.Pages(), began, walk.Truncated()
	enough := missesToBeGone
	if walk.Pages() <= 1 {
		enough = 1
	}
	for id, b := range a.batches {
		if b.row.ParentID != "" || !b.rowAt.Before(began) || walk.Has(id) {
			continue
		}
		b.absent = true
		if walk.Truncated() {
			continue // what it lacks may be there
		}
		if b.misses++; b.misses >= enough {
			a.forget(id)
		}
	}
}

// finishFilter finds out which batches left running: the filter shows only that
// they did, so a get is owed that tells where to.
func (a *account) finishFilter() {
	l := &a.list
	for id, b := range a.batches {
		if b.row.ParentID == "" && b.row.Status == apiclient.BatchRunning &&
			b.rowAt.Before(l.filterAt) && !l.filtered[id] && !b.owed {
			b.owed, b.leftAt = true, time.Now()
		}
	}
	l.filterPrice = l.filter.Pages()
	l.filter, l.filtered = nil, nil
}

// next is the walk whose next page is asked for now.
func (l *listing) next(client *apiclient.Client, filtered bool, now time.Time) *apiclient.Walk {
	if filtered {
		l.filterAskedAt = now
		if l.filter == nil {
			if l.running == nil {
				l.running = client.BatchesIn(apiclient.BatchRunning)
			}
			l.filter, l.filterAt, l.filtered = l.running.Walk(), now, map[string]bool{}
		}
		return l.filter
	}
	l.askedAt, l.stuck = now, false
	if l.walk == nil {
		if l.all == nil {
			l.all = client.Batches()
		}
		l.walk, l.walkAt, l.pages = l.all.Walk(), now, 0
	}
	return l.walk
}
