package simulator

import (
	"cmp"
	"slices"
	"time"
)

// Campaign describes a batch to Add. The zero value is a running batch without recipients that does nothing by itself.
//
// A batch that dials by itself starts at StartedAt, or else at ScheduledAt if it is scheduled, or else at CreatedAt. It
// ends when all its recipients have ended. If it is added as completed, all its calls lie between its start and
// CompletedAt (or else UpdatedAt, or else now); if it is added as cancelled, its recipients are skipped.
type Campaign struct {
	ID, Name    string    // ID "": a UUID derived from the seed and the order of adding
	Status      string    // "": running, or recurring with a Recurrence
	Recipients  int       // number of recipients
	CreatedAt   time.Time // zero: now
	ScheduledAt time.Time // zero: null; a scheduled batch that dials by itself starts then
	StartedAt   time.Time // zero: null
	CompletedAt time.Time // zero: null
	UpdatedAt   time.Time // zero: null until something happens

	WindowStart, WindowEnd string // clock time as text, "09:00:00"; "": null
	WindowDays             []int  // 0 is Sunday; nil: null; empty: never
	MaxConcurrency         int    // slots for calls; 0: 1

	DialEvery  time.Duration // mean gap between the dials of one slot; 0: the batch does nothing by itself
	CallLength time.Duration // mean time from attempted_at to completed_at; 0: 1 minute
	Outcomes   Outcomes      // how calls end; zero: a healthy mix
	StallAfter int           // dialling stops after this many attempts since the (re-)start; 0: never
	StuckCalls int           // the first calls, this many, stay in calling forever and occupy their slots
	Records    CallRecords   // what list-calls shows of the calls
	Queued     bool          // recipients are queued for a moment between calling and initiated

	Recurrence string        // "": none; daily, weekly, monthly …: the batch is a template
	RunEvery   time.Duration // time between runs, the first one RunEvery after CreatedAt; 0: runs only by Spawn
	MaxRuns    int           // the recurring batch is completed after this many runs; 0: null, no limit
	Parent     string        // id of a run's parent, which must be added first; list does not show the run
	Occurrence int           // number of a run; 0: the next number, if it has a parent
	Repeat     bool          // a similar batch starts a minute after this one has ended; the last 20 are kept
}

// Outcomes are the weights of the ways in which calls end. They need not sum to one; negative weights count as 0. As in
// the service, a canceled call gets no completed_at, is not counted, and does not change the batch's row.
type Outcomes struct{ Completed, Failed, Busy, NoAnswer, Canceled float64 }

// Recipient is the state of a recipient to be set by hand. Zero times are null; Status "" means pending.
type Recipient struct {
	ID, Status               string
	AttemptedAt, CompletedAt time.Time
	Talk                     time.Duration // duration in its call record, in whole seconds
}

// outcome is one way for a call to end; length is the relative duration of such calls.
type outcome struct {
	status         string
	weight, length float64
}

// table lists the outcomes with their weights. Answered calls last longer than the others.
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

// outcomeOf returns the outcome for a recipient's status, or "" if the status is not an outcome.
func outcomeOf(status string) string {
	switch status {
	case "completed", "failed", "busy", "no_answer", "canceled":
		return status
	case "no-answer":
		return "no_answer"
	}
	return ""
}

// recipientEnded reports whether a recipient in this state stays in it unless it is called again.
func recipientEnded(status string) bool {
	return outcomeOf(status) != "" || status == "skipped"
}

// batchEnded reports whether a batch in this state can be run again.
func batchEnded(status string) bool {
	return status == "completed" || status == "cancelled" || status == "failed"
}

// batch is one batch as the service stores it, together with its future events.
type batch struct {
	campaign Campaign // its behaviour; the fields below hold its current state
	key      uint64   // root of all its random streams

	id, name, status, parent                        string
	occurrence                                      int
	created, scheduled, started, completed, updated time.Time

	recipients        []recipient
	open, pending     int // recipients that have not ended, and those of them that are still to be called
	cursor            int // no recipient before this index is pending
	succeeded, failed int // the true counts, which a retry does not reset
	drift             [2]int
	overrides         overrides

	window       window
	slots        []slot
	records      *CallRecords
	recordCount  uint64    // number of its call records so far
	dials        int       // number of attempts ever
	round        int       // number of attempts since the (re-)start
	notBefore    time.Time // nothing is dialled before this time
	turn         turn      // its state in the dialer
	turnEnds     time.Time // end of its turn, if it has one
	turnEvent    time.Time // when turn may change by itself; zero: never
	waitIndex    int       // index in dialer.waiting, if it waits for a turn
	steps        []step    // what users will do to it, in chronological order
	runs         []*batch  // newest first
	runCount     int
	runNext      time.Time // when the next run is due; zero: never
	followUpAt   time.Time // when the follow-up starts; zero: never
	followedUp   bool
	predecessors []string  // ids of the batches that this one follows
	next         time.Time // time of its next event; zero: none
	queueIndex   int       // -1: not in the event queue
}

// recipient is one recipient; call is its call in progress, and last its last attempt.
type recipient struct {
	id, status           string
	attempted, completed time.Time
	attempts             int
	record               uint64 // number of its call record; 0: none
	call                 *activeCall
	last                 *attempt
	overrides            overrides
}

// slot is one of the calls that a batch may have in flight at once.
type slot struct {
	next time.Time   // no dial before this time
	call *activeCall // nil: free
}

// activeCall is a call in flight. When and how it ends is decided when it is dialled.
type activeCall struct {
	recipient int
	begin     time.Time
	end       time.Time // zero: never
	outcome   string
	queued    bool
	refused   bool // by the carrier
}

// step is an action of a user on a batch at a predetermined time, as in the demo.
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

// template reports whether this is a recurring batch, whose recipients are called by its runs only.
func (b *batch) template() bool {
	return b.campaign.Recurrence != "" && b.campaign.Recurrence != "none" && b.parent == ""
}

// moves reports whether the batch dials and ends by itself.
func (b *batch) moves() bool { return b.campaign.DialEvery > 0 }

// setRecipient replaces recipient i and updates the counts of open and pending recipients.
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

// countOutcome adds n to the count of this outcome. The service does not count canceled calls, and counts all other
// outcomes except completed as failed.
func (b *batch) countOutcome(status string, n int) {
	switch outcomeOf(status) {
	case "", "canceled":
	case "completed":
		b.succeeded += n
	default:
		b.failed += n
	}
}

// recount recomputes all counts from the recipients.
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

// recipientID returns the id of recipient i. Ids are derived on first use.
func (b *batch) recipientID(i int) string {
	r := &b.recipients[i]
	if r.id == "" {
		r.id = uuid(b.key, forRecipient, uint64(i))
	}
	return r.id
}
