package apiclient

import "time"

// Batch is one row of list or list_runs, or the batch of a get. A time is zero,
// and a Count not known, where the API had null, left the key out, or said
// something impossible; Odd then tells of the last. A text is kept to its first
// 1024 bytes.
type Batch struct {
	ID         string // "" only in a row that can't be told from another
	Name       string
	Status     BatchStatus
	ParentID   string // of a run: its recurring batch
	Recurrence string // "none", "daily" ...; "" for null

	TotalRecipients, CompletedCount, FailedCount Count
	MaxConcurrency, ReservedConcurrency          Count
	RecurrenceRuns, RecurrenceMaxRuns            Count

	Window Window

	CreatedAt, ScheduledAt, StartedAt, UpdatedAt, CompletedAt time.Time

	Odd []Odd // nil in a sound row

	carried uint32 // the members that the row had, by their bits
}

// Count is a number of things, at least 0, if it is known.
type Count struct {
	N     int64
	Known bool
}

// Recipient is one recipient of a batch. It has no name and no number.
type Recipient struct {
	Key                      uint64 // tells recipients of one client apart; 0: the row has no id
	Status                   RecipientStatus
	AttemptedAt, CompletedAt time.Time // zero: null or no date
	Odd                      []Odd     // nil in a sound row
}

// Field names a kind of value that can be odd, as metrics name it.
type Field string

// The kinds of values. A duration is odd only when two times are compared, so
// no Odd of this package has it.
const (
	FieldBatchStatus     Field = "batch_status"
	FieldRecipientStatus Field = "recipient_status"
	FieldTimestamp       Field = "timestamp"
	FieldWindow          Field = "window"
	FieldDuration        Field = "duration"
	FieldCount           Field = "count"
)

// Fields lists every kind.
func Fields() []Field {
	return []Field{FieldBatchStatus, FieldRecipientStatus, FieldTimestamp, FieldWindow, FieldDuration, FieldCount}
}

// Odd is a value outside its known set, or an impossible one. The value itself
// is not kept, for it may be anything; Hash tells two of them apart.
type Odd struct {
	Field Field
	Hash  uint64
}
