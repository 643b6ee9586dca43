package simulator

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
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

// recordBehind gives a batch that is added in an end state the calls that led there.
func (a *Account) recordBehind(b *batch, now time.Time) {
	n := len(b.recipients)
	if b.template() || n == 0 || b.status != "completed" && b.status != "cancelled" {
		return
	}
	begin := cmp.Or(b.started, b.created)
	end := cmp.Or(b.completed, b.touch, now)
	each := max(0, end.Sub(begin)) / time.Duration(n)
	for i := range b.recipients {
		if b.status == "cancelled" {
			a.write(b, i, Recipient{Status: "skipped"})
			continue
		}
		at := begin.Add(each * time.Duration(i))
		f := b.fly(i, 0, at)
		b.dials++
		if f.outcome == "" {
			a.write(b, i, Recipient{Status: "calling", AttemptedAt: at})
			continue
		}
		over := f.end
		if last := at.Add(each); over.After(last) {
			over = last
		}
		a.write(b, i, Recipient{Status: f.outcome, AttemptedAt: at, CompletedAt: over})
	}
	b.recount()
}

// window is when a batch may dial, in minutes of the UTC day, both inclusive; first > last never opens.
//
// The service compares the clock's "15:04" as text with the stored "15:04:05". The shorter text comes first, so the
// start minute is still closed and the end minute still open.
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

// clockMinute reads the minute of the day off a clock text such as 09:00:30.25; -1 if it is none.
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

// after gives the first moment from t on at which the window is open, t itself if it is; zero if it never opens.
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
