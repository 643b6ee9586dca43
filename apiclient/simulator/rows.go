package simulator

import (
	"encoding/json"
	"time"
)

// What all batches of the account have in common.
const (
	callerID            = "+16045550110"
	reservedConcurrency = 5
)

// documentedKeys are those that the official page shows in rows of list.
var documentedKeys = map[string]bool{
	"id": true, "name": true, "status": true, "total_recipients": true, "completed_count": true, "failed_count": true,
	"created_at": true, "scheduled_at": true, "completed_at": true,
}

// appendRow writes the batch as list shows it: 30 keys, nulls included, or only some of them.
func (a *Account) appendRow(out []byte, b *batch, only map[string]bool) []byte {
	o := begin(out, b.wire)
	o.only = only
	o.text("id", b.id)
	o.text("user_id", uuid(a.options.Seed, forUser))
	o.text("name", b.name)
	o.text("caller_id", callerID)
	o.null("agent_id")
	o.text("status", b.status)
	o.flag("send_now", b.scheduled.IsZero())
	o.moment("scheduled_at", b.scheduled)
	b.settings(o)
	o.number("total_recipients", len(b.recipients))
	o.number("completed_count", b.succeeded+b.drift[0])
	o.number("failed_count", b.failed+b.drift[1])
	o.null("template_id")
	o.null("purpose")
	o.null("goal")
	o.moment("created_at", b.created)
	o.moment("updated_at", b.touch)
	o.moment("started_at", b.started)
	o.moment("completed_at", b.completed)
	b.recurrence(o)
	return o.end()
}

func (b *batch) settings(o *object) {
	o.filled("window_start_time", b.plan.WindowStart)
	o.filled("window_end_time", b.plan.WindowEnd)
	days, err := json.Marshal(b.plan.WindowDays)
	if err != nil {
		days = []byte("null")
	}
	o.raw("window_days", string(days))
	o.number("max_concurrency", b.plan.MaxConcurrency)
	o.number("reserved_concurrency", reservedConcurrency)
}

func (b *batch) recurrence(o *object) {
	kind := "none"
	if b.template() {
		kind = b.plan.Recurrence
	}
	o.text("recurrence_type", kind)
	o.number("recurrence_interval", 1)
	o.null("recurrence_end_date")
	o.positive("recurrence_max_runs", b.plan.MaxRuns)
	o.number("recurrence_run_count", b.runCount)
	o.filled("parent_batch_id", b.parent)
	o.positive("occurrence_number", b.occurrence)
}

// appendSummary writes a run as get shows it beside its series: eight keys.
func appendSummary(out []byte, b *batch) []byte {
	o := begin(out, b.wire)
	o.text("id", b.id)
	o.positive("occurrence_number", b.occurrence)
	o.text("status", b.status)
	o.moment("started_at", b.started)
	o.moment("completed_at", b.completed)
	o.number("completed_count", b.succeeded+b.drift[0])
	o.number("failed_count", b.failed+b.drift[1])
	o.number("total_recipients", len(b.recipients))
	return append(o.out, '}') // keys that only the full row has stay there
}

// appendRecipient writes recipient i as get shows it: twelve keys.
func (b *batch) appendRecipient(out []byte, i int, now time.Time) []byte {
	r := &b.recipients[i]
	status := r.status
	if r.flight != nil {
		status = r.flight.status(now)
	}
	o := begin(out, r.wire)
	o.text("id", b.recipientID(i))
	o.text("batch_id", b.id)
	o.null("contact_id")
	o.text("phone_number", b.phoneNumber(i))
	o.some("name", b.personName(i))
	o.text("status", status)
	if r.attempted.IsZero() {
		o.null("call_record_id")
	} else {
		o.text("call_record_id", uuid(b.key, forCallRecord, uint64(i), uint64(r.attempts)))
	}
	o.some("error_message", b.errorMessage(i, status))
	o.moment("attempted_at", r.attempted)
	o.moment("completed_at", r.completed)
	o.number("sort_order", i)
	o.moment("created_at", b.created)
	return o.end()
}
