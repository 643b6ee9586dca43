package simulator

import (
	"cmp"
	"time"
)

// act applies do to a batch; do reports whether it changed anything.
func (a *Account) act(id string, do func(b *batch, now time.Time) bool) {
	now := a.lock()
	defer a.mu.Unlock()
	if b := a.batches[id]; b != nil && do(b, now) {
		b.updated = now
		b.settle(now)
		a.reschedule(b, now)
	}
}

// Start starts a draft, scheduled or paused batch: it becomes running, or recurring, and started_at is now.
func (a *Account) Start(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		startable := b.status == "draft" || b.status == "scheduled" || b.status == "paused"
		if startable {
			b.start(now)
		}
		return startable
	})
}

// start starts a batch. It does not set updated_at, like the service when it starts a scheduled batch.
func (b *batch) start(t time.Time) {
	b.status, b.started = "running", t
	if b.template() {
		b.status = "recurring"
	}
	b.resetSlots(t)
}

// Pause pauses a running, scheduled or recurring batch. It then dials and spawns nothing, but calls in flight and live
// runs go on.
func (a *Account) Pause(id string) { a.act(id, (*batch).pause) }

func (b *batch) pause(time.Time) bool {
	pausable := b.status == "running" || b.status == "scheduled" || b.status == "recurring"
	if pausable {
		b.status = "paused"
	}
	return pausable
}

// Resume resumes a paused batch. A recurring batch does not make up for the runs it missed.
func (a *Account) Resume(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		if b.status != "paused" {
			return false
		}
		b.status = "running"
		b.resetSlots(now)
		if b.template() {
			b.status = "recurring"
		}
		return true
	})
}

// Cancel cancels a batch that has not ended: pending recipients become skipped, and calls in flight still end. The
// recipients of a recurring batch stay pending.
func (a *Account) Cancel(id string) { a.act(id, (*batch).cancel) }

func (b *batch) cancel(now time.Time) bool {
	if batchEnded(b.status) {
		return false
	}
	for i, r := range b.recipients {
		if r.status == "pending" && !b.template() {
			r.status = "skipped"
			b.setRecipient(i, r)
		}
	}
	b.finish("cancelled", now)
	return true
}

// Complete sets a batch to completed, with completed_at now. Its recipients stay as they are.
func (a *Account) Complete(id string) {
	a.act(id, func(b *batch, now time.Time) bool {
		b.completed = now
		b.finish("completed", now)
		return true
	})
}

// Rerun runs an ended batch again. Its counts become 0, all recipients pending, and started_at now; completed_at and its
// place in the list do not change. A call in flight ends without effect on the batch, but Calls shows its end.
func (a *Account) Rerun(id string) { a.act(id, (*batch).rerun) }

func (b *batch) rerun(now time.Time) bool {
	if !batchEnded(b.status) {
		return false
	}
	for i := range b.recipients {
		b.resetRecipient(i)
	}
	b.recount()
	b.round = 0
	b.start(now)
	b.status = "running" // a recurring batch too: it is run like any other
	return true
}

// resetRecipient makes a recipient pending again.
func (b *batch) resetRecipient(i int) {
	r := b.recipients[i]
	b.freeSlot(r.call)
	b.setRecipient(i, recipient{
		id: r.id, status: "pending", attempts: r.attempts, record: r.record, overrides: r.overrides,
	})
}

// Retry makes recipient i pending again, and an ended batch running. It does not reset the counts.
func (a *Account) Retry(id string, i int) {
	a.act(id, func(b *batch, now time.Time) bool {
		if i < 0 || i >= len(b.recipients) {
			return false
		}
		b.resetRecipient(i)
		b.notBefore = now
		if batchEnded(b.status) {
			b.start(now)
		}
		return true
	})
}

// SetStatus sets the state of a batch, which may be an undocumented one. Otherwise it changes only updated_at.
func (a *Account) SetStatus(id, status string) {
	a.act(id, func(b *batch, now time.Time) bool {
		b.status = status
		b.resetSlots(now)
		return true
	})
}

// Drift adds permanent errors to completed_count and failed_count. It does not change updated_at.
func (a *Account) Drift(id string, completed, failed int) {
	a.lock()
	defer a.mu.Unlock()
	if b := a.batches[id]; b != nil {
		b.drift[0] += completed
		b.drift[1] += failed
	}
}

// SetRecipients replaces the recipients of a batch, recomputes its counts, and sets updated_at to now. A recipient set
// to an active state stays in it until it is set again, and does not occupy a slot.
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
			a.overwrite(b, i, r)
		}
		b.recount()
		b.resetSlots(now)
		return true
	})
}

// SetRecipient replaces recipient i, adjusts the counts, and sets updated_at to now.
func (a *Account) SetRecipient(batchID string, i int, r Recipient) {
	a.act(batchID, func(b *batch, now time.Time) bool {
		if i < 0 || i >= len(b.recipients) {
			return false
		}
		b.countOutcome(b.recipients[i].status, -1)
		a.overwrite(b, i, r)
		b.countOutcome(b.recipients[i].status, 1)
		b.notBefore = now
		return true
	})
}

// overwrite replaces a recipient and records its call.
func (a *Account) overwrite(b *batch, i int, given Recipient) {
	old := b.recipients[i]
	b.freeSlot(old.call)
	r := recipient{
		id: cmp.Or(given.ID, old.id), status: cmp.Or(given.Status, "pending"), attempts: old.attempts, record: old.record,
		attempted: storedTime(given.AttemptedAt), completed: storedTime(given.CompletedAt), overrides: old.overrides,
	}
	b.setRecipient(i, r)
	if r.attempted.IsZero() {
		return
	}
	call := old.last
	if call == nil || !call.AttemptedAt.Equal(r.attempted) {
		call = a.addCall(b, i, attempt{Call: Call{AttemptedAt: r.attempted}})
	}
	if o := outcomeOf(r.status); call.planned || call.Outcome == "" {
		call.planned, call.Outcome, call.CompletedAt, call.Talk = false, o, time.Time{}, 0
		if o != "" {
			call.CompletedAt = r.completed
		}
	}
	call.status = recordStatus(r.status)
	call.Talk = cmp.Or(given.Talk.Truncate(time.Second), call.Talk)
	b.recipients[i].last = call
}

// nextEvent returns the time of the batch's next event. It is zero if nothing will happen by itself.
func (b *batch) nextEvent() time.Time {
	next := b.followUpAt
	for _, s := range b.slots {
		if s.call != nil {
			next = earlier(next, s.call.end)
		}
	}
	if len(b.steps) > 0 {
		next = earlier(next, b.steps[0].at)
	}
	if b.status == "recurring" {
		next = earlier(next, b.runNext)
	}
	next = earlier(next, b.autostart())
	next = earlier(next, b.turnEvent)
	_, dial := b.nextDial()
	return earlier(next, dial)
}

// earlier returns the earlier of two times. A zero time is ignored.
func earlier(x, y time.Time) time.Time {
	if x.IsZero() || !y.IsZero() && y.Before(x) {
		return y
	}
	return x
}

// play plays one of the events that are due at t.
func (a *Account) play(b *batch, t time.Time) {
	if b.endCall(t) {
		b.settle(t)
		return
	}
	slot, dial := b.nextDial()
	switch {
	case len(b.steps) > 0 && b.steps[0].at.Equal(t):
		do := b.steps[0].do
		b.steps = b.steps[1:]
		if do(b, t) {
			b.updated = t
		}
		b.settle(t)
	case b.autostart().Equal(t):
		b.start(t)
	case b.status == "recurring" && b.runNext.Equal(t):
		a.spawn(b, t)
	case b.followUpAt.Equal(t):
		a.followUp(b, t)
	case dial.Equal(t):
		a.dial(b, slot, t)
	}
}

// autostart returns when a scheduled batch starts by itself. It is zero if it does not.
func (b *batch) autostart() time.Time {
	if b.status != "scheduled" || !b.moves() || b.scheduled.IsZero() {
		return time.Time{}
	}
	if b.scheduled.Before(b.notBefore) {
		return b.notBefore
	}
	return b.scheduled
}

// settle ends a batch that dials by itself if all its recipients have ended.
func (b *batch) settle(t time.Time) {
	if b.status == "running" && b.moves() && b.open == 0 && len(b.recipients) > 0 {
		b.completed = t
		b.finish("completed", t)
	}
}

// finish ends the batch; its calls in flight go on.
func (b *batch) finish(status string, t time.Time) {
	b.status, b.updated = status, t
	if b.campaign.Repeat && !b.followedUp {
		b.followedUp = true
		b.followUpAt = t.Add(time.Minute)
	}
}
