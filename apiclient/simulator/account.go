// Package simulator is a Magpipe account inside the process: batches that progress by themselves, the documented
// limits, and faults on demand, behind the same HTTP interface as the service. The demo, the tests and the
// benchmarks of the exporter run against it.
//
// Its only clock is time.Now, it starts no goroutine, and nothing happens in it between two questions: each question
// first plays all that is due by then, event by event. Times and outcomes come from random streams that hang on the
// seed alone, so that the same account has the same history however often it is asked.
package simulator

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
	"time"
)

// Options say how an Account behaves; the zero value is an account that keeps the documented limits.
type Options struct {
	Seed             uint64 // the same seed gives the same history
	Key              string // "" accepts any non-empty bearer key; otherwise others get 401
	PerMinute        int    // requests answered in any sliding minute; 0: the documented 100; negative: no limit
	PerHour          int    // requests answered in any sliding hour; 0: the documented 1000; negative: no limit
	PageCap          int    // rows per list or list_runs answer at most, whatever limit asks; 0: 1000
	RecipientCap     int    // recipients per get at most; 0: 1000
	AsDocumented     bool   // rows of list have only the keys that the official page shows
	RateLimitHeaders bool   // send X-RateLimit-Limit, -Remaining, -Reset (Unix seconds) of the hour, if it is limited
}

// Account is a simulated account and an http.Handler; all its methods may be called concurrently.
type Account struct {
	options Options
	limits  limits

	mu       sync.Mutex
	batches  map[string]*batch
	listed   []*batch // those that list shows, newest first
	agenda   agenda   // those that have something ahead
	added    uint64
	faults   []*fault
	requests journal[Request]
	calls    journal[attempt]
}

// New returns an empty account.
func New(o Options) *Account {
	o.PerMinute = cmp.Or(o.PerMinute, 100)
	o.PerHour = cmp.Or(o.PerHour, 1000)
	o.PageCap = cmp.Or(o.PageCap, 1000)
	o.RecipientCap = cmp.Or(o.RecipientCap, 1000)
	return &Account{
		options: o,
		limits:  limits{minute: o.PerMinute, hour: o.PerHour},
		batches: make(map[string]*batch),
	}
}

// Add puts a campaign into the account and returns its id. A batch of the same id is replaced. What lies between its
// start and now is played as if it had been there all the time.
func (a *Account) Add(c Campaign) (id string) { return a.add(c) }

func (a *Account) add(c Campaign, steps ...step) (id string) {
	now := a.enter()
	defer a.mu.Unlock()
	a.added++
	b := newBatch(c, mix(a.options.Seed, forBatch, a.added), now)
	b.steps = steps
	a.insert(b)
	a.recordBehind(b, now)
	return b.id
}

// Delete removes a batch and, of a series, its runs. Unknown ids are ignored, here as in all methods.
func (a *Account) Delete(id string) {
	a.enter()
	defer a.mu.Unlock()
	a.remove(id)
}

// enter locks the account and plays it up to now, in whole microseconds as the service stores them.
func (a *Account) enter() (now time.Time) {
	a.mu.Lock()
	now = time.Now().UTC().Truncate(time.Microsecond)
	a.advance(now)
	return now
}

func (a *Account) insert(b *batch) {
	a.remove(b.id)
	a.batches[b.id] = b
	if b.parent == "" {
		i, _ := slices.BinarySearchFunc(a.listed, b, newestFirst)
		a.listed = slices.Insert(a.listed, i, b)
	} else if p := a.batches[b.parent]; p != nil {
		p.adopt(b)
	}
	a.reschedule(b)
}

func (a *Account) remove(id string) {
	b := a.batches[id]
	if b == nil {
		return
	}
	delete(a.batches, id)
	same := func(x *batch) bool { return x == b }
	if p := a.batches[b.parent]; p != nil {
		p.runs = slices.DeleteFunc(p.runs, same)
	}
	a.listed = slices.DeleteFunc(a.listed, same)
	if b.place >= 0 {
		heap.Remove(&a.agenda, b.place)
	}
	for _, run := range slices.Clone(b.runs) {
		a.remove(run.id)
	}
}

func newestFirst(x, y *batch) int {
	return cmp.Or(y.created.Compare(x.created), cmp.Compare(x.key, y.key))
}

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
