package simulator

import (
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
