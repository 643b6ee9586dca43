package apiclient

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

// String is the state's name on the wire and in metrics.
func (s BatchStatus) String() string { return batchStatusNames[s] }

// Ended tells whether the batch is over, until it is run again.
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

// String is the state's name on the wire and in metrics.
func (s RecipientStatus) String() string { return recipientStatusNames[s] }

// Active tells whether a call is under way.
func (s RecipientStatus) Active() bool { return s >= RecipientCalling && s <= RecipientInProgress }

// Outcome tells whether the state says how a call ended. That a call is
// completed means that it ended, on a voicemail as well.
func (s RecipientStatus) Outcome() bool { return s >= RecipientCompleted && s <= RecipientNoAnswer }

// RecipientStatuses lists every state, the unknown one last.
func RecipientStatuses() []RecipientStatus {
	return append(recipientsFrom(RecipientPending, RecipientSkipped), RecipientUnknown)
}

// Outcomes lists the states that say how a call ended.
func Outcomes() []RecipientStatus { return recipientsFrom(RecipientCompleted, RecipientNoAnswer) }

func recipientsFrom(first, last RecipientStatus) []RecipientStatus {
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
