package collector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"magpipe_exporter/apiclient"
)

// Refresh reads what is due, as far as the request budget goes, and returns when
// that is answered or the context is done. It waits for the requests that were
// due when it was called, including those already in flight, and for what their
// answers show to be missing. Concurrent calls share the requests, which continue
// when a caller leaves. If requests that were given up occupy all of Concurrency,
// nothing else is sent, and Refresh does not wait.
func (c *Collector) Refresh(ctx context.Context) {
	defer c.save()
	w := c.begin()
	select {
	case <-w.done:
	case <-ctx.Done():
		c.giveUp(w)
	}
}

// Begin starts a Refresh and returns at once. The channel is closed when the
// Refresh is done.
func (c *Collector) Begin() <-chan struct{} { return c.begin().done }

func (c *Collector) begin() *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &waiter{since: time.Now(), done: make(chan struct{})}
	if c.closed {
		close(w.done)
		return w
	}
	r := &c.refresh
	r.countDeferred()
	r.waiters = append(r.waiters, w)
	r.newest, r.refused, r.plan = w, nil, nil
	r.advance()
	return w
}

// giveUp records that a scrape has reached its deadline. From then on, the
// requests it waited for hold up no other scrape except the one that caused them.
func (c *Collector) giveUp(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.refresh.inFlight {
		f.givenUp = f.givenUp || f.holdsUp(w)
	}
	c.refresh.waiters = slices.DeleteFunc(c.refresh.waiters, func(x *waiter) bool { return x == w })
	c.refresh.advance()
}

// waiter is a scrape that waits for what is read.
type waiter struct {
	since time.Time
	done  chan struct{} // closed when there is nothing left to wait for
}

// flight is a request in flight.
type flight struct {
	sent, due time.Time
	cause     *waiter // the newest scrape when the request was sent
	givenUp   bool    // a scrape waiting for the request has reached its deadline
}

// holdsUp reports whether a scrape waits for the request. It does if it caused
// the request, or if the request was due or in flight when the scrape arrived.
func (f *flight) holdsUp(w *waiter) bool {
	return f.cause == w || (!f.givenUp && (!f.sent.After(w.since) || !f.due.After(w.since)))
}

// refresh sends requests in the order of the plan, as many at once as
// Concurrency allows, and makes a new plan after each answer that may change it.
// It advances with each scrape and each answer. The mutex of its Collector
// guards it.
type refresh struct {
	c        *Collector
	plan     []candidate // due and not sent yet; nil: a new plan is needed
	inFlight map[request]*flight
	waiters  []*waiter
	newest   *waiter // the newest scrape
	counted  *waiter // the newest one for which deferred requests were counted
	refused  error   // why the budget gave no more since the newest scrape
	lines    [][]any // of the log, about answers that are being recorded
}

// advance sends what can be sent and releases the scrapes that have nothing left
// to wait for.
func (r *refresh) advance() {
	if r.c.closed {
		return
	}
	if r.plan == nil {
		r.plan = slices.DeleteFunc(plan(r.c.store, r.newest.since), func(c candidate) bool { return r.inFlight[c.request] != nil })
	}
	unsent := r.plan[:0]
	for _, next := range r.plan {
		if !r.send(next) {
			unsent = append(unsent, next)
		}
	}
	r.plan = unsent
	if !slices.ContainsFunc(r.waiters, r.holdsUp) {
		r.countDeferred() // before the scrapes return, because they expose the result
		r.c.store.sweep(time.Now())
	}
	waiting := r.waiters[:0]
	for _, w := range r.waiters {
		if r.holdsUp(w) {
			waiting = append(waiting, w)
		} else {
			close(w.done)
		}
	}
	clear(r.waiters[len(waiting):])
	r.waiters = waiting
}

// holdsUp reports whether a scrape waits for any request in flight. A request
// that is due but exceeds the concurrency needs no check: it is sent when one of
// those in flight is answered.
func (r *refresh) holdsUp(w *waiter) bool {
	for _, f := range r.inFlight {
		if f.holdsUp(w) {
			return true
		}
	}
	return false
}

// send starts a request and reports false if it cannot be sent now. Requests are
// paid for here, one after the other, so that none overtakes a more urgent one.
func (r *refresh) send(next candidate) bool {
	if b := r.c.store.batches[next.id]; next.id != "" && (b == nil || b.Gone) {
		return true // another answer has shown that it is gone
	}
	if r.refused != nil || len(r.inFlight) >= r.c.cfg.API.Concurrency || r.leaves(next) {
		return false
	}
	if next.action == apiclient.ActionListCalls && r.awaitsOthers() {
		return false // their answers tell which records to read
	}
	permit, err := r.c.client.Take()
	if err != nil {
		r.refused = err
		return false
	}
	now := time.Now()
	if next.turn {
		r.c.store.lastInTurn = now
	}
	r.inFlight[next.request] = &flight{sent: now, due: next.due, cause: r.newest}
	exchange := r.prepare(next.request, now)
	r.c.requests.Go(func() {
		record := exchange(r.c.ctx, permit)
		for _, line := range r.record(record) {
			_ = r.c.cfg.Logger.Log(line...)
		}
		r.answered(next.request)
	})
	return true
}

// awaitsOthers reports whether anything but call records is being read, except what a
// scrape has given up on.
func (r *refresh) awaitsOthers() bool {
	for request, f := range r.inFlight {
		if request.action != apiclient.ActionListCalls && !f.givenUp {
			return true
		}
	}
	return false
}

// record records an answer and returns the log lines about it: nothing is called
// back under the mutex.
func (r *refresh) record(record func()) (lines [][]any) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	record()
	lines, r.lines = r.lines, nil
	return lines
}

// answered goes on after an answer was recorded. The answer to a get changes the
// plan only if its batch is due again, or if it was the last one: then it is known
// which call records are due. The answers to other requests may add to the plan.
func (r *refresh) answered(request request) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	sent := r.inFlight[request].sent
	delete(r.inFlight, request)
	if request.action != apiclient.ActionGet || sent.Before(r.newest.since) || !r.awaitsOthers() && !slices.ContainsFunc(r.plan, candidate.reads) {
		r.plan = nil
	}
	r.advance()
}

// leaves reports whether a request is left out because the API's own rate limit
// is nearly used up. What remains is for the customer's automation, except for
// the list's guaranteed share.
func (r *refresh) leaves(c candidate) bool {
	list := c.action == apiclient.ActionList && c.urgency == guaranteed && (c.running || !r.c.store.listings.all.long())
	return !list && r.c.cfg.API.Budget.NearlyExhausted()
}

// countDeferred counts the requests that were due for the newest scrape but not sent.
func (r *refresh) countDeferred() {
	if r.newest == nil || r.counted == r.newest {
		return
	}
	r.counted = r.newest
	if r.refused == nil && !r.c.cfg.API.Budget.NearlyExhausted() {
		return
	}
	reason := deferredBudget
	if errors.Is(r.refused, apiclient.ErrBackoff) {
		reason = deferredBackoff
	}
	for _, left := range r.plan {
		if left.urgency != spare && (r.refused != nil || r.leaves(left)) {
			r.c.counters.deferred(left.request, reason)
		}
	}
}

// prepare records that a request is being sent. It returns the function that
// sends it, to be called without the mutex. That one returns the function that
// records the answer, to be called with the mutex held.
func (r *refresh) prepare(req request, now time.Time) func(context.Context, *apiclient.Permit) (record func()) {
	if req.action == apiclient.ActionGet {
		r.c.store.batches[req.id].AskedAt = now
		return func(ctx context.Context, permit *apiclient.Permit) func() {
			reader := &recipientReader{batch: req.id}
			row, err := permit.Get(ctx, req.id, reader.add)
			return func() { r.recordGet(reader, row, now, err) }
		}
	}
	if req.action == apiclient.ActionListCalls {
		return r.prepareRecords(req, now)
	}
	spawned := apiclient.Count{}
	if req.id != "" {
		spawned = r.c.store.batches[req.id].Row.RecurrenceRuns
	}
	walk := r.c.store.listings.begin(req, now, spawned)
	return func(ctx context.Context, permit *apiclient.Permit) func() {
		rows, err := permit.Next(ctx, walk)
		return func() { r.recordPage(req, walk, rows, err) }
	}
}

func (r *refresh) prepareRecords(req request, now time.Time) func(context.Context, *apiclient.Permit) (record func()) {
	s := r.c.store
	asked := s.nextSpan(now)
	s.records.AskedAt = now
	s.records.allowance.AllowN(now, 1)
	return func(ctx context.Context, permit *apiclient.Permit) func() {
		page, err := permit.Calls(ctx, asked.from, asked.to)
		return func() {
			failures := s.records.failures
			if err == nil {
				s.recordCalls(asked, page, now)
			} else if r.failed(req, s.records.failure, err) {
				s.version++
				s.records.failures, s.records.failure = failures+1, err
			}
			if err == nil && failures > 0 {
				r.logRecovery(req, failures)
			}
		}
	}
}

func (r *refresh) recordPage(req request, walk *apiclient.Walk, rows []apiclient.Batch, err error) {
	l := r.c.store.listings.of(req)
	if l == nil || l.walk != walk {
		return // its recurring batch has been deleted in the meantime
	}
	failures, first := l.failures, !l.answered
	if err == nil {
		r.c.store.recordPage(l, req, rows)
	} else if r.failed(req, l.failure, err) {
		r.c.store.version++
		l.pageFailed(err)
	}
	switch {
	case err != nil || l.failures > 0:
	case req == request{action: apiclient.ActionList} && first:
		r.lines = append(r.lines, []any{level.Key(), level.InfoValue(), "msg", "read a page of the batch list", "batches", len(rows)})
	case failures > 0:
		r.logRecovery(req, failures)
	}
}

func (r *refresh) recordGet(reader *recipientReader, row apiclient.Batch, sent time.Time, err error) {
	b, req := r.c.store.batches[reader.batch], request{action: apiclient.ActionGet, id: reader.batch}
	failures := b.Failures
	if err == nil {
		r.c.store.recordGet(row, reader, sent)
		if failures > 0 {
			r.logRecovery(req, failures)
		}
	} else if r.failed(req, b.failure, err) {
		r.c.store.recordGetFailure(b, err)
	}
}

// failed reports whether a request failed, and has it logged unless the one
// before failed for the same reason; before is nil if that did not fail. One that
// was not sent because of a pause, or ended with the process, did not fail.
func (r *refresh) failed(req request, before, err error) bool {
	if errors.Is(err, apiclient.ErrBackoff) {
		r.c.counters.deferred(req, deferredBackoff)
		return false
	}
	if r.c.ctx.Err() != nil {
		return false
	}
	if before == nil || apiclient.Reason(before) != apiclient.Reason(err) {
		line := req.line(level.WarnValue(), "request failed; the data it would have updated is kept for now")
		r.lines = append(r.lines, append(line, "reason", apiclient.Reason(err), "err", err))
	}
	return true
}

func (r *refresh) logRecovery(req request, failures int) {
	r.lines = append(r.lines, append(req.line(level.InfoValue(), "request succeeds again"), "failures", failures))
}

// line is a line of the log about a request.
func (req request) line(at level.Value, msg string) []any {
	line := []any{level.Key(), at, "msg", msg, "action", string(req.action)}
	if req.id != "" {
		line = append(line, "batch_id", req.id)
	}
	return line
}
