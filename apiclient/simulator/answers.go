package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// runsShown is how many runs get shows beside a series.
const runsShown = 20

// About how many bytes a row and a recipient take.
const (
	rowSize       = 900
	recipientSize = 480
)

// truth answers a question from the account as it is now.
func (a *Account) truth(q question, now time.Time, noRecipients bool) (status int, body []byte) {
	if q.wrong != 0 {
		return q.wrong, complaint(q.complaint)
	}
	switch q.action {
	case "list":
		return http.StatusOK, a.rows("batches", a.listPage(q))
	case "list_runs":
		return a.listRuns(q)
	case "get":
		return a.get(q, now, noRecipients)
	}
	return http.StatusBadRequest, complaint("Unknown action: " + q.action)
}

// complaint is the shape in which the service itself reports errors.
func complaint(text string) []byte {
	o := begin(nil, nil)
	o.text("error", text)
	return o.end()
}

func (a *Account) get(q question, now time.Time, noRecipients bool) (status int, body []byte) {
	if q.batchID == "" {
		return http.StatusBadRequest, complaint("batch_id is required")
	}
	b := a.batches[q.batchID]
	if b == nil {
		return http.StatusNotFound, complaint("Batch not found")
	}
	size := rowSize*(1+runsShown) + recipientSize*min(len(b.recipients), a.options.RecipientCap)
	out := a.appendRow(append(make([]byte, 0, size), `{"batch":`...), b, nil)
	out = append(out, `,"recipients":[`...)
	for i := range b.recipients {
		if noRecipients || i == a.options.RecipientCap {
			break
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = b.appendRecipient(out, i, now)
	}
	out = append(out, `],"runs":`...)
	return http.StatusOK, append(b.appendRuns(out), '}')
}

func (b *batch) appendRuns(out []byte) []byte {
	if b.status != "recurring" && b.status != "paused" {
		return append(out, "null"...)
	}
	out = append(out, '[')
	for i, run := range b.runs[:min(runsShown, len(b.runs))] {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendSummary(out, run)
	}
	return append(out, ']')
}

func (a *Account) listRuns(q question) (status int, body []byte) {
	b := a.batches[q.batchID]
	switch {
	case q.batchID == "":
		return http.StatusBadRequest, complaint("parent_batch_id is required")
	case b == nil:
		return http.StatusNotFound, complaint("Batch not found")
	}
	return http.StatusOK, a.rows("runs", a.page(b.runs, q))
}

// rows writes an answer that is one array of full rows.
func (a *Account) rows(key string, page []*batch) []byte {
	var only map[string]bool
	if a.options.AsDocumented && key == "batches" {
		only = documentedKeys
	}
	out := slices.Grow([]byte(`{"`+key+`":[`), rowSize*len(page))
	for i, b := range page {
		if i > 0 {
			out = append(out, ',')
		}
		out = a.appendRow(out, b, only)
	}
	return append(out, "]}"...)
}

func (a *Account) listPage(q question) []*batch {
	if q.status == "" {
		return a.page(a.listed, q)
	}
	return a.page(slices.Collect(func(yield func(*batch) bool) {
		for _, b := range a.listed {
			if b.status == q.status && !yield(b) {
				return
			}
		}
	}), q)
}

// page cuts a page out of the rows. Among equal created_at the order hangs on the page, as it does where a database
// sorts no further than it must: the row before the page and its first one change places if they are equals.
func (a *Account) page(rows []*batch, q question) []*batch {
	if q.odd || q.offset >= len(rows) {
		return nil
	}
	end := min(len(rows), q.offset+min(q.limit, a.options.PageCap))
	page := slices.Clone(rows[q.offset:end])
	if q.offset > 0 && len(page) > 0 && rows[q.offset-1].created.Equal(page[0].created) {
		page[0] = rows[q.offset-1]
	}
	return page
}

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
