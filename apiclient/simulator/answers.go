package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// runsShown is how many runs of a recurring batch get shows.
const runsShown = 20

// Approximate sizes of a row and a recipient, in bytes.
const (
	rowSize       = 900
	recipientSize = 480
)

// result answers a query.
func (a *Account) result(q query, now time.Time, noRecipients bool) (status int, body []byte) {
	if q.errorStatus != 0 {
		return q.errorStatus, errorBody(q.errorText)
	}
	if q.listCalls {
		return a.listCalls(q, now)
	}
	switch q.action {
	case "list":
		return http.StatusOK, a.rows("batches", a.listPage(q))
	case "list_runs":
		return a.listRuns(q)
	case "get":
		return a.get(q, now, noRecipients)
	}
	return http.StatusBadRequest, errorBody("Unknown action: " + q.action)
}

// errorBody is the form in which batch-calls reports errors.
func errorBody(text string) []byte {
	o := begin(nil, nil)
	o.text("error", text)
	return o.end()
}

func (a *Account) get(q query, now time.Time, noRecipients bool) (status int, body []byte) {
	if q.batchID == "" {
		return http.StatusBadRequest, errorBody("batch_id is required")
	}
	b := a.batches[q.batchID]
	if b == nil {
		return http.StatusNotFound, errorBody("Batch not found")
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

func (a *Account) listRuns(q query) (status int, body []byte) {
	b := a.batches[q.batchID]
	switch {
	case q.batchID == "":
		return http.StatusBadRequest, errorBody("parent_batch_id is required")
	case b == nil:
		return http.StatusNotFound, errorBody("Batch not found")
	}
	return http.StatusOK, a.rows("runs", a.page(b.runs, q))
}

// rows returns an answer that is one array of full rows.
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

func (a *Account) listPage(q query) []*batch {
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

// page returns a page of the rows. As in a database that sorts by created_at only, the order of rows with equal times
// varies with the page: the first row of a page and the row before it are swapped if their created_at are equal.
func (a *Account) page(rows []*batch, q query) []*batch {
	if q.badPaging || q.offset >= len(rows) {
		return nil
	}
	end := min(len(rows), q.offset+min(q.limit, a.options.PageCap))
	page := slices.Clone(rows[q.offset:end])
	if q.offset > 0 && len(page) > 0 && rows[q.offset-1].created.Equal(page[0].created) {
		page[0] = rows[q.offset-1]
	}
	return page
}

// Values that are the same for all batches.
const (
	callerID            = "+16045550110"
	reservedConcurrency = 5
)

// documentedKeys are the keys of a list row that the official documentation shows.
var documentedKeys = map[string]bool{
	"id": true, "name": true, "status": true, "total_recipients": true, "completed_count": true, "failed_count": true,
	"created_at": true, "scheduled_at": true, "completed_at": true,
}

// appendRow appends the batch as list shows it: 30 keys, nulls included, or only some of them.
func (a *Account) appendRow(out []byte, b *batch, only map[string]bool) []byte {
	o := begin(out, b.overrides)
	o.only = only
	o.text("id", b.id)
	o.text("user_id", uuid(a.options.Seed, forUser))
	o.text("name", b.name)
	o.text("caller_id", callerID)
	o.null("agent_id")
	o.text("status", b.status)
	o.boolean("send_now", b.scheduled.IsZero())
	o.timestamp("scheduled_at", b.scheduled)
	b.settings(o)
	o.number("total_recipients", len(b.recipients))
	o.number("completed_count", b.succeeded+b.drift[0])
	o.number("failed_count", b.failed+b.drift[1])
	o.null("template_id")
	o.null("purpose")
	o.null("goal")
	o.timestamp("created_at", b.created)
	o.timestamp("updated_at", b.updated)
	o.timestamp("started_at", b.started)
	o.timestamp("completed_at", b.completed)
	b.recurrence(o)
	return o.end()
}

func (b *batch) settings(o *object) {
	o.textOrNull("window_start_time", b.campaign.WindowStart)
	o.textOrNull("window_end_time", b.campaign.WindowEnd)
	days, err := json.Marshal(b.campaign.WindowDays)
	if err != nil {
		days = []byte("null")
	}
	o.raw("window_days", string(days))
	o.number("max_concurrency", b.campaign.MaxConcurrency)
	o.number("reserved_concurrency", reservedConcurrency)
}

func (b *batch) recurrence(o *object) {
	kind := "none"
	if b.template() {
		kind = b.campaign.Recurrence
	}
	o.text("recurrence_type", kind)
	o.number("recurrence_interval", 1)
	o.null("recurrence_end_date")
	o.numberOrNull("recurrence_max_runs", b.campaign.MaxRuns)
	o.number("recurrence_run_count", b.runCount)
	o.textOrNull("parent_batch_id", b.parent)
	o.numberOrNull("occurrence_number", b.occurrence)
}

// appendSummary appends a run as get shows it with its parent: eight keys.
func appendSummary(out []byte, b *batch) []byte {
	o := begin(out, b.overrides)
	o.text("id", b.id)
	o.numberOrNull("occurrence_number", b.occurrence)
	o.text("status", b.status)
	o.timestamp("started_at", b.started)
	o.timestamp("completed_at", b.completed)
	o.number("completed_count", b.succeeded+b.drift[0])
	o.number("failed_count", b.failed+b.drift[1])
	o.number("total_recipients", len(b.recipients))
	return append(o.out, '}') // overrides of other keys apply to the full row only
}

// appendRecipient appends recipient i as get shows it: twelve keys.
func (b *batch) appendRecipient(out []byte, i int, now time.Time) []byte {
	r := &b.recipients[i]
	status := r.status
	if r.call != nil {
		status = r.call.status(now)
	}
	o := begin(out, r.overrides)
	o.text("id", b.recipientID(i))
	o.text("batch_id", b.id)
	o.null("contact_id")
	o.text("phone_number", phoneNumber(i))
	o.optionalText("name", b.personName(i))
	o.text("status", status)
	o.textOrNull("call_record_id", recordID(b.key, r.record))
	o.optionalText("error_message", b.errorMessage(i, status))
	o.timestamp("attempted_at", r.attempted)
	o.timestamp("completed_at", r.completed)
	o.number("sort_order", i)
	o.timestamp("created_at", b.created)
	return o.end()
}
