package simulator

import (
	"cmp"
	"slices"
	"time"
)

// Campaign is what Add takes. The zero value is a running batch without recipients that does not move by itself.
//
// A batch that moves begins at StartedAt, else at ScheduledAt if it is scheduled, else at CreatedAt, and ends when all
// its recipients have. One added as completed has all its calls behind it, between its start and CompletedAt (else
// UpdatedAt, else now); one added as cancelled has skipped recipients.
type Campaign struct {
	ID, Name    string    // ID "": a UUID derived from the seed and the order of adding
	Status      string    // "": running, or recurring with a Recurrence
	Recipients  int       // how many
	CreatedAt   time.Time // zero: now
	ScheduledAt time.Time // zero: null; a scheduled batch that moves starts then
	StartedAt   time.Time // zero: null
	CompletedAt time.Time // zero: null
	UpdatedAt   time.Time // zero: null until something happens

	WindowStart, WindowEnd string // clock time as text, "09:00:00"; "": null
	WindowDays             []int  // 0 is Sunday; nil: null; empty: never
	MaxConcurrency         int    // slots for calls; 0: 1

	DialEvery  time.Duration // mean gap between the dials of one slot; 0: the batch does not move by itself
	CallLength time.Duration // mean from attempted_at to completed_at; 0: 1 minute
	Outcomes   Outcomes      // how calls end; zero: a healthy mix
	StallAfter int           // no dial after this many attempts since the (re-)start; 0: never stalls
	StuckCalls int           // the first calls, this many, stay calling for ever and hold their slots

	Recurrence string        // "": none; daily, weekly, monthly …: the batch is a template
	RunEvery   time.Duration // a new run each, the first one RunEvery after CreatedAt; 0: none by itself
	MaxRuns    int           // the series is completed after as many; 0: null, no end
	Parent     string        // a run's parent id, added before it; the run is hidden from list
	Occurrence int           // a run's number; 0: the next one, if it has a parent
	Repeat     bool          // a batch of the same kind starts a minute after this one ended; the last 20 are kept
}

// Outcomes are the weights with which calls end in each outcome; they need not sum to one. Negative ones count as 0.
type Outcomes struct{ Completed, Failed, Busy, NoAnswer float64 }

// Recipient is one recipient of a hand-made world; zero times are null, Status "" is pending.
type Recipient struct {
	ID, Status               string
	AttemptedAt, CompletedAt time.Time
}

// outcome is one way for a call to end; length is how long such calls are, relative to each other.
type outcome struct {
	status         string
	weight, length float64
}

// table lists the outcomes with their weights: answered calls last, the others are over soon.
func (o Outcomes) table() [4]outcome {
	if max(o.Completed, o.Failed, o.Busy, o.NoAnswer) <= 0 {
		o = Outcomes{Completed: 66, Failed: 9, Busy: 7, NoAnswer: 18}
	}
	return [4]outcome{
		{"completed", max(0, o.Completed), 1.3},
		{"failed", max(0, o.Failed), 0.2},
		{"busy", max(0, o.Busy), 0.25},
		{"no_answer", max(0, o.NoAnswer), 0.6},
	}
}

// outcomeOf gives the outcome that a recipient's status stands for, "" if it is none.
func outcomeOf(status string) string {
	switch status {
	case "completed", "failed", "busy", "no_answer":
		return status
	case "no-answer":
		return "no_answer"
	}
	return ""
}

// recipientEnded tells the states from which nothing follows by itself.
func recipientEnded(status string) bool {
	return outcomeOf(status) != "" || status == "skipped" || status == "canceled"
}

// batchEnded tells the states from which a batch can be run again.
func batchEnded(status string) bool {
	return status == "completed" || status == "cancelled" || status == "failed"
}

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
