package simulator

import (
	"cmp"
	"slices"
	"time"
)

// batch is one batch as the service stores it, and what is ahead of it.
type batch struct {
	plan Campaign // how it behaves; what changes over its life is below
	key  uint64   // root of all its random streams

	id, name, status, parent                      string
	occurrence                                    int
	created, scheduled, started, completed, touch time.Time // touch is updated_at

	recipients        []recipient
	open, pending     int // recipients not ended; those of them still to call
	cursor            int // no recipient before it is pending
	succeeded, failed int // the true counters, which a retry does not reset
	drift             [2]int
	wire              overrides

	window   window
	slots    []slot
	dials    int       // attempts ever
	round    int       // attempts since the (re-)start
	floor    time.Time // nothing is dialled before it
	steps    []step    // what is going to be done to it, in order of time
	runs     []*batch  // newest first
	runCount int
	runNext  time.Time // zero: no run by itself
	follow   time.Time // when the follow-up starts; zero: none
	followed bool
	lineage  []string // ids of the batches that this one follows up
	next     time.Time
	place    int // in the agenda; -1: not there
}

// recipient is one recipient; flight is the simulated call that it is in.
type recipient struct {
	id, status           string
	attempted, completed time.Time
	attempts             int
	flight               *flight
	last                 *attempt
	wire                 overrides
}

// slot is one of the calls that a batch may have in flight at once.
type slot struct {
	next   time.Time // no dial before it
	flight *flight   // nil: free
}

// flight is a call in flight, whose end is known to the simulator from the dial on.
type flight struct {
	recipient int
	begin     time.Time
	end       time.Time // zero: never
	outcome   string
}

// step is something that a user does to the batch at a time set beforehand; the demo is made of them.
type step struct {
	at time.Time
	do func(b *batch, now time.Time) bool
}

func newBatch(c Campaign, key uint64, now time.Time) *batch {
	c.MaxConcurrency = max(1, c.MaxConcurrency)
	c.RunEvery = max(0, c.RunEvery).Truncate(time.Microsecond)
	c.WindowDays = slices.Clone(c.WindowDays)
	c.CallLength = cmp.Or(c.CallLength, time.Minute)
	b := &batch{
		plan: c, key: key, place: -1,
		id: cmp.Or(c.ID, uuid(key, forID)), name: c.Name, status: c.Status,
		parent: c.Parent, occurrence: c.Occurrence,
		created: instant(c.CreatedAt), scheduled: instant(c.ScheduledAt), started: instant(c.StartedAt),
		completed: instant(c.CompletedAt), touch: instant(c.UpdatedAt),
		recipients: make([]recipient, max(0, c.Recipients)),
		slots:      make([]slot, c.MaxConcurrency),
		window:     c.window(),
	}
	if b.created.IsZero() {
		b.created = now
	}
	if b.status == "" {
		b.status = "running"
		if b.template() {
			b.status = "recurring"
		}
	}
	if b.template() && c.RunEvery > 0 {
		b.runNext = b.created.Add(c.RunEvery)
	}
	for i := range b.recipients {
		b.recipients[i].status = "pending"
	}
	b.recount()
	b.arm(cmp.Or(b.started, b.created))
	return b
}

// instant brings a time to the precision and the zone in which the service stores it; zero stays zero.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// template tells a series from a batch of calls: its recipients are those of its runs to come.
func (b *batch) template() bool {
	return b.plan.Recurrence != "" && b.plan.Recurrence != "none" && b.parent == ""
}

// moves tells whether the batch goes on by itself.
func (b *batch) moves() bool { return b.plan.DialEvery > 0 }

// put replaces the recipient's state and keeps the counts of what is left to do.
func (b *batch) put(i int, r recipient) {
	b.tally(b.recipients[i].status, -1)
	b.tally(r.status, 1)
	b.recipients[i] = r
	if r.status == "pending" {
		b.cursor = min(b.cursor, i)
	}
}

func (b *batch) tally(status string, n int) {
	if status == "pending" {
		b.pending += n
	}
	if !recipientEnded(status) {
		b.open += n
	}
}

// score moves the counters of ended calls, of which every outcome but completed is a failure to the service.
func (b *batch) score(status string, n int) {
	switch outcomeOf(status) {
	case "":
	case "completed":
		b.succeeded += n
	default:
		b.failed += n
	}
}

// recount takes all counts from the recipients.
func (b *batch) recount() {
	b.open, b.pending, b.cursor, b.succeeded, b.failed = 0, 0, 0, 0, 0
	for i := range b.recipients {
		b.tally(b.recipients[i].status, 1)
		b.score(b.recipients[i].status, 1)
	}
}

// release frees the slot of a recipient whose call is no longer the simulator's.
func (b *batch) release(f *flight) {
	if i := slices.IndexFunc(b.slots, func(s slot) bool { return f != nil && s.flight == f }); i >= 0 {
		b.slots[i].flight = nil
	}
}

// recipientID is the id of recipient i; it is derived when first asked for.
func (b *batch) recipientID(i int) string {
	r := &b.recipients[i]
	if r.id == "" {
		r.id = uuid(b.key, forRecipient, uint64(i))
	}
	return r.id
}
