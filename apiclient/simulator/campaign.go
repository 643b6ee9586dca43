package simulator

import "time"

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
