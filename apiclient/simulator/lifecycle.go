package simulator

import (
	"cmp"
	"time"
)

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

// SetRecipients replaces the recipients of a batch and takes its counts from them; updated_at is now. Calls that are
// set active by hand stay so until they are set again, and hold no slot.
func (a *Account) SetRecipients(batchID string, rs []Recipient) {
	a.act(batchID, func(b *batch, now time.Time) bool {
		last := make(map[string]*attempt)
		for i := range b.recipients {
			last[b.recipientID(i)] = b.recipients[i].last
		}
		clear(b.slots)
		b.recipients = make([]recipient, len(rs))
		for i, r := range rs {
			b.recipients[i].id = r.ID
			b.recipients[i].last = last[b.recipientID(i)]
			a.write(b, i, r)
		}
		b.recount()
		b.arm(now)
		return true
	})
}

// SetRecipient replaces one recipient, by its index, and moves the counts accordingly; updated_at is now.
func (a *Account) SetRecipient(batchID string, i int, r Recipient) {
	a.act(batchID, func(b *batch, now time.Time) bool {
		if i < 0 || i >= len(b.recipients) {
			return false
		}
		b.score(b.recipients[i].status, -1)
		a.write(b, i, r)
		b.score(b.recipients[i].status, 1)
		b.floor = now
		return true
	})
}

// write puts a hand-made recipient in place and its call into the journal.
func (a *Account) write(b *batch, i int, given Recipient) {
	old := b.recipients[i]
	b.release(old.flight)
	r := recipient{
		id: cmp.Or(given.ID, old.id), status: cmp.Or(given.Status, "pending"), attempts: old.attempts,
		attempted: instant(given.AttemptedAt), completed: instant(given.CompletedAt), wire: old.wire,
	}
	b.put(i, r)
	if r.attempted.IsZero() {
		return
	}
	call := old.last
	if call == nil || !call.AttemptedAt.Equal(r.attempted) {
		call = a.calls.add(attempt{Call: Call{
			BatchID: b.id, RecipientID: b.recipientID(i), AttemptedAt: r.attempted,
		}})
	}
	if o := outcomeOf(r.status); call.planned || call.Outcome == "" {
		call.planned, call.Outcome, call.CompletedAt = false, o, time.Time{}
		if o != "" {
			call.CompletedAt = r.completed
		}
	}
	b.recipients[i].last = call
}

// ahead gives the time of the batch's next event; zero if nothing will happen by itself.
func (b *batch) ahead() time.Time {
	next := b.follow
	for _, s := range b.slots {
		if s.flight != nil {
			next = earlier(next, s.flight.end)
		}
	}
	if len(b.steps) > 0 {
		next = earlier(next, b.steps[0].at)
	}
	if b.status == "recurring" {
		next = earlier(next, b.runNext)
	}
	next = earlier(next, b.autostart())
	_, dial := b.nextDial()
	return earlier(next, dial)
}

// earlier gives the earlier of two times, of which zero is none at all.
func earlier(x, y time.Time) time.Time {
	if x.IsZero() || !y.IsZero() && y.Before(x) {
		return y
	}
	return x
}

// play makes one of the events that are due at t happen.
func (a *Account) play(b *batch, t time.Time) {
	if b.land(t) {
		b.settle(t)
		return
	}
	slot, dial := b.nextDial()
	switch {
	case len(b.steps) > 0 && b.steps[0].at.Equal(t):
		do := b.steps[0].do
		b.steps = b.steps[1:]
		if do(b, t) {
			b.touch = t
		}
		b.settle(t)
	case b.autostart().Equal(t):
		b.start(t)
	case b.status == "recurring" && b.runNext.Equal(t):
		a.spawn(b, t)
	case b.follow.Equal(t):
		a.followUp(b, t)
	case dial.Equal(t):
		a.dial(b, slot, t)
	}
}

// autostart gives when a scheduled batch starts by itself; zero: it does not.
func (b *batch) autostart() time.Time {
	if b.status != "scheduled" || !b.moves() || b.scheduled.IsZero() {
		return time.Time{}
	}
	if b.scheduled.Before(b.floor) {
		return b.floor
	}
	return b.scheduled
}

// settle ends a batch whose recipients have all ended; one that does not move by itself does not end by itself either.
func (b *batch) settle(t time.Time) {
	if b.status == "running" && b.moves() && b.open == 0 && len(b.recipients) > 0 {
		b.completed = t
		b.finish("completed", t)
	}
}

// finish brings the batch to an end state, in which its calls in flight go on.
func (b *batch) finish(status string, t time.Time) {
	b.status, b.touch = status, t
	if b.plan.Repeat && !b.followed {
		b.followed = true
		b.follow = t.Add(time.Minute)
	}
}
