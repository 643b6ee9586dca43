package collector

import (
	"cmp"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// request is one request that could be sent.
type request struct {
	action  apiclient.Action
	id      string // of the batch to get, or of the recurring batch whose runs are listed
	running bool   // for list: only the running batches
}

// candidate is a request together with what determines its place in the plan.
type candidate struct {
	request
	urgency urgency
	asked   time.Time // when it was last sent, successfully or not; zero: never
	due     time.Time // when it may be sent again; zero: at once
	created time.Time // creation time of its batch
	turn    bool      // a get of a batch that shows no change, sent because it is its turn
}

// reads reports whether the request reads the recipients of a batch.
func (c candidate) reads() bool { return c.action == apiclient.ActionGet }

// urgency is the class of a request. A more urgent request is sent first,
// however long the others have waited.
type urgency int

const (
	guaranteed urgency = iota // a share of the budget that others must not eat up
	unread                    // nothing is known yet of a batch, or of some of its runs
	stopped                   // the last calls of a batch have yet to be read
	outdated                  // a batch's row tells that calls ended since its recipients were read; or it is a listing, which would tell
	inTurn                    // all others: what shows no change, but may have changed
	spare                     // sent only if nobody else wants the budget
)

// Shares of the budget's refill.
const (
	listShare    = 1. / 20 // guaranteed to the list, or to the list of running batches if a full walk is long
	failingShare = 1. / 4  // replaces listShare while the list cannot be read: magpipe_up depends on it
	walkShare    = 1. / 4  // guaranteed to the pages of a long walk, and also their limit
	runsShare    = 1. / 10 // guaranteed to the runs of all recurring batches that have some
	turnShare    = 1. / 10 // guaranteed to running batches that show no change, so that a hanging call is found
	recordsShare = 1. / 10 // guaranteed to call records, and also their limit
)

const (
	// idleRest is how long a recurring batch without known runs is left alone while the number of runs that it has
	// spawned does not change.
	idleRest = 10 * time.Minute
	// longestRest is the longest pause between two reads of something that keeps failing.
	longestRest = 10 * time.Minute
	// longestFinalRest is the same for a batch without series, which is only read to count its last calls.
	longestFinalRest = time.Hour
	// listRest is how long after a list its next one ranks no higher than the batches that show no change.
	listRest = time.Minute
	// idleBatchRest is how long a running batch that cannot call is left alone while its row does not change.
	idleBatchRest = time.Hour
	// missingRest is how long call records are left alone if they alone cannot be had with the key.
	missingRest = time.Hour
)

// plan returns the requests that are due for scrapes up to now, in the order in
// which they are sent: by urgency, then the one sent longest ago, then the newest
// batch. A request that was sent at or after now is not due again.
func plan(s *store, now time.Time) []candidate {
	due := slices.DeleteFunc(candidates(s, now), func(c candidate) bool {
		return !c.asked.IsZero() && (!c.asked.Before(now) || c.due.After(now))
	})
	slices.SortFunc(due, compareCandidates)
	turn := slices.IndexFunc(due, func(c candidate) bool { return c.turn })
	other := slices.IndexFunc(due, func(c candidate) bool { return c.urgency == outdated })
	if turn >= 0 && (other < 0 || due[turn].asked.Before(due[other].asked)) && now.Sub(s.lastInTurn) >= turnPeriod(s) {
		due[turn].urgency = guaranteed
		slices.SortFunc(due, compareCandidates)
	}
	return due
}

// turnPeriod is how often one running batch that shows no change is guaranteed
// to be read, provided it was read longer ago than any batch that shows a change.
func turnPeriod(s *store) time.Duration {
	share := turnShare
	if s.listings.all.long() {
		share *= 1 - walkShare
	}
	return timeFor(1, share*s.cfg.API.Budget.Refill())
}

func compareCandidates(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(a.urgency, b.urgency), a.asked.Compare(b.asked),
		b.created.Compare(a.created), cmp.Compare(a.id, b.id),
	)
}

// candidates returns all requests that may be worth sending, now or later.
func candidates(s *store, now time.Time) []candidate {
	all := listCandidates(s, now)
	tracked := map[*batch]bool{}
	for _, b := range s.tracked(now) {
		tracked[b] = true
	}
	turn := runsTurn(s, now)
	for _, b := range s.batches {
		if b.Gone {
			continue
		}
		if isRecurring(&b.Row) {
			c, l := runsCandidate(s, b, now, turn), s.listings.runs[b.Row.ID]
			if c.urgency == unread || s.rank(b, now) > 0 || l.Waiting > 0 {
				all = append(all, c)
			}
		}
		if b.GetPending || (tracked[b] && recipientsMayChange(s, b, now)) {
			all = append(all, getCandidate(s, b, now))
		}
	}
	return append(all, recordsCandidates(s, now)...)
}

// listCandidates returns the requests that keep the batch list up to date. If a
// full walk is long, the list of running batches shows most of what matters in a
// request or two, and the walk proceeds alongside at its own pace.
func listCandidates(s *store, now time.Time) []candidate {
	ls, refill := &s.listings, s.cfg.API.Budget.Refill()
	if !ls.all.long() {
		return []candidate{listCandidate(s, request{action: apiclient.ActionList}, now)}
	}
	filter := listCandidate(s, request{action: apiclient.ActionList, running: true}, now)
	if left := 0.95/s.cfg.MinRefresh.Seconds() - walkShare*refill; s.cfg.MinRefresh > 0 && left > 0 {
		// Filter and walk together cost no more than one request per MinRefresh. The factor of 0.95 makes up for the burst
		// of the first walk.
		filter.due = filter.asked.Add(timeFor(1, left))
	}
	walk := candidate{request: request{action: apiclient.ActionList}, urgency: guaranteed}
	if ls.all.walk == nil || ls.all.resuming {
		walk.asked, walk.due = ls.all.AskedAt, ls.all.AskedAt.Add(s.cfg.MinRefresh)
	}
	switch {
	case ls.allowance.Tokens() >= 1:
		return []candidate{filter, walk}
	case ls.all.WholeAt.IsZero():
		walk.urgency = spare // the first walk may use spare budget: the counts by state are unknown until it is complete
		return []candidate{filter, walk}
	}
	return []candidate{filter}
}

// listCandidate takes its turn among the batches that the last list showed to be
// outdated: until those are read, another list would not help. It is guaranteed
// its share of the budget.
func listCandidate(s *store, r request, now time.Time) candidate {
	l, share := s.listings.of(r), listShare
	if s.listings.failure() != nil {
		share = failingShare
	}
	c := candidate{request: r, urgency: inTurn, asked: l.AskedAt, due: l.AskedAt.Add(s.cfg.MinRefresh)}
	if l.walk != nil && !l.resuming {
		c.asked, c.due = time.Time{}, time.Time{} // the rest of a walk is due at once
	}
	if now.Sub(l.AskedAt) >= listRest {
		c.urgency = outdated
	}
	if c.asked.IsZero() || now.Sub(l.AskedAt) >= timeFor(float64(max(1, l.Pages)), share*s.cfg.API.Budget.Refill()) {
		c.urgency = guaranteed
	}
	return c
}

// recipientsMayChange reports whether the recipients of a tracked batch may have
// changed since they were read. If it does not run, calls in flight still end,
// which is followed for the retention, and a retry changes the row.
func recipientsMayChange(s *store, b *batch, now time.Time) bool {
	switch {
	case b.Row.Status == apiclient.BatchRunning:
		return true
	case b.Stats == nil:
		return b.Row.Status == apiclient.BatchPaused && !isTemplate(&b.Row)
	case b.Stats.Row != fingerprintOf(&b.Row):
		return true
	}
	return b.Stats.Active > 0 && now.Before(b.StoppedAt.Add(s.cfg.FinishedRetention))
}

func getCandidate(s *store, b *batch, now time.Time) candidate {
	most := longestRest
	if b.Row.Status.Ended() && !s.retained(b, now) {
		most = longestFinalRest
	}
	c := candidate{
		request: request{action: apiclient.ActionGet, id: b.Row.ID}, urgency: inTurn,
		asked: b.AskedAt, due: b.AskedAt.Add(backOff(s.cfg.MinRefresh, most, b.Failures)), created: b.Row.CreatedAt,
	}
	switch {
	case b.Stats == nil && b.Failures == 0:
		c.urgency = unread
	case b.GetPending && (!b.AskedAt.After(b.StoppedAt) || b.NotFound == 1): // a second 404 proves that it is gone
		c.urgency = stopped
	case !b.OutdatedSince.IsZero():
		c.urgency = outdated
	case b.Row.Status == apiclient.BatchRunning && b.Failures == 0 && !b.GetPending: // so it has been read
		c.due = later(c.due, mayCallFrom(b, s.cfg.WindowZone))
	}
	c.turn = c.urgency == inTurn
	return c
}

// runsTurn is how often the runs of each tracked recurring batch that has some
// are guaranteed to be read.
func runsTurn(s *store, now time.Time) time.Duration {
	n := 0
	for id, l := range s.listings.runs {
		if b := s.batches[id]; l.Known > 0 && b != nil && s.rank(b, now) > 0 {
			n++
		}
	}
	return max(s.cfg.MinRefresh, timeFor(float64(n), runsShare*s.cfg.API.Budget.Refill()))
}

// mayCallFrom returns from when a batch whose row has not changed since it was
// read may have placed calls. That is at once (zero), unless it could not call
// when it was read: if its window was closed, once the window has opened, but
// after an hour at the latest; if nobody was left to call, after an hour.
func mayCallFrom(b *batch, zone *time.Location) time.Time {
	if b.Stats.Active > 0 {
		return time.Time{}
	}
	rested := b.Stats.ReadAt.Add(idleBatchRest)
	if b.Stats.Counts[apiclient.RecipientPending]+b.Stats.Counts[apiclient.RecipientUnknown] == 0 {
		return rested
	}
	if read := b.Stats.ReadAt.In(zone); !b.Row.Window.Unknown && !b.Row.Window.Open(read) {
		return earlier(rested, b.Row.Window.Opens(read))
	}
	return time.Time{}
}

// runsCandidate returns the request for the runs of a recurring batch. If a run
// is run again, only its own row changes, so the runs of recurring batches are
// read in turn, whatever else is waiting.
func runsCandidate(s *store, b *batch, now time.Time, turn time.Duration) candidate {
	l, least := s.listings.runs[b.Row.ID], s.cfg.MinRefresh
	c := candidate{request: request{action: apiclient.ActionListRuns, id: b.Row.ID}, urgency: outdated, created: b.Row.CreatedAt}
	if l == nil || (l.walk != nil && !l.resuming) || (l.failures == 0 && l.Spawned != b.Row.RecurrenceRuns) {
		c.urgency = unread
		return c
	}
	rest := turn
	switch {
	case l.failures > 0:
		rest = backOff(least, longestRest, l.failures)
	case l.Waiting > 0:
		rest = least
	case l.Known == 0:
		rest = max(idleRest, timeFor(float64(len(s.listings.runs)), runsShare*s.cfg.API.Budget.Refill()))
	}
	c.asked, c.due = l.AskedAt, l.AskedAt.Add(rest)
	if l.failures == 0 && l.Known > 0 && now.Sub(l.AskedAt) >= turn {
		c.urgency = guaranteed
	}
	return c
}

// recordsCandidates returns the request for call records, if any are due and their
// share of the budget has one to spend. Those of calls in the counters are
// guaranteed their share; the others take what is left of it, in turn with all else
// that may wait.
func recordsCandidates(s *store, now time.Time) []candidate {
	r := &s.records
	if !s.cfg.CallRecords || r.allowance.TokensAt(now) < 1 {
		return nil
	}
	var counted, others time.Time
	for _, b := range s.batches {
		if b.Ledger != nil {
			counted, others = earlier(counted, b.Ledger.dueCounted), earlier(others, b.Ledger.dueOthers)
		}
	}
	rest := backOff(s.cfg.MinRefresh, longestRest, r.failures)
	if r.missing() && s.listings.failure() == nil {
		rest = missingRest
	}
	c := candidate{request: request{action: apiclient.ActionListCalls}, asked: r.AskedAt, due: r.AskedAt.Add(rest), urgency: guaranteed}
	switch {
	case !counted.IsZero() && !counted.After(now):
		return []candidate{c}
	case !others.IsZero() && !others.After(now):
		c.urgency = inTurn
		return []candidate{c}
	}
	return nil
}

// backOff returns how long to wait after a read has failed n times in a row. The
// wait doubles with each failure.
func backOff(least, most time.Duration, n int) time.Duration {
	rest := least
	for ; n > 1 && rest < most; n-- {
		rest *= 2
	}
	return max(least, min(rest, most))
}

// timeFor returns how long a budget of rate requests per second needs to pay for
// some requests.
func timeFor(requests, rate float64) time.Duration {
	return time.Duration(requests / rate * float64(time.Second))
}
