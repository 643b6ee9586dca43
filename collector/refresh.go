package collector

import (
	"context"
	"errors"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// Refresh reads what has grown old, and returns when that is done or the
// context is. All who call it while a refresh is under way share that one, and
// it goes on when they leave.
func (c *Collector) Refresh(ctx context.Context) {
	select {
	case <-c.Begin():
	case <-ctx.Done():
	}
}

// Begin starts a refresh unless one is under way, and returns what is closed at
// its end.
func (c *Collector) Begin() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		done := make(chan struct{})
		if c.closed {
			close(done)
			return done
		}
		c.running = done
		go func() {
			newRound(c).run()
			c.mu.Lock()
			c.running = nil
			c.mu.Unlock()
			close(done)
		}()
	}
	return c.running
}

// round is one refresh: it sends requests in the order of the plan, as many at
// once as Concurrency allows, and plans anew with each answer.
type round struct {
	*Collector
	began    time.Time
	inFlight map[request]bool
	answered chan request
	refused  error // why the budget gave no more
}

func newRound(c *Collector) *round {
	return &round{Collector: c, began: time.Now(), inFlight: map[request]bool{}, answered: make(chan request)}
}

func (r *round) run() {
	for {
		r.launch()
		if len(r.inFlight) == 0 {
			break
		}
		delete(r.inFlight, <-r.answered)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countDeferred()
	r.account.sweep(time.Now())
}

// launch pays for requests in the order of the plan and starts them. They are
// paid for here, one after the other, so that none overtakes a more urgent one.
func (r *round) launch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, next := range r.due() {
		if r.refused != nil || len(r.inFlight) >= r.cfg.API.Concurrency || r.ctx.Err() != nil {
			return
		}
		if r.yields(next) {
			continue
		}
		permit, err := r.cfg.API.Budget.Take()
		if err != nil {
			r.refused = err
			return
		}
		r.inFlight[next.request] = true
		read := r.prepare(next.request)
		go func() {
			read(r.ctx, permit)
			r.answered <- next.request
		}()
	}
}

// due is what the plan holds and is not in flight.
func (r *round) due() []candidate {
	return slices.DeleteFunc(plan(r.began, r.account.candidates(r.began)), func(c candidate) bool {
		return r.inFlight[c.request]
	})
}

// yields tells whether a request leaves what is left of the account's own
// window to the customer's automation. The list does not: its answers tell
// when the window is free again.
func (r *round) yields(c candidate) bool {
	return c.action != apiclient.ActionList && r.cfg.API.Budget.Crowded()
}

// countDeferred counts what was due and was not sent.
func (r *round) countDeferred() {
	if r.refused == nil && !r.cfg.API.Budget.Crowded() {
		return
	}
	reason := deferredBudget
	if errors.Is(r.refused, apiclient.ErrBackoff) {
		reason = deferredBackoff
	}
	for _, left := range r.due() {
		if left.urgency != spare && (r.refused != nil || r.yields(left)) {
			r.inst.deferred.WithLabelValues(string(left.action), reason).Inc()
		}
	}
}
