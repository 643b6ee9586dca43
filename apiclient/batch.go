package apiclient

import "time"

// Batch is one row of list or list_runs, or the batch of a get. A time is zero
// and a Count not known if the API sent null, an impossible value (which is then
// in Odd), or nothing. Strings are cut to their first 1024 bytes.
type Batch struct {
	ID         string // "" only in a row without a usable id
	Name       string
	Status     BatchStatus
	ParentID   string // of a run: the ID of its recurring batch
	Recurrence string // "none", "daily" ...; "" for null

	TotalRecipients, CompletedCount, FailedCount Count
	MaxConcurrency, ReservedConcurrency          Count
	RecurrenceRuns, RecurrenceMaxRuns            Count

	Window Window

	CreatedAt, ScheduledAt, StartedAt, UpdatedAt, CompletedAt time.Time

	Odd []Odd // nil if every value made sense

	// For KeepFrom. They are exported so that a Batch can be encoded and decoded.
	Carried memberSet // the members that the row had; 0 if it was not decoded
	Misread memberSet // the members of the window that could not be decoded
}

// Count is a number of things, which is at least 0 if Known.
type Count struct {
	N     int64
	Known bool
}

// Recipient is one recipient of a batch, without name and phone number.
type Recipient struct {
	Key                      uint64 // hash of the id (XXH64), the same in every process; 0: the row has no id
	Record                   uint64 // Key of the CallRecord of its latest call; 0: none
	Status                   RecipientStatus
	AttemptedAt, CompletedAt time.Time // zero: null or not a valid time
	Odd                      []Odd     // nil if every value made sense
}

// CallRecord is one row of list-calls, without phone numbers, texts and status:
// the duration alone tells whether somebody answered.
type CallRecord struct {
	Key       uint64    // hash of the id, like Recipient.Record; 0: the row has no id
	CreatedAt time.Time // of the row, within a second of the dial; zero: null or not a valid time
	Talk      Count     // talk time in seconds; 0 until the call has ended, and if nobody answered
	Odd       []Odd     // nil if every value made sense
}

// Odd is a value outside its known set, or an impossible one. The value itself
// is not kept, because it may be anything; equal values have the same Hash.
type Odd struct {
	Field Field
	Hash  uint64
}

// Field is a kind of value that can be odd.
type Field string

// The kinds of values. Only a comparison of two times shows that a duration is
// odd, so no Odd made by this package has FieldDuration.
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

// memberSet is a set of the members that an answer may leave out of a row. In the
// official documentation, some answers have members that others lack, and other
// versions of the service may differ further.
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

	// memberAny is set in every decoded row, whatever members it had.
	memberAny
)

// memberNames maps the names in JSON to members.
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

// has reports whether a row had a member. A row that was not decoded counts as
// having all of them.
func (s memberSet) has(member memberSet) bool { return s == 0 || s&member != 0 }

// KeepFrom copies the members that the row left out from an older row of the
// same batch, since the answers to list and get may have different members. An
// explicit null is not left out, except that a run keeps its ParentID.
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
	if b.Carried != 0 {
		b.Carried |= older.Carried
	}
}

func keep[T any](b *Batch, member memberSet, to *T, older T) {
	if !b.Carried.has(member) {
		*to = older
	}
}

func (b *Batch) keepWindow(older *Batch) {
	keep(b, memberWindowStart, &b.Window.Start, older.Window.Start)
	keep(b, memberWindowEnd, &b.Window.End, older.Window.End)
	keep(b, memberWindowDays, &b.Window.Days, older.Window.Days)
	if b.Carried == 0 {
		return
	}
	b.Misread |= older.Misread &^ b.Carried
	b.Window.Unknown = b.Misread != 0
}

// RanSince reports whether the batch began or completed anew after an older row
// of it, as far as that row had the times. A time that cannot be read proves
// nothing, neither when it appears nor when it can be read again.
func (b *Batch) RanSince(older *Batch) bool {
	anew := func(was, is time.Time) bool {
		return !is.IsZero() && !is.Equal(was) && (!was.IsZero() || is.After(older.UpdatedAt))
	}
	return (older.Carried.has(memberStartedAt) && anew(older.StartedAt, b.StartedAt)) ||
		(older.Carried.has(memberCompletedAt) && anew(older.CompletedAt, b.CompletedAt))
}

// BatchStatus is the state of a batch. The zero value stands for any state that
// the API does not document.
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

// String returns the state's name, as the API writes it.
func (s BatchStatus) String() string { return batchStatusNames[s] }

// Ended reports whether the batch is over, unless it is run again.
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

// RecipientStatus is the state of a recipient's call. The zero value stands for
// any state that the API does not document.
type RecipientStatus uint8

// The states of a recipient. RecipientCanceled is not documented; the service
// writes it without a completed_at.
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
	RecipientCanceled
	RecipientSkipped
)

var recipientStatusNames = [...]string{
	"unknown", "pending", "calling", "initiated", "ringing", "in_progress",
	"completed", "failed", "busy", "no_answer", "canceled", "skipped",
}

// String returns the state's name, as the API documents it.
func (s RecipientStatus) String() string { return recipientStatusNames[s] }

// Active reports whether a call is in progress.
func (s RecipientStatus) Active() bool { return s >= RecipientCalling && s <= RecipientInProgress }

// Outcome reports whether the state says how a call ended. RecipientCompleted
// includes calls answered by voicemail.
func (s RecipientStatus) Outcome() bool { return s >= RecipientCompleted && s <= RecipientCanceled }

// RecipientStatuses lists every state, the unknown one last.
func RecipientStatuses() []RecipientStatus {
	return append(recipientStatuses(RecipientPending, RecipientSkipped), RecipientUnknown)
}

// Outcomes lists the states that say how a call ended.
func Outcomes() []RecipientStatus { return recipientStatuses(RecipientCompleted, RecipientCanceled) }

func recipientStatuses(first, last RecipientStatus) []RecipientStatus {
	var all []RecipientStatus
	for s := first; s <= last; s++ {
		all = append(all, s)
	}
	return all
}

// parseRecipientStatus also accepts the undocumented spellings that the
// service's own code uses.
func parseRecipientStatus(raw []byte) RecipientStatus {
	switch string(raw) {
	case "no-answer":
		return RecipientNoAnswer
	case "in-progress", "answered":
		return RecipientInProgress
	case "queued":
		return RecipientInitiated
	}
	for s := RecipientPending; s <= RecipientSkipped; s++ {
		if string(raw) == recipientStatusNames[s] {
			return s
		}
	}
	return RecipientUnknown
}
