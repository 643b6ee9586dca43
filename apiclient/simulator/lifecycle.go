package simulator

import "time"

// act does something to a batch now; do reports whether it came about.
func (a *Account) act(id string, do func(b *batch, now time.Time) bool) {
	now := a.enter()
	defer a.mu.Unlock()
	if b := a.batches[id]; b != nil && do(b, now) {
		b.touch = now
		b.settle(now)
		a.reschedule(b)
	}
}

// Start sets a draft, scheduled or paused batch running, a series recurring; started_at is now.
func (a *Account) Start(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		startable := b.status == "draft" || b.status == "scheduled" || b.status == "paused"
		if startable {
			b.start(now)
		}
		return startable
	})
}

func (b *batch) start(t time.Time) {
	b.status, b.started, b.touch = "running", t, t
	if b.template() {
		b.status = "recurring"
	}
	b.arm(t)
}

// Pause pauses a running, scheduled or recurring batch: nothing is dialled or spawned, calls in flight and live runs
// go on.
func (a *Account) Pause(id string) { a.act(id, (*batch).pause) }

func (b *batch) pause(time.Time) bool {
	pausable := b.status == "running" || b.status == "scheduled" || b.status == "recurring"
	if pausable {
		b.status = "paused"
	}
	return pausable
}

// Resume sets a paused batch going again; a series is recurring again, and the runs it missed stay missed.
func (a *Account) Resume(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		if b.status != "paused" {
			return false
		}
		b.status = "running"
		b.arm(now)
		if b.template() {
			b.status = "recurring"
		}
		return true
	})
}

// Cancel cancels a batch that has not ended: pending recipients are skipped, calls in flight still end. The recipients
// of a series stay pending.
func (a *Account) Cancel(id string) { a.act(id, (*batch).cancel) }

func (b *batch) cancel(now time.Time) bool {
	if batchEnded(b.status) {
		return false
	}
	for i, r := range b.recipients {
		if r.status == "pending" && !b.template() {
			r.status = "skipped"
			b.put(i, r)
		}
	}
	b.finish("cancelled", now)
	return true
}

// Fail brings a batch to the state failed; its recipients stay as they are.
func (a *Account) Fail(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		b.finish("failed", now)
		return true
	})
}

// Complete brings a batch to the state completed, with completed_at now; its recipients stay as they are.
func (a *Account) Complete(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		b.completed = now
		b.finish("completed", now)
		return true
	})
}

// Rerun runs an ended batch again: counts 0, all recipients pending, started_at now; completed_at and its place in the
// list stay. Calls in flight are lost to it, though Calls shows how they ended.
func (a *Account) Rerun(id string) { a.act(id, (*batch).rerun) }

func (b *batch) rerun(now time.Time) bool {
	if !batchEnded(b.status) {
		return false
	}
	for i := range b.recipients {
		b.recall(i)
	}
	b.recount()
	b.round = 0
	b.start(now)
	b.status = "running" // a series too: it is run like any other batch
	return true
}

// recall brings a recipient back to pending.
func (b *batch) recall(i int) {
	r := b.recipients[i]
	b.release(r.flight)
	b.put(i, recipient{id: r.id, status: "pending", attempts: r.attempts, wire: r.wire})
}

// Retry brings one recipient, by its index, back to pending, and an ended batch to running; counts are not reset.
func (a *Account) Retry(id string, i int) {
	a.act(id, func(b *batch, now time.Time) bool {
		if i < 0 || i >= len(b.recipients) {
			return false
		}
		b.recall(i)
		b.floor = now
		if batchEnded(b.status) {
			b.start(now)
		}
		return true
	})
}

// SetStatus gives a batch any state at all and changes nothing else but updated_at.
func (a *Account) SetStatus(id, status string) {
	a.act(id, func(b *batch, now time.Time) bool {
		b.status = status
		b.arm(now)
		return true
	})
}

// Drift adds to the true counters completed_count and failed_count on the wire, for ever; updated_at does not move.
func (a *Account) Drift(id string, completed, failed int) {
	a.enter()
	defer a.mu.Unlock()
	if b := a.batches[id]; b != nil {
		b.drift[0] += completed
		b.drift[1] += failed
	}
}
