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

// Request is a request that reached the account.
type Request struct {
	At            time.Time // when it arrived
	Action        string    // as asked, "" if the body gave none; list_calls for that endpoint
	BatchID       string    // batch_id, or parent_batch_id for list_runs
	StatusFilter  string
	Limit, Offset int // the defaults 50 and 0 if the request had none, or no integer
	Status        int // the HTTP status answered; 0: none yet, or never
}

// Requests returns the requests in order of arrival, refused ones included. It keeps at least the newest 100,000.
func (a *Account) Requests() []Request {
	a.lock()
	defer a.mu.Unlock()
	out := make([]Request, len(a.requests.entries))
	for i, r := range a.requests.entries {
		out[i] = *r
	}
	return out
}

// Call is a dial attempt; CompletedAt is zero and Outcome "" while it is active. CompletedAt is the end of a canceled
// call too, although its recipient has no completed_at.
type Call struct {
	BatchID, RecipientID     string
	RecordID                 string // the recipient's call_record_id and the id of the call record
	AttemptedAt, CompletedAt time.Time
	Outcome                  string        // completed, failed, busy, no_answer, canceled
	Talk                     time.Duration // in whole seconds, as the call record shows it in the end; 0 while active
}

// Calls returns every dial attempt up to now by time of attempt, even if a re-run, a retry or a deletion has erased it
// since. Recipients set by hand that have an AttemptedAt are among them, with the first outcome they were given. The
// first of two dials at once is not, as no recipient ever shows it. It keeps at least the newest 100,000.
func (a *Account) Calls() []Call {
	now := a.lock()
	defer a.mu.Unlock()
	out := make([]Call, 0, len(a.calls.entries))
	for _, x := range a.calls.entries {
		c := x.Call
		c.RecordID = recordID(x.recordKey, x.record)
		if x.planned && c.CompletedAt.After(now) {
			c.CompletedAt, c.Outcome, c.Talk = time.Time{}, "", 0
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(x, y Call) int {
		return cmp.Or(x.AttemptedAt.Compare(y.AttemptedAt), cmp.Compare(x.BatchID, y.BatchID),
			cmp.Compare(x.RecipientID, y.RecipientID))
	})
	return out
}
