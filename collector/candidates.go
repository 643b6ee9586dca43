package collector

import (
	"time"

	"golang.org/x/time/rate"

	"magpipe_exporter/apiclient"
)

// What the parts of the account may claim of the budget's refill whatever else
// waits. The rest goes to the stalest.
const (
	listShare = 1. / 20 // the list, or the running batches where a full walk is long
	failShare = 1. / 4  // the same after it could not be read: magpipe_up waits for it
	walkShare = 1. / 4  // the pages of a long walk; no more than this either
	idleShare = 1. / 10 // looks for new runs of all series that have no live one; no more than this
)

// idleRest is how long at least a series without a live run is left alone while
// its count of spawned runs does not move.
const idleRest = 10 * time.Minute

// longestRest is how long a batch rests whose series are gone and whose last
// read keeps failing.
const longestRest = time.Hour

// candidates are all requests that the account could be asked for: the list,
// the runs of recurring batches, and the recipients of batches that may call.
func (a *account) candidates(began time.Time) []candidate {
	all := a.listCandidates(began)
	waiting := a.waitingRuns()
	idle := a.idleSeries(waiting)
	tracked := map[string]bool{}
	for _, id := range a.tracked(began) {
		tracked[id] = true
	}
	for id, b := range a.batches {
		if recurring(&b.row) {
			c := a.runsCandidate(id, b)
			if waiting[id] == 0 {
				c.rest = a.series[id].restFor(c.rest, idle)
			}
			if c.urgency == neverRead || a.rank(b, began) > 0 || waiting[id] > 0 {
				all = append(all, c)
			}
		}
		if b.owed || (tracked[id] && a.callsMayChange(b, began)) {
			all = append(all, a.getCandidate(id, b, began))
		}
	}
	return all
}

func (a *account) callsMayChange(b *batch, now time.Time) bool {
	return b.row.Status == apiclient.BatchRunning || a.unsettled(b, now)
}

func (a *account) getCandidate(id string, b *batch, began time.Time) candidate {
	c := candidate{
		request: request{action: apiclient.ActionGet, id: id},
		urgency: byAge, asked: b.askedAt, rest: a.cfg.MinRefresh, created: b.row.CreatedAt,
	}
	if b.row.Status.Ended() && !a.retained(b, began) { // only its last calls are wanted, if they can still be read
		c.rest = min(longestRest, c.rest<<min(b.failures, 10))
	}
	switch {
	case b.askedAt.IsZero():
		c.urgency = neverRead
	case b.owed && !b.askedAt.After(b.leftAt):
		c.urgency = justLeft
	}
	return c
}

func (a *account) runsCandidate(id string, b *batch) candidate {
	c := candidate{
		request: request{action: apiclient.ActionListRuns, id: id},
		urgency: byAge, rest: a.cfg.MinRefresh, created: b.row.CreatedAt,
	}
	s := a.series[id]
	switch {
	case s == nil, s.walk != nil, s.failures == 0 && s.spawned != b.row.RecurrenceRuns:
		c.urgency = neverRead // of some of its runs nothing is known
	default:
		c.asked = s.askedAt
	}
	return c
}

// waitingRuns counts, by recurring batch, the live runs whose state only
// list_runs tells: those that run are followed by get.
func (a *account) waitingRuns() map[string]int {
	waiting := map[string]int{}
	for _, b := range a.batches {
		if liveRun(&b.row) && b.row.Status != apiclient.BatchRunning {
			waiting[b.row.ParentID]++
		}
	}
	return waiting
}

// idleSeries tells how long a series with nothing to follow rests, so that all of
// them together keep to their share.
func (a *account) idleSeries(waiting map[string]int) time.Duration {
	idle := max(0, len(a.series)-len(waiting))
	return max(idleRest, every(float64(idle), idleShare*a.cfg.API.Budget.Refill()))
}

// restFor is how long a series with nothing to follow rests: what it could not
// tell is asked for again soon, and less often with each failure.
func (s *series) restFor(least, idle time.Duration) time.Duration {
	if s != nil && s.failures > 0 {
		idle = min(idle, least<<min(s.failures-1, 10))
	}
	return max(least, idle)
}

// every is the time in which a rate per second pays for a price.
func every(price, rate float64) time.Duration {
	return time.Duration(price / rate * float64(time.Second))
}

func (a *account) listCandidates(began time.Time) []candidate {
	l := &a.list
	if !l.long() {
		return []candidate{a.upkeep(listRead{begun: l.walk != nil, asked: l.askedAt, price: l.price}, began)}
	}
	filter := a.upkeep(listRead{filtered: true, begun: l.filter != nil, asked: l.filterAskedAt, price: l.filterPrice}, began)
	filter.rest = a.filterRest()
	all := []candidate{filter}
	walk := candidate{request: request{action: apiclient.ActionList}, urgency: paced}
	if l.walk == nil || l.stuck {
		walk.asked, walk.rest = l.askedAt, a.cfg.MinRefresh
	}
	switch {
	case a.walks().Tokens() >= 1:
		return append(all, walk)
	case l.refreshed.IsZero():
		walk.urgency = spare // no count by state is known before the first walk ends
		return append(all, walk)
	}
	return all
}

// filterRest is how long the filter rests, so that it and the pages of the walk
// together cost no more than one request per Config.MinRefresh; a twentieth is
// left for what the first walk spends at once.
func (a *account) filterRest() time.Duration {
	left := 0.95/a.cfg.MinRefresh.Seconds() - walkShare*a.cfg.API.Budget.Refill()
	if a.cfg.MinRefresh <= 0 || left <= 0 {
		return a.cfg.MinRefresh
	}
	return every(1, left)
}

// listRead is a way to keep up with the list.
type listRead struct {
	filtered bool
	begun    bool      // a page of it was read, and another is to come
	asked    time.Time // when it was asked for last
	price    int       // in pages, as far as that is known
}

// upkeep is the candidate that keeps up with the list: as old as it is, but due
// by right once its share of the refill has paid for it.
func (a *account) upkeep(l listRead, began time.Time) candidate {
	c := candidate{
		request: request{action: apiclient.ActionList, filtered: l.filtered},
		urgency: byAge, asked: l.asked, rest: a.cfg.MinRefresh,
	}
	if l.begun {
		c.asked = time.Time{}
	}
	share := listShare * a.cfg.API.Budget.Refill()
	if a.list.failures > 0 {
		share = failShare * a.cfg.API.Budget.Refill()
	}
	if c.asked.IsZero() || began.Sub(l.asked) >= every(float64(max(1, l.price)), share) {
		c.urgency = paced
	}
	return c
}

// walks is the allowance of long walks.
func (a *account) walks() *rate.Limiter {
	if a.list.allowance == nil {
		b := a.cfg.API.Budget
		a.list.allowance = rate.NewLimiter(rate.Limit(walkShare*b.Refill()), max(1, b.Burst()/4))
	}
	return a.list.allowance
}
