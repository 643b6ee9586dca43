// Package simulator simulates a Magpipe account inside the process: batches that progress by themselves, the records of
// their calls, the documented limits, and faults on demand, behind the same HTTP interface as the service's batch-calls
// and list-calls. The demo, the tests and the benchmarks of the exporter run against it.
//
// It uses no clock but time.Now, and starts no goroutines: every access first plays all events that are due by then,
// one by one. Times and outcomes come from random streams that depend on the seed only, so the same account has the
// same history, no matter how often it is accessed.
package simulator

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
	"time"
)

// Options configure an Account; the zero value is an account with the documented limits.
type Options struct {
	Seed             uint64 // the same seed gives the same history
	Key              string // "" accepts any non-empty bearer key; otherwise other keys get 401
	PerMinute        int    // requests answered in any sliding minute; 0: the documented 100; negative: no limit
	PerHour          int    // requests answered in any sliding hour; 0: the documented 1000; negative: no limit
	PageCap          int    // maximum rows per page of a listing, whatever limit is requested; 0: 1000
	RecipientCap     int    // maximum recipients in an answer to get; 0: 1000
	AsDocumented     bool   // rows of list have only the keys shown in the official documentation
	RateLimitHeaders bool   // send X-RateLimit-Limit, -Remaining, -Reset (Unix seconds) for the hour, if it is limited

	// DialBatches is how many running batches of the account the dialer serves at a time; 0: all of them. The service
	// serves ten, in no particular order, so that others starve. A batch leaves the dialer when it has nothing to dial
	// (its window is closed, all its recipients are dialled, it is paused or has ended) or, if others are waiting,
	// after a turn. Its calls in flight still end. The next batch is drawn at random from those waiting.
	DialBatches int
	DialTurn    time.Duration // mean length of a turn; 0: 10 minutes
}

// Account is a simulated account and an http.Handler. All its methods are safe for concurrent use.
type Account struct {
	options Options
	limits  limits

	mu       sync.Mutex
	batches  map[string]*batch
	listed   []*batch // the batches that list shows, newest first
	queue    eventQueue
	dialer   dialer
	added    uint64
	faults   []*fault
	requests journal[Request]
	calls    journal[attempt]
	records  recordList
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
		dialer: dialer{
			seed: o.Seed, limit: max(0, o.DialBatches), turn: max(time.Second, cmp.Or(o.DialTurn, 10*time.Minute)),
		},
	}
}

// Add adds a campaign to the account and returns its id. It replaces a batch with the same id. Everything between its
// start and now is played at once, as if it had always been there.
func (a *Account) Add(c Campaign) (id string) { return a.add(c) }

func (a *Account) add(c Campaign, steps ...step) (id string) {
	now := a.lock()
	defer a.mu.Unlock()
	a.added++
	b := newBatch(c, mix(a.options.Seed, forBatch, a.added), now)
	b.steps = steps
	a.insert(b, now)
	a.playPast(b, now)
	return b.id
}

// Delete removes a batch and, if it is recurring, its runs. Unknown ids are ignored, here as in all methods.
func (a *Account) Delete(id string) {
	now := a.lock()
	defer a.mu.Unlock()
	a.remove(id, now)
}

// lock locks the account and plays it up to now. It truncates now to microseconds, the precision of the service.
func (a *Account) lock() (now time.Time) {
	a.mu.Lock()
	now = time.Now().UTC().Truncate(time.Microsecond)
	a.advance(now)
	return now
}

func (a *Account) insert(b *batch, t time.Time) {
	a.remove(b.id, t)
	a.batches[b.id] = b
	if b.parent == "" {
		i, _ := slices.BinarySearchFunc(a.listed, b, newestFirst)
		a.listed = slices.Insert(a.listed, i, b)
	} else if p := a.batches[b.parent]; p != nil {
		p.addRun(b)
	}
	a.reschedule(b, b.notBefore)
}

func (a *Account) remove(id string, t time.Time) {
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
	if b.queueIndex >= 0 {
		heap.Remove(&a.queue, b.queueIndex)
	}
	a.dialer.drop(b)
	a.nextTurn(t)
	for _, run := range slices.Clone(b.runs) {
		a.remove(run.id, t)
	}
}

func newestFirst(x, y *batch) int {
	return cmp.Or(y.created.Compare(x.created), cmp.Compare(x.key, y.key))
}

// advance plays all events up to now in chronological order.
func (a *Account) advance(now time.Time) {
	for len(a.queue) > 0 && !a.queue[0].next.After(now) {
		b := a.queue[0]
		t := b.next
		a.play(b, t)
		a.reschedule(b, t)
	}
}

// reschedule updates the batch's place in the queue for its next event, after something happened to it at t.
func (a *Account) reschedule(b *batch, t time.Time) {
	if a.batches[b.id] != b {
		return
	}
	a.updateTurn(b, t)
	b.next = b.nextEvent()
	switch {
	case b.next.IsZero() && b.queueIndex >= 0:
		heap.Remove(&a.queue, b.queueIndex)
	case b.next.IsZero():
	case b.queueIndex >= 0:
		heap.Fix(&a.queue, b.queueIndex)
	default:
		heap.Push(&a.queue, b)
	}
}

// eventQueue is a heap of the batches that have an upcoming event, the earliest on top.
type eventQueue []*batch

func (q eventQueue) Len() int { return len(q) }

// Less orders events at the same time by the batch's key, so that the order never depends on the heap's history.
func (q eventQueue) Less(i, j int) bool {
	if !q[i].next.Equal(q[j].next) {
		return q[i].next.Before(q[j].next)
	}
	return q[i].key < q[j].key
}

func (q eventQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].queueIndex, q[j].queueIndex = i, j
}

// Push implements heap.Interface.
func (q *eventQueue) Push(x any) {
	b, ok := x.(*batch)
	if !ok {
		return // only batches are ever pushed
	}
	b.queueIndex = len(*q)
	*q = append(*q, b)
}

// Pop implements heap.Interface.
func (q *eventQueue) Pop() any {
	old := *q
	b := old[len(old)-1]
	old[len(old)-1] = nil
	b.queueIndex = -1
	*q = old[:len(old)-1]
	return b
}
