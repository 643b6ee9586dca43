package simulator

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// Fault makes requests fail or delays their answers. It applies only to requests that have a valid key and are within
// the limits.
type Fault struct {
	Action, BatchID string        // "": any; Action list_calls is that endpoint; BatchID is the parent's for list_runs
	Status          int           // 200 to 599, instead of the true answer; 0: the true answer
	Body            string        // instead of the true body, or of the default body for Status; "": no change
	Header          http.Header   // added to the answer; replaces headers with the same name
	Latency         time.Duration // delay of the answer; ends with the request's context
	Hang            bool          // no answer until the request's context ends
	CutAfter        int           // bytes of the body after which the connection breaks; 0: it does not
	NoRecipients    bool          // get answers 200 with no recipients, as after a failed read
	Times           int           // number of requests it applies to; 0: all until it is removed
}

type fault struct {
	Fault
	left int
}

// Inject applies a fault to requests from now on, until remove is called or Times is reached. If several faults match a
// request, the newest one applies.
func (a *Account) Inject(f Fault) (remove func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.Header = f.Header.Clone()
	x := &fault{Fault: f, left: f.Times}
	a.faults = append(a.faults, x)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.drop(x)
	}
}

func (a *Account) drop(x *fault) {
	a.faults = slices.DeleteFunc(a.faults, func(y *fault) bool { return x == y })
}

// faultFor returns the fault that applies to a query, or the zero Fault if none does.
func (a *Account) faultFor(q query) Fault {
	for _, x := range slices.Backward(a.faults) {
		if x.Action != "" && x.Action != q.action || x.BatchID != "" && x.BatchID != q.batchID {
			continue
		}
		if x.left == 1 {
			a.drop(x)
		}
		x.left--
		return x.Fault
	}
	return Fault{}
}

// wait delays the answer. It returns an error if the context ends.
func (f Fault) wait(ctx context.Context) error {
	if f.Hang {
		<-ctx.Done()
	}
	if f.Latency > 0 {
		late := time.NewTimer(f.Latency)
		defer late.Stop()
		select {
		case <-ctx.Done():
		case <-late.C:
		}
	}
	return ctx.Err()
}

// apply returns the answer with the fault's changes.
func (f Fault) apply(ans answer, q query) answer {
	if f.Status != 0 {
		ans.status = f.Status
		ans.body = q.errorBody(http.StatusText(f.Status))
	}
	if f.Body != "" {
		ans.body = []byte(f.Body)
	}
	for k, v := range f.Header {
		ans.header[http.CanonicalHeaderKey(k)] = v
	}
	if f.CutAfter > 0 && f.CutAfter < len(ans.body) {
		ans.cut = f.CutAfter
	}
	return ans
}
