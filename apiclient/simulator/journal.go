package simulator

import (
	"cmp"
	"slices"
	"time"
)

// kept is the minimum number of entries that a full journal keeps.
const kept = 100_000

// journal is a log that drops its oldest entries, kept/4 at a time.
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
	Action        string    // as requested, or "" if missing; list_calls for that endpoint
	BatchID       string    // batch_id, or parent_batch_id for list_runs
	StatusFilter  string
	Limit, Offset int // the defaults 50 and 0 if missing or not an integer
	Status        int // HTTP status of the answer; 0: none yet, or never
}

// Requests returns the requests in order of arrival, including refused ones. At least the newest 100,000 are kept.
func (a *Account) Requests() []Request {
	a.lock()
	defer a.mu.Unlock()
	out := make([]Request, len(a.requests.entries))
	for i, r := range a.requests.entries {
		out[i] = *r
	}
	return out
}

// Call is a dial attempt. While it is active, CompletedAt is zero and Outcome is "". A canceled call has a CompletedAt,
// too, although its recipient has no completed_at.
type Call struct {
	BatchID, RecipientID     string
	RecordID                 string // the recipient's call_record_id and the id of the call record
	AttemptedAt, CompletedAt time.Time
	Outcome                  string        // completed, failed, busy, no_answer, canceled
	Talk                     time.Duration // in whole seconds, as finally shown by the call record; 0 while active
}

// Calls returns every dial attempt up to now, sorted by AttemptedAt, even if a re-run, a retry or a deletion has erased
// it since. Recipients set by hand with an AttemptedAt are included, with the first outcome they were given. Of a double
// dial, the first attempt is not included, because no recipient ever shows it. At least the newest 100,000 are kept.
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
