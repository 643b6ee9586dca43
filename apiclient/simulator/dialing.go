package simulator

import (
	"math/rand/v2"
	"time"
)

// arm lets the free slots dial again from t on, one after the other over the mean gap; runs missed until then stay
// missed.
func (b *batch) arm(t time.Time) {
	b.floor = t
	for !b.runNext.IsZero() && b.runNext.Before(t) {
		b.runNext = b.runNext.Add(b.plan.RunEvery)
	}
	for i := range b.slots {
		b.slots[i].next = t.Add(b.phase(i))
	}
}

// phase is how long after a beginning a slot dials first.
func (b *batch) phase(slot int) time.Duration {
	part := float64(slot) + fraction(b.key, forPhase, uint64(slot))
	return scale(b.plan.DialEvery, part/float64(len(b.slots)))
}

// scale multiplies a duration, in whole microseconds.
func scale(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * by).Truncate(time.Microsecond)
}

// nextDial gives the slot that dials next and when; the zero time if none will.
func (b *batch) nextDial() (slot int, at time.Time) {
	stalled := b.plan.StallAfter > 0 && b.round >= b.plan.StallAfter
	if b.status != "running" || !b.moves() || b.pending == 0 || stalled {
		return 0, time.Time{}
	}
	for i, s := range b.slots {
		if s.flight != nil {
			continue
		}
		t := s.next
		if t.Before(b.floor) {
			t = b.floor
		}
		if first := earlier(at, b.inWindow(i, t)); !first.Equal(at) {
			slot, at = i, first
		}
	}
	return slot, at
}

// inWindow moves a dial to where the call window allows it; slots that waited for it do not all dial at once.
func (b *batch) inWindow(slot int, t time.Time) time.Time {
	opens := b.window.after(t)
	if opens.IsZero() || opens.Equal(t) {
		return opens
	}
	if spread := opens.Add(b.phase(slot)); b.window.open(spread) {
		return spread
	}
	return opens
}

// dial calls the next pending recipient.
func (a *Account) dial(b *batch, slot int, t time.Time) {
	for b.recipients[b.cursor].status != "pending" {
		b.cursor++
	}
	i := b.cursor
	r := b.recipients[i]
	r.attempts++
	r.status, r.attempted, r.completed = "calling", t, time.Time{}
	r.flight = b.fly(i, r.attempts, t)
	r.last = a.calls.add(attempt{planned: true, Call: Call{
		BatchID: b.id, RecipientID: b.recipientID(i), AttemptedAt: t,
		CompletedAt: r.flight.end, Outcome: r.flight.outcome,
	}})
	r.id = b.recipients[i].id
	b.put(i, r)

	gap := scale(b.plan.DialEvery, 0.5+fraction(b.key, forGap, uint64(b.dials)))
	b.slots[slot].next = t.Add(max(time.Microsecond, gap))
	b.slots[slot].flight = r.flight
	b.dials++
	b.round++
	b.floor = t
}

// fly draws how a call goes.
func (b *batch) fly(i, attempt int, t time.Time) *flight {
	f := &flight{recipient: i, begin: t}
	if b.dials < b.plan.StuckCalls {
		return f
	}
	chance := stream(b.key, forCall, uint64(i), uint64(attempt))
	how, mean := draw(b.plan.Outcomes, chance)
	length := scale(b.plan.CallLength, how.length/mean*min(6, 0.2+0.8*chance.ExpFloat64()))
	f.outcome = how.status
	f.end = t.Add(max(time.Millisecond, length))
	return f
}

// draw picks an outcome by weight; mean is the mean relative length of a call.
func draw(o Outcomes, chance *rand.Rand) (how outcome, mean float64) {
	table := o.table()
	var total float64
	for _, x := range table {
		total += x.weight
		mean += x.weight * x.length
	}
	left := chance.Float64() * total
	for _, x := range table {
		if x.weight > 0 {
			how = x
			if left -= x.weight; left < 0 {
				break
			}
		}
	}
	return how, mean / total
}

// land ends the call that is due at t, if one is.
func (b *batch) land(t time.Time) bool {
	for s := range b.slots {
		f := b.slots[s].flight
		if f == nil || !f.end.Equal(t) || f.end.IsZero() {
			continue
		}
		b.slots[s].flight = nil
		r := b.recipients[f.recipient]
		r.status, r.completed, r.flight = f.outcome, t, nil
		b.put(f.recipient, r)
		b.score(f.outcome, 1)
		b.floor, b.touch = t, t
		return true
	}
	return false
}

// status gives how far the call has got: only answered calls are ever in progress.
func (f *flight) status(now time.Time) string {
	if f.end.IsZero() {
		return "calling"
	}
	switch part := float64(now.Sub(f.begin)) / float64(f.end.Sub(f.begin)); {
	case part < 0.04:
		return "calling"
	case part < 0.08:
		return "initiated"
	case part < 0.25 || f.outcome != "completed":
		return "ringing"
	}
	return "in_progress"
}
