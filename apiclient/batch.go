package apiclient

import "time"

// Batch is one row of list or list_runs, or the batch of a get. A time is zero
// and a Count not known if the API had null, left the member out, or said
// something impossible; Odd tells of the last. A text is kept to its first 1024
// bytes.
type Batch struct {
	ID         string // "" only in a row that cannot be told from another
	Name       string
	Status     BatchStatus
	ParentID   string // of a run: its recurring batch
	Recurrence string // "none", "daily" ...; "" for null

	TotalRecipients, CompletedCount, FailedCount Count
	MaxConcurrency, ReservedConcurrency          Count
	RecurrenceRuns, RecurrenceMaxRuns            Count

	Window Window

	CreatedAt, ScheduledAt, StartedAt, UpdatedAt, CompletedAt time.Time

	Odd []Odd // nil if every value made sense

	carried memberSet // what the row had; 0 for one that was not decoded
	misread memberSet // parts of the window that made no sense
}

// Count is a number of things, at least 0, if it is known.
type Count struct {
	N     int64
	Known bool
}

// Recipient is one recipient of a batch. It has no name and no number.
type Recipient struct {
	Key                      uint64 // tells the recipients read by one client apart; 0: the row has no id
	Status                   RecipientStatus
	AttemptedAt, CompletedAt time.Time // zero: null or no date
	Odd                      []Odd     // nil if every value made sense
}

// Odd is a value outside its known set, or an impossible one. The value itself
// is not kept, for it may be anything; Hash tells two of them apart.
type Odd struct {
	Field Field
	Hash  uint64
}

// Field is a kind of value that can be odd.
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

// memberSet is a set of members of a row, those that an answer may leave out:
// the official pages show them in one answer and not in another, or another
// version of the service might.
type memberSet uint32

const (
	memberName memberSet = 1 << iota
	memberParentID
	memberRecurrence
	memberTotalRecipients
	memberCompletedCount
	memberFailedCount
	memberMaxConcurrency
	memberReservedConcurrency
	memberRecurrenceRuns
	memberRecurrenceMaxRuns
	memberWindowStart
	memberWindowEnd
	memberWindowDays
	memberCreatedAt
	memberScheduledAt
	memberStartedAt
	memberUpdatedAt
	memberCompletedAt

	// memberAny is in every row that was decoded, whatever it had.
	memberAny
)

// memberNames are their names on the wire.
var memberNames = map[string]memberSet{
	"name":                 memberName,
	"parent_batch_id":      memberParentID,
	"recurrence_type":      memberRecurrence,
	"total_recipients":     memberTotalRecipients,
	"completed_count":      memberCompletedCount,
	"failed_count":         memberFailedCount,
	"max_concurrency":      memberMaxConcurrency,
	"reserved_concurrency": memberReservedConcurrency,
	"recurrence_run_count": memberRecurrenceRuns,
	"recurrence_max_runs":  memberRecurrenceMaxRuns,
	"window_start_time":    memberWindowStart,
	"window_end_time":      memberWindowEnd,
	"window_days":          memberWindowDays,
	"created_at":           memberCreatedAt,
	"scheduled_at":         memberScheduledAt,
	"started_at":           memberStartedAt,
	"updated_at":           memberUpdatedAt,
	"completed_at":         memberCompletedAt,
}

// has reports whether a row had a member, as far as that is known.
func (s memberSet) has(member memberSet) bool { return s == 0 || s&member != 0 }

// KeepFrom fills in what the row left out from an older row of the same batch:
// the answers of list and get may have different members. An explicit null was
// not left out. A run stays a run of its recurring batch.
func (b *Batch) KeepFrom(older *Batch) {
	if b.ParentID == "" {
		b.ParentID = older.ParentID
	}
	keep(b, memberName, &b.Name, older.Name)
	keep(b, memberRecurrence, &b.Recurrence, older.Recurrence)
	keep(b, memberTotalRecipients, &b.TotalRecipients, older.TotalRecipients)
	keep(b, memberCompletedCount, &b.CompletedCount, older.CompletedCount)
	keep(b, memberFailedCount, &b.FailedCount, older.FailedCount)
	keep(b, memberMaxConcurrency, &b.MaxConcurrency, older.MaxConcurrency)
	keep(b, memberReservedConcurrency, &b.ReservedConcurrency, older.ReservedConcurrency)
	keep(b, memberRecurrenceRuns, &b.RecurrenceRuns, older.RecurrenceRuns)
	keep(b, memberRecurrenceMaxRuns, &b.RecurrenceMaxRuns, older.RecurrenceMaxRuns)
	keep(b, memberCreatedAt, &b.CreatedAt, older.CreatedAt)
	keep(b, memberScheduledAt, &b.ScheduledAt, older.ScheduledAt)
	keep(b, memberStartedAt, &b.StartedAt, older.StartedAt)
	keep(b, memberUpdatedAt, &b.UpdatedAt, older.UpdatedAt)
	keep(b, memberCompletedAt, &b.CompletedAt, older.CompletedAt)
	b.keepWindow(older)
	if b.carried != 0 {
		b.carried |= older.carried
	}
}

func keep[T any](b *Batch, member memberSet, to *T, older T) {
	if !b.carried.has(member) {
		*to = older
	}
}

func (b *Batch) keepWindow(older *Batch) {
	keep(b, memberWindowStart, &b.Window.Start, older.Window.Start)
	keep(b, memberWindowEnd, &b.Window.End, older.Window.End)
	keep(b, memberWindowDays, &b.Window.Days, older.Window.Days)
	if b.carried == 0 {
		return
	}
	b.misread |= older.misread &^ b.carried
	b.Window.Unknown = b.misread != 0
}

// RanSince reports whether the batch began or completed anew after an older row
// of it, as far as that row had the times. A time that cannot be read proves
// nothing, neither when it appears nor when it can be read again.
func (b *Batch) RanSince(older *Batch) bool {
	anew := func(was, is time.Time) bool {
		return !is.IsZero() && !is.Equal(was) && (!was.IsZero() || is.After(older.UpdatedAt))
	}
	return (older.carried.has(memberStartedAt) && anew(older.StartedAt, b.StartedAt)) ||
		(older.carried.has(memberCompletedAt) && anew(older.CompletedAt, b.CompletedAt))
}

// BatchStatus is a batch's state. The zero value is one that the API does not document.
type BatchStatus uint8

// The documented states of a batch.
const (
	BatchUnknown BatchStatus = iota
	BatchDraft
	BatchScheduled
	BatchRunning
	BatchPaused
	BatchCompleted
	BatchCancelled
	BatchFailed
	BatchRecurring
)

var batchStatusNames = [...]string{"unknown", "draft", "scheduled", "running", "paused", "completed", "cancelled", "failed", "recurring"}

// String is the state's name, as the API writes it.
func (s BatchStatus) String() string { return batchStatusNames[s] }

// Ended reports whether the batch is over, until it is run again.
func (s BatchStatus) Ended() bool {
	return s == BatchCompleted || s == BatchCancelled || s == BatchFailed
}

// BatchStatuses lists every state, the unknown one last.
func BatchStatuses() []BatchStatus {
	return []BatchStatus{
		BatchDraft, BatchScheduled, BatchRunning, BatchPaused, BatchCompleted,
		BatchCancelled, BatchFailed, BatchRecurring, BatchUnknown,
	}
}

func parseBatchStatus(raw []byte) BatchStatus {
	for s := BatchDraft; s <= BatchRecurring; s++ {
		if string(raw) == batchStatusNames[s] {
			return s
		}
	}
	return BatchUnknown
}

// RecipientStatus is where a recipient's call is. The zero value is one that
// the API does not document.
type RecipientStatus uint8

// The documented states of a recipient.
const (
	RecipientUnknown RecipientStatus = iota
	RecipientPending
	RecipientCalling
	RecipientInitiated
	RecipientRinging
	RecipientInProgress
	RecipientCompleted
	RecipientFailed
	RecipientBusy
	RecipientNoAnswer
	RecipientSkipped
)

var recipientStatusNames = [...]string{
	"unknown", "pending", "calling", "initiated", "ringing", "in_progress",
	"completed", "failed", "busy", "no_answer", "skipped",
}

// String is the state's name, as the API documents it.
func (s RecipientStatus) String() string { return recipientStatusNames[s] }

// Active reports whether a call is under way.
func (s RecipientStatus) Active() bool { return s >= RecipientCalling && s <= RecipientInProgress }

// Outcome reports whether the state says how a call ended. That a call is
// completed means that it ended, be it on a voicemail.
func (s RecipientStatus) Outcome() bool { return s >= RecipientCompleted && s <= RecipientNoAnswer }

// RecipientStatuses lists every state, the unknown one last.
func RecipientStatuses() []RecipientStatus {
	return append(recipientStatuses(RecipientPending, RecipientSkipped), RecipientUnknown)
}

// Outcomes lists the states that say how a call ended.
func Outcomes() []RecipientStatus { return recipientStatuses(RecipientCompleted, RecipientNoAnswer) }

func recipientStatuses(first, last RecipientStatus) []RecipientStatus {
	var all []RecipientStatus
	for s := first; s <= last; s++ {
		all = append(all, s)
	}
	return all
}

// parseRecipientStatus also folds the spellings that the service's own code
// uses beside the documented ones.
func parseRecipientStatus(raw []byte) RecipientStatus {
	switch string(raw) {
	case "no-answer":
		return RecipientNoAnswer
	case "in-progress", "answered":
		return RecipientInProgress
	}
	for s := RecipientPending; s <= RecipientSkipped; s++ {
		if string(raw) == recipientStatusNames[s] {
			return s
		}
	}
	return RecipientUnknown
}
