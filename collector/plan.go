package collector

import (
	"cmp"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// request is one request that could be sent.
type request struct {
	action   apiclient.Action
	id       string // of the batch, or of the recurring batch whose runs are listed
	filtered bool   // of a list: only the running batches
}

// candidate is a request, and what its place in the plan depends on.
type candidate struct {
	request
	urgency urgency
	asked   time.Time     // when it was sent last, good or not; zero: never
	rest    time.Duration // how long it rests after that; at least Config.MinRefresh
	created time.Time     // of its batch
}

// urgency is why a request comes before others, whatever their age.
type urgency int

const (
	paced     urgency = iota // the list's guaranteed share, so that details can't starve it
	neverRead                // a batch of which nothing is known yet
	justLeft                 // a batch whose last calls have yet to be seen
	byAge                    // all others
	spare                    // what only takes the budget that nobody else wants
)

// plan orders the candidates that are due: by urgency, then stalest first, then
// newest batch first. What was asked since the refresh began, or less than its
// rest before that, is left out.
func plan(began time.Time, candidates []candidate) []candidate {
	due := slices.DeleteFunc(slices.Clone(candidates), func(c candidate) bool {
		return !c.asked.IsZero() && (!c.asked.Before(began) || began.Sub(c.asked) < c.rest)
	})
	slices.SortStableFunc(due, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.urgency, b.urgency), a.asked.Compare(b.asked),
			b.created.Compare(a.created), cmp.Compare(a.id, b.id),
		)
	})
	return due
}
