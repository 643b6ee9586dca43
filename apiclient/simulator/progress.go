package simulator

import (
	"container/heap"
	"time"
)

// agenda is a heap of the batches that have something ahead, the earliest on top.
type agenda []*batch

func (g agenda) Len() int { return len(g) }

// Less lets the batch's key decide at equal times, so that the order never hangs on how the heap came about.
func (g agenda) Less(i, j int) bool {
	if !g[i].next.Equal(g[j].next) {
		return g[i].next.Before(g[j].next)
	}
	return g[i].key < g[j].key
}

func (g agenda) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].place, g[j].place = i, j
}

func (g *agenda) Push(x any) {
	b, ok := x.(*batch)
	if !ok {
		return // heap.Push is only ever given batches
	}
	b.place = len(*g)
	*g = append(*g, b)
}

func (g *agenda) Pop() any {
	old := *g
	b := old[len(old)-1]
	old[len(old)-1] = nil
	b.place = -1
	*g = old[:len(old)-1]
	return b
}

// advance plays all events up to now, in order of time.
func (a *Account) advance(now time.Time) {
	for len(a.agenda) > 0 && !a.agenda[0].next.After(now) {
		b := a.agenda[0]
		a.play(b, b.next)
		a.reschedule(b)
	}
}

// reschedule puts the batch where its next event belongs.
func (a *Account) reschedule(b *batch) {
	if a.batches[b.id] != b {
		return
	}
	b.next = b.ahead()
	switch {
	case b.next.IsZero() && b.place >= 0:
		heap.Remove(&a.agenda, b.place)
	case b.next.IsZero():
	case b.place >= 0:
		heap.Fix(&a.agenda, b.place)
	default:
		heap.Push(&a.agenda, b)
	}
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
