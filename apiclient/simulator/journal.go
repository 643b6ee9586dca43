package simulator

import (
	"cmp"
	"slices"
	"time"
)

// kept is how many entries a journal keeps at least.
const kept = 100_000

// journal is a log that forgets its oldest entries, a quarter of those kept at a time.
type journal[T any] struct{ entries []*T }

func (j *journal[T]) add(x T) *T {
	if len(j.entries) >= kept+kept/4 {
		j.entries = slices.Clone(j.entries[kept/4:])
	}
	j.entries = append(j.entries, &x)
	return &x
}

// Request is one request that reached the account.
type Request struct {
	At            time.Time // when it came in
	Action        string    // as asked, "" if the body gave none
	BatchID       string    // batch_id, or parent_batch_id for list_runs
	StatusFilter  string
	Limit, Offset int // the defaults 50 and 0 where the request gave none or no integer
	Status        int // the HTTP status answered; 0: none yet, or never
}

// Requests returns the requests in the order they came in, refused ones included: the newest 100,000 at least.
func (a *Account) Requests() []Request {
	a.enter()
	defer a.mu.Unlock()
	out := make([]Request, len(a.requests.entries))
	for i, r := range a.requests.entries {
		out[i] = *r
	}
	return out
}

// Call is one dial attempt; CompletedAt is zero and Outcome "" while it is active.
type Call struct {
	BatchID, RecipientID     string
	AttemptedAt, CompletedAt time.Time
	Outcome                  string // completed, failed, busy, no_answer
}

// attempt is a Call whose end, where the simulator planned it, is written down before it is there.
type attempt struct {
	Call
	planned bool
}

// Calls returns every dial attempt up to now by time of attempt, whether or not a re-run, a retry or a deletion has
// erased it since; hand-made recipients that have an AttemptedAt are among them, with the first outcome they were
// given. It goes back by the newest 100,000 attempts at least.
func (a *Account) Calls() []Call {
	now := a.enter()
	defer a.mu.Unlock()
	out := make([]Call, 0, len(a.calls.entries))
	for _, x := range a.calls.entries {
		c := x.Call
		if x.planned && c.CompletedAt.After(now) {
			c.CompletedAt, c.Outcome = time.Time{}, ""
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(x, y Call) int {
		return cmp.Or(x.AttemptedAt.Compare(y.AttemptedAt), cmp.Compare(x.BatchID, y.BatchID),
			cmp.Compare(x.RecipientID, y.RecipientID))
	})
	return out
}
