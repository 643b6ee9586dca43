package simulator

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// resetSlots lets the free slots dial again from t on, spread evenly over the mean gap. Runs that were due before t are
// left out.
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

// nextDial returns the slot that dials next and when; the zero time if none will.
func (b *batch) nextDial() (slot int, at time.Time) {
	stalled := b.campaign.StallAfter > 0 && b.round >= b.campaign.StallAfter
	if b.status != "running" || !b.moves() || b.pending == 0 || stalled {
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

// inWindow postpones a dial until the call window is open. Slots that waited for it do not all dial at once.
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
	r.call = b.drawCall(i, r.attempts, t)
	r.last = a.calls.add(attempt{planned: true, Call: Call{
		BatchID: b.id, RecipientID: b.recipientID(i), AttemptedAt: t,
		CompletedAt: r.call.end, Outcome: r.call.outcome,
	}})
	r.id = b.recipients[i].id
	b.setRecipient(i, r)

	gap := scale(b.campaign.DialEvery, 0.5+fraction(b.key, forGap, uint64(b.dials)))
	b.slots[slot].next = t.Add(max(time.Microsecond, gap))
	b.slots[slot].call = r.call
	b.dials++
	b.round++
	b.notBefore = t
}

// drawCall draws the outcome and the length of a call.
func (b *batch) drawCall(i, attempt int, t time.Time) *activeCall {
	call := &activeCall{recipient: i, begin: t}
	if b.dials < b.campaign.StuckCalls {
		return call
	}
	chance := stream(b.key, forCall, uint64(i), uint64(attempt))
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

// endCall ends a call whose end is due at t, and reports whether there was one.
func (b *batch) endCall(t time.Time) bool {
	for s := range b.slots {
		call := b.slots[s].call
		if call == nil || !call.end.Equal(t) || call.end.IsZero() {
			continue
		}
		b.slots[s].call = nil
		r := b.recipients[call.recipient]
		r.status, r.completed, r.call = call.outcome, t, nil
		b.setRecipient(call.recipient, r)
		b.countOutcome(call.outcome, 1)
		b.notBefore, b.updated = t, t
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
	case part < 0.08:
		return "initiated"
	case part < 0.25 || c.outcome != "completed":
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
		if call.outcome == "" {
			a.overwrite(b, i, Recipient{Status: "calling", AttemptedAt: at})
			continue
		}
		end := call.end
		if last := at.Add(each); end.After(last) {
			end = last
		}
		a.overwrite(b, i, Recipient{Status: call.outcome, AttemptedAt: at, CompletedAt: end})
	}
	b.recount()
}

// window is a call window in minutes of the UTC day, both inclusive; if first > last it never opens.
//
// The service compares the clock's "15:04" as text with the stored "15:04:05". The shorter text sorts first, so the
// window is still closed in the start minute, and still open in the end minute.
type window struct {
	first, last int
	days        []int // nil: all
}

const lastMinute = 24*60 - 1

func (c Campaign) window() window {
	w := window{first: 0, last: lastMinute, days: c.WindowDays}
	if c.WindowStart != "" {
		w.first = clockMinute(c.WindowStart) + 1
	}
	if c.WindowEnd != "" {
		w.last = min(lastMinute, clockMinute(c.WindowEnd))
	}
	if c.WindowStart != "" && w.first == 0 {
		w.last = -1
	}
	return w
}

// clockMinute parses a clock time such as 09:00:30.25 to the minute of the day; -1 if it is invalid.
func clockMinute(text string) int {
	if len(text) < 5 || text[2] != ':' {
		return -1
	}
	hour, err := strconv.ParseUint(text[:2], 10, 8)
	minute, err2 := strconv.ParseUint(text[3:5], 10, 8)
	if err != nil || err2 != nil || hour > 24 || minute > 59 {
		return -1
	}
	return int(hour*60 + minute)
}

func (w window) open(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	return w.onDay(t) && w.first <= minute && minute <= w.last
}

func (w window) onDay(t time.Time) bool {
	return w.days == nil || slices.Contains(w.days, int(t.Weekday()))
}

// after returns the first moment from t on at which the window is open, t itself if it is; zero if it never opens.
func (w window) after(t time.Time) time.Time {
	if w.open(t) {
		return t
	}
	if w.first > w.last {
		return time.Time{}
	}
	midnight := t.Truncate(24 * time.Hour)
	for day := range 8 {
		opens := midnight.AddDate(0, 0, day).Add(time.Duration(w.first) * time.Minute)
		if w.onDay(opens) && opens.After(t) {
			return opens
		}
	}
	return time.Time{}
}
