package simulator

import (
	"cmp"
	"slices"
	"time"
)

// Campaign describes a batch to Add. The zero value is a running batch without recipients that does not move by
// itself.
//
// A batch that moves starts at StartedAt, or else at ScheduledAt if it is scheduled, or else at CreatedAt. It ends
// when all its recipients have. If it is added as completed, all its calls lie between its start and CompletedAt (or
// else UpdatedAt, or else now); if it is added as cancelled, its recipients are skipped.
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
	CallLength time.Duration // mean time from attempted_at to completed_at; 0: 1 minute
	Outcomes   Outcomes      // how calls end; zero: a healthy mix
	StallAfter int           // no dial after this many attempts since the (re-)start; 0: never stalls
	StuckCalls int           // this many calls, the first ones, stay calling for ever and keep their slots
	Records    CallRecords   // what list-calls shows of the calls
	Queued     bool          // recipients are queued for a moment between calling and initiated

	Recurrence string        // "": none; daily, weekly, monthly …: the batch is a template
	RunEvery   time.Duration // time between runs, the first one RunEvery after CreatedAt; 0: no run by itself
	MaxRuns    int           // the recurring batch is completed after this many runs; 0: null, no end
	Parent     string        // id of a run's parent, which must be added first; list does not show the run
	Occurrence int           // a run's number; 0: the next one, if it has a parent
	Repeat     bool          // a similar batch starts a minute after this one ended; the last 20 are kept
}

// Outcomes are the weights of the ways in which calls end; they need not sum to one. Negative weights count as 0. A
// canceled call, as in the service, gets no completed_at, is not counted, and does not touch the batch's row.
type Outcomes struct{ Completed, Failed, Busy, NoAnswer, Canceled float64 }

// Recipient is the state of a recipient that is set by hand; zero times are null, Status "" is pending.
type Recipient struct {
	ID, Status               string
	AttemptedAt, CompletedAt time.Time
	Talk                     time.Duration // duration of its call record, in whole seconds
}

// outcome is one way for a call to end; length compares the duration of such calls with that of others.
type outcome struct {
	status         string
	weight, length float64
}

// table lists the outcomes with their weights. Answered calls last, the others are over soon.
func (o Outcomes) table() [5]outcome {
	if max(o.Completed, o.Failed, o.Busy, o.NoAnswer, o.Canceled) <= 0 {
		o = Outcomes{Completed: 66, Failed: 9, Busy: 7, NoAnswer: 18}
	}
	return [5]outcome{
		{"completed", max(0, o.Completed), 1.3},
		{"failed", max(0, o.Failed), 0.2},
		{"busy", max(0, o.Busy), 0.25},
		{"no_answer", max(0, o.NoAnswer), 0.6},
		{"canceled", max(0, o.Canceled), 0.4},
	}
}

// outcomeOf returns the outcome that a recipient's status stands for, "" if it is none.
func outcomeOf(status string) string {
	switch status {
	case "completed", "failed", "busy", "no_answer", "canceled":
		return status
	case "no-answer":
		return "no_answer"
	}
	return ""
}

// recipientEnded reports whether a recipient in this state stays in it unless somebody intervenes.
func recipientEnded(status string) bool {
	return outcomeOf(status) != "" || status == "skipped"
}

// batchEnded reports whether a batch in this state can be run again.
func batchEnded(status string) bool {
	return status == "completed" || status == "cancelled" || status == "failed"
}

// batch is one batch as the service stores it, and what is going to happen to it.
type batch struct {
	campaign Campaign // how it behaves; what changes over its life is below
	key      uint64   // root of all its random streams

	id, name, status, parent                        string
	occurrence                                      int
	created, scheduled, started, completed, updated time.Time

	recipients        []recipient
	open, pending     int // recipients that have not ended; those of them still to be called
	cursor            int // no recipient before it is pending
	succeeded, failed int // the true counters, which a retry does not reset
	drift             [2]int
	overrides         overrides

	window       window
	slots        []slot
	records      *CallRecords
	recordCount  uint64    // its call records so far
	dials        int       // attempts ever
	round        int       // attempts since the (re-)start
	notBefore    time.Time // nothing is dialled before it
	turn         turn      // how it stands with the dialer
	turnEnds     time.Time // of a batch that has its turn
	turnEvent    time.Time // when turn may change by itself; zero: never
	waitIndex    int       // among those that wait for the dialer
	steps        []step    // what is going to be done to it, in order of time
	runs         []*batch  // newest first
	runCount     int
	runNext      time.Time // zero: no run by itself
	followUpAt   time.Time // when the follow-up starts; zero: none
	followedUp   bool
	predecessors []string  // ids of the batches that this one follows up
	next         time.Time // its next event; zero: none
	queueIndex   int       // -1: not in the event queue
}

// recipient is one recipient; call is the simulated call that it is in.
type recipient struct {
	id, status           string
	attempted, completed time.Time
	attempts             int
	record               uint64 // the number of its call record; 0: none
	call                 *activeCall
	last                 *attempt
	overrides            overrides
}

// slot is one of the calls that a batch may have in flight at once.
type slot struct {
	next time.Time   // no dial before it
	call *activeCall // nil: free
}

// activeCall is a call in flight. The simulator knows from the dial on when and how it will end.
type activeCall struct {
	recipient int
	begin     time.Time
	end       time.Time // zero: never
	outcome   string
	queued    bool
	refused   bool // by the carrier
}

// step is something that a user does to the batch at a time set beforehand, as in the demo.
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
		campaign: c, key: key, queueIndex: -1,
		id: cmp.Or(c.ID, uuid(key, forID)), name: c.Name, status: c.Status,
		parent: c.Parent, occurrence: c.Occurrence,
		created: storedTime(c.CreatedAt), scheduled: storedTime(c.ScheduledAt), started: storedTime(c.StartedAt),
		completed: storedTime(c.CompletedAt), updated: storedTime(c.UpdatedAt),
		recipients: make([]recipient, max(0, c.Recipients)),
		slots:      make([]slot, c.MaxConcurrency),
		window:     c.window(),
		records:    &c.Records,
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
	b.resetSlots(cmp.Or(b.started, b.created))
	return b
}

// storedTime converts a time to the precision and the zone in which the service stores it; zero stays zero.
func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// template reports whether this is a recurring batch, whose recipients are only called by its runs.
func (b *batch) template() bool {
	return b.campaign.Recurrence != "" && b.campaign.Recurrence != "none" && b.parent == ""
}

// moves reports whether the batch dials and ends by itself.
func (b *batch) moves() bool { return b.campaign.DialEvery > 0 }

// setRecipient replaces recipient i and keeps the counts of what is left to do.
func (b *batch) setRecipient(i int, r recipient) {
	b.countState(b.recipients[i].status, -1)
	b.countState(r.status, 1)
	b.recipients[i] = r
	if r.status == "pending" {
		b.cursor = min(b.cursor, i)
	}
}

// countState adds n to the counts of recipients in this state.
func (b *batch) countState(status string, n int) {
	if status == "pending" {
		b.pending += n
	}
	if !recipientEnded(status) {
		b.open += n
	}
}

// countOutcome adds n to the counter of this outcome. The service counts a canceled call nowhere, and all others but
// completed as failed.
func (b *batch) countOutcome(status string, n int) {
	switch outcomeOf(status) {
	case "", "canceled":
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
		b.countState(b.recipients[i].status, 1)
		b.countOutcome(b.recipients[i].status, 1)
	}
}

// freeSlot frees the slot of a call that the simulator no longer follows.
func (b *batch) freeSlot(call *activeCall) {
	if i := slices.IndexFunc(b.slots, func(s slot) bool { return call != nil && s.call == call }); i >= 0 {
		b.slots[i].call = nil
	}
}

// recipientID returns the id of recipient i, which is derived when it is first needed.
func (b *batch) recipientID(i int) string {
	r := &b.recipients[i]
	if r.id == "" {
		r.id = uuid(b.key, forRecipient, uint64(i))
	}
	return r.id
}
