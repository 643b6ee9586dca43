package web

// RefreshUntilReady is what ListenAndServe runs in the background.
var RefreshUntilReady = (*Server).refreshUntilReady

// Thresholds are those that the landing page has in common with the alerts.
var Thresholds = map[string]float64{
	"list_age_seconds":        listAge.Seconds(),
	"details_wait_seconds":    detailsWait.Seconds(),
	"stuck_call_seconds":      stuckCall.Seconds(),
	"stalled_longest_seconds": stalled.Seconds(),
	"overdue_seconds":         overdue.Seconds(),
	"campaign_failure_ratio":  failureRatio,
	"campaign_answer_ratio":   answerRatio,
}
