package simulator

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// resetSlots makes the free slots dial again from t on, spread evenly over the mean gap. Runs that were due before t are
// skipped.
func (b *batch) resetSlots(t time.Time) {
	b.notBefore = t
	for !b.runNext.IsZero() && b.runNext.Before(t) {
		b.runNext = b.runNext.Add(b.campaign.RunEvery)
	}
	for i := range b.slots {
		b.slots[i].next = t.Add(b.phase(i))
	}
}

// phase returns how long after a start the slot dials for the first time.
func (b *batch) phase(slot int) time.Duration {
	part := float64(slot) + fraction(b.key, forPhase, uint64(slot))
	return scale(b.campaign.DialEvery, part/float64(len(b.slots)))
}

// scale multiplies a duration, in whole microseconds.
func scale(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * by).Truncate(time.Microsecond)
}

// nextDial returns the slot that dials next and when; the time is zero if none will.
func (b *batch) nextDial() (slot int, at time.Time) {
	if b.turn != hasTurn || !b.dialable() {
		return 0, time.Time{}
	}
	for i, s := range b.slots {
		if s.call != nil {
			continue
		}
		t := s.next
		if t.Before(b.notBefore) {
			t = b.notBefore
		}
		if first := earlier(at, b.inWindow(i, t)); !first.Equal(at) {
			slot, at = i, first
		}
	}
	return slot, at
}

// dialable reports whether there is somebody to dial, now or once the call window opens.
func (b *batch) dialable() bool {
	stalled := b.campaign.StallAfter > 0 && b.round >= b.campaign.StallAfter
	return b.status == "running" && b.moves() && b.pending > 0 && !stalled
}

// inWindow postpones a dial until the call window is open. Slots that were waiting for that do not all dial at once.
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
	b.recipients[i].attempts++
	call := b.drawCall(i, b.recipients[i].attempts, t)
	if b.chance(b.records.DoubleDials, forDoubleDial) {
		a.addFirstDial(b, i, t)
	}
	last := a.addCall(b, i, attempt{planned: true, refused: call.refused, Call: Call{
		AttemptedAt: t, CompletedAt: call.end, Outcome: call.outcome, Talk: b.drawTalk(call),
	}})
	r := b.recipients[i]
	r.status, r.attempted, r.completed, r.call, r.last = "calling", t, time.Time{}, call, last
	b.setRecipient(i, r)

	gap := scale(b.campaign.DialEvery, 0.5+fraction(b.key, forGap, uint64(b.dials)))
	b.slots[slot].next = t.Add(max(time.Microsecond, gap))
	b.slots[slot].call = call
	b.dials++
	b.round++
	b.notBefore = t
}

// drawCall decides how a call goes.
func (b *batch) drawCall(i, attempt int, t time.Time) *activeCall {
	switch {
	case b.dials < b.campaign.StuckCalls:
		return &activeCall{recipient: i, begin: t}
	case b.chance(b.records.Refused, forRefusal):
		return &activeCall{recipient: i, begin: t, end: t.Add(refusedAfter), outcome: "failed", refused: true}
	}
	return b.newCall(i, t, stream(b.key, forCall, uint64(i), uint64(attempt)))
}

// newCall draws the outcome and the length of a call.
func (b *batch) newCall(i int, t time.Time, chance *rand.Rand) *activeCall {
	call := &activeCall{recipient: i, begin: t, queued: b.campaign.Queued}
	how, mean := draw(b.campaign.Outcomes, chance)
	length := scale(b.campaign.CallLength, how.length/mean*min(6, 0.2+0.8*chance.ExpFloat64()))
	call.outcome = how.status
	call.end = t.Add(max(time.Millisecond, length))
	return call
}

// draw picks an outcome by weight; mean is the mean relative length of all calls.
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

// endCall ends one call whose end is due at t, and reports whether there was one.
func (b *batch) endCall(t time.Time) bool {
	for s := range b.slots {
		call := b.slots[s].call
		if call == nil || !call.end.Equal(t) || call.end.IsZero() {
			continue
		}
		b.slots[s].call = nil
		r := b.recipients[call.recipient]
		r.status, r.call = call.outcome, nil
		if call.outcome != "canceled" {
			r.completed, b.updated = t, t
		}
		b.setRecipient(call.recipient, r)
		b.countOutcome(call.outcome, 1)
		b.notBefore = t
		return true
	}
	return false
}

// status returns the recipient's status during the call. Only answered calls are ever in progress.
func (c *activeCall) status(now time.Time) string {
	if c.end.IsZero() {
		return "calling"
	}
	switch part := float64(now.Sub(c.begin)) / float64(c.end.Sub(c.begin)); {
	case part < 0.04:
		return "calling"
	case part < 0.06 && c.queued:
		return "queued"
	case part < 0.08:
		return "initiated"
	case part < ringShare || c.outcome != "completed":
		return "ringing"
	}
	return "in_progress"
}

// playPast adds the calls that a batch made before it was added as completed or cancelled.
func (a *Account) playPast(b *batch, now time.Time) {
	n := len(b.recipients)
	if b.template() || n == 0 || b.status != "completed" && b.status != "cancelled" {
		return
	}
	begin := cmp.Or(b.started, b.created)
	end := cmp.Or(b.completed, b.updated, now)
	each := max(0, end.Sub(begin)) / time.Duration(n)
	for i := range b.recipients {
		if b.status == "cancelled" {
			a.overwrite(b, i, Recipient{Status: "skipped"})
			continue
		}
		at := begin.Add(each * time.Duration(i))
		call := b.drawCall(i, 0, at)
		b.dials++
		past := Recipient{Status: cmp.Or(call.outcome, "calling"), AttemptedAt: at}
		if last := at.Add(each); call.end.After(last) {
			call.end = last
		}
		if call.outcome != "canceled" {
			past.CompletedAt = call.end
		}
		past.Talk = b.drawTalk(call)
		a.overwrite(b, i, past)
		b.recipients[i].last.refused = call.refused
	}
	b.recount()
}

// turn is the state of a batch in the dialer.
type turn int

const (
	noTurn       turn = iota // there is nothing to dial now
	waitsForTurn             // the dialer is busy with others
	hasTurn                  // the dialer serves it; without a limit, it serves every batch
)

// dialer chooses the batches that may dial; see Options.DialBatches.
type dialer struct {
	seed    uint64
	limit   int // batches at a time; 0: all
	turn    time.Duration
	turns   uint64 // number of turns so far
	dialled int
	waiting []*batch
}

// updateTurn updates the dialer after something happened to a batch at t.
func (a *Account) updateTurn(b *batch, t time.Time) {
	d := &a.dialer
	if d.limit == 0 {
		b.turn = hasTurn
		return
	}
	ready := b.dialable() && b.window.open(t)
	switch {
	case !ready:
		d.drop(b)
	case b.turn == noTurn && d.dialled < d.limit:
		d.take(b, t)
		b.resetSlots(t)
	case b.turn == noTurn:
		d.wait(b)
	case b.turn == hasTurn && !t.Before(b.turnEnds):
		if len(d.waiting) == 0 {
			b.turnEnds = d.turnEnd(t)
			break
		}
		d.drop(b)
		a.nextTurn(t)
		d.wait(b)
	}
	a.nextTurn(t)
	b.turnEvent = b.nextTurnEvent(t)
}

// nextTurn gives free places in the dialer to waiting batches.
func (a *Account) nextTurn(t time.Time) {
	d := &a.dialer
	for d.dialled < d.limit && len(d.waiting) > 0 {
		next := d.waiting[mix(d.seed, forTurn, d.turns)%uint64(len(d.waiting))]
		d.drop(next)
		a.reschedule(next, t)
	}
}

// nextTurnEvent returns when, after t, the batch's turn may change by itself.
func (b *batch) nextTurnEvent(t time.Time) time.Time {
	switch {
	case b.turn == hasTurn:
		return earlier(b.turnEnds, b.window.closes(t))
	case b.turn == noTurn && b.dialable():
		return b.window.after(t)
	}
	return time.Time{}
}

func (d *dialer) take(b *batch, t time.Time) {
	b.turn, b.turnEnds = hasTurn, d.turnEnd(t)
	d.dialled++
}

// turnEnd draws the end of a turn that begins at t.
func (d *dialer) turnEnd(t time.Time) time.Time {
	d.turns++
	return t.Add(scale(d.turn, 0.5+fraction(d.seed, forTurnLength, d.turns)))
}

func (d *dialer) wait(b *batch) {
	b.turn, b.waitIndex = waitsForTurn, len(d.waiting)
	d.waiting = append(d.waiting, b)
}

// drop removes a batch from the dialer.
func (d *dialer) drop(b *batch) {
	if d.limit == 0 {
		return
	}
	switch b.turn {
	case hasTurn:
		d.dialled--
	case waitsForTurn:
		last := len(d.waiting) - 1
		d.waiting[b.waitIndex] = d.waiting[last]
		d.waiting[b.waitIndex].waitIndex = b.waitIndex
		d.waiting[last] = nil
		d.waiting = d.waiting[:last]
	}
	b.turn = noTurn
}
