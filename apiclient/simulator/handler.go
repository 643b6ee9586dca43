package simulator

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// answer is a whole answer; cut says after how many bytes of the body the connection breaks, 0: not at all.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    int
}

// ServeHTTP answers one request, on any path. Where a fault breaks the connection it panics with
// http.ErrAbortHandler, which net/http understands.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ans, err := a.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), ans.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(ans.body)))
	w.WriteHeader(ans.status)
	if ans.cut == 0 {
		_, _ = w.Write(ans.body) // a client that has gone is its own business
		return
	}
	_, _ = w.Write(ans.body[:ans.cut])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// answer waits as long as faults demand; the error is that of the request's context or body.
func (a *Account) answer(r *http.Request) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	q := ask(r.Method, body)
	entry, f, ans := a.admit(r.Header, q)
	if ans.status == 0 {
		ans, err = a.respond(r.Context(), q, f)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	entry.Status = ans.status
	return ans, err
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(r.Body, bodyLimit))
}

// admit notes a request down and turns it away if it carries no good key or exceeds the limits.
func (a *Account) admit(h http.Header, q question) (*Request, Fault, answer) {
	now := a.enter()
	defer a.mu.Unlock()
	entry := a.requests.add(Request{
		At: now, Action: q.action, BatchID: q.batchID, StatusFilter: q.status, Limit: q.limit, Offset: q.offset,
	})
	if !a.authorized(h) {
		ans := answer{status: http.StatusUnauthorized, header: make(http.Header), body: complaint("Unauthorized")}
		return entry, Fault{}, a.dress(ans, now)
	}
	if wait := a.limits.take(now); wait > 0 {
		return entry, Fault{}, a.dress(refuse(wait), now)
	}
	return entry, a.faultFor(q), answer{}
}

// respond answers a request that was let in, with what is true when the fault lets go of it.
func (a *Account) respond(ctx context.Context, q question, f Fault) (answer, error) {
	if err := f.hold(ctx); err != nil {
		return answer{}, err
	}
	now := a.enter()
	defer a.mu.Unlock()
	ans := answer{header: make(http.Header)}
	ans.status, ans.body = a.truth(q, now, f.NoRecipients)
	return f.spoil(a.dress(ans, now)), nil
}

// dress adds the headers that all answers carry.
func (a *Account) dress(ans answer, now time.Time) answer {
	ans.header.Set("Content-Type", "application/json")
	ans.header.Set("Date", now.Format(http.TimeFormat))
	if a.options.RateLimitHeaders && ans.status != http.StatusUnauthorized {
		a.limits.show(ans.header, now)
	}
	return ans
}
