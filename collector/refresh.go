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

// Begin starts a refresh, or has the one under way look again at what is due,
// and returns what is closed at its end.
func (c *Collector) Begin() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.running != nil:
		c.running.lookAgain()
		return c.running.done
	case c.closed:
		done := make(chan struct{})
		close(done)
		return done
	}
	r := &round{
		Collector: c, began: time.Now(), inFlight: map[request]time.Time{},
		answered: make(chan request), again: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.running = r
	go func() {
		r.run()
		close(r.done)
	}()
	return r.done
}

// round is one refresh: it sends requests in the order of the plan, as many at
// once as Concurrency allows, and plans anew with each answer that may change
// it. A request that hangs does not keep the scrapes that come meanwhile from
// having others sent.
type round struct {
	*Collector
	began    time.Time
	plan     []candidate           // what is due and not sent yet; nil: to be made anew
	inFlight map[request]time.Time // and since when
	answered chan request
	again    chan struct{} // a scrape has come meanwhile
	done     chan struct{} // closed at the end
	refused  error         // why the budget gave no more
}

// lookAgain tells the round that a scrape has come.
func (r *round) lookAgain() {
	select {
	case r.again <- struct{}{}:
	default: // it has been told
	}
}

func (r *round) run() {
	for {
		r.launch()
		if r.end() {
			return
		}
		select {
		case request := <-r.answered:
			if request.action != apiclient.ActionGet || r.inFlight[request].Before(r.began) {
				r.plan = nil // other gets change their own batch only, which was asked since
			}
			delete(r.inFlight, request)
		case <-r.again:
			r.mu.Lock()
			r.countDeferred()
			r.mu.Unlock()
			r.began, r.refused, r.plan = time.Now(), nil, nil
		}
	}
}

// end ends the round if nothing is in flight, and no scrape has come since it
// was planned: that one is told of no other round.
func (r *round) end() bool {
	if len(r.inFlight) > 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.again) > 0 {
		return false
	}
	r.countDeferred()
	r.account.sweep(time.Now())
	r.running = nil
	return true
}

// launch pays for requests in the order of the plan and starts them. They are
// paid for here, one after the other, so that none overtakes a more urgent one.
func (r *round) launch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plan == nil {
		r.plan = r.due()
	}
	r.plan = slices.DeleteFunc(r.plan, func(next candidate) (done bool) {
		if next.id != "" && r.account.batches[next.id] == nil {
			return true // it was found to be gone meanwhile
		}
		if r.refused != nil || len(r.inFlight) >= r.cfg.API.Concurrency || r.ctx.Err() != nil || r.yields(next) {
			return false
		}
		permit, err := r.client.Take()
		if err != nil {
			r.refused = err
			return false
		}
		r.inFlight[next.request] = time.Now()
		read := r.prepare(next.request)
		go func() {
			read(r.ctx, permit)
			r.answered <- next.request
		}()
		return true
	})
}

// due is what the plan holds and is not in flight.
func (r *round) due() []candidate {
	return slices.DeleteFunc(plan(r.began, r.account.candidates(r.began)), func(c candidate) bool {
		_, sent := r.inFlight[c.request]
		return sent
	})
}

// yields tells whether a request leaves what is left of the account's own
// window to the customer's automation. The list does not: its answers tell
// when the window is free again.
func (r *round) yields(c candidate) bool {
	return c.action != apiclient.ActionList && r.cfg.API.Budget.NearlyExhausted()
}

// countDeferred counts what was due and was not sent.
func (r *round) countDeferred() {
	if r.refused == nil && !r.cfg.API.Budget.NearlyExhausted() {
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
