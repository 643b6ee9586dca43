package apiclient

import (
	"context"
	"fmt"
	"time"
)

// MaxPages is the maximum number of pages of one walk. A walk that would need more is truncated.
const MaxPages = 1000

// maxID is the longest usable id in bytes. A UUID has 36.
const maxID = 256

// Pager is one listing that is read repeatedly. It remembers across walks which
// row was proven to be the last. Only one walk may be in progress at a time: a
// Pager is not safe for concurrent use.
type Pager struct {
	question     question
	end          listingEnd
	repeatedFrom string // id of the first row of the last walk, if that walk repeated rows
}

// Batches lists every batch of the account, newest first. Runs of recurring
// batches are never among them.
func (c *Client) Batches() *Pager {
	return &Pager{question: question{Action: ActionList, Limit: c.cfg.PageSize}}
}

// BatchesIn lists the batches in one state, newest first. A batch whose state
// changes may appear anywhere in the listing, so each walk has to find the end
// again.
func (c *Client) BatchesIn(status BatchStatus) *Pager {
	p := c.Batches()
	p.question.Status = status.String()
	p.end.moves = true
	return p
}

// Runs lists the runs of a recurring batch, newest first, even if the batch has ended.
func (c *Client) Runs(parentID string) *Pager {
	return &Pager{question: question{Action: ActionListRuns, ParentID: parentID, Limit: c.cfg.PageSize}}
}

// Walk starts a walk at the first row, abandoning a walk in progress.
func (p *Pager) Walk() *Walk { return &Walk{pager: p, seen: map[string]bool{}} }

// Walk reads a listing once, page by page, one request each. It can be paused
// between any two pages. It is not safe for concurrent use.
//
// The API counts offsets from the newest row, so a batch that is created during
// the walk shifts the pages and repeats rows. Each batch is returned once.
type Walk struct {
	pager *Pager
	seen  map[string]bool
	rows  int // received so far, repeated ones included
	pages int
	first string // id of the first row
	last  lastRow

	repeated, truncated, done bool
}

// lastRow is the last row of the pages read so far.
type lastRow struct {
	id        string
	createdAt time.Time
	tied      bool // the row before it has the same created_at
}

// distinct reports whether the row has an id and a well-defined place in the order.
func (r lastRow) distinct() bool { return r.id != "" && !r.tied }

// Done reports whether the walk has reached its end.
func (w *Walk) Done() bool { return w.done }

// Truncated reports whether the walk may have missed rows. That is so if two
// pages meet among rows with the same created_at, whose order is arbitrary; if a
// page has no new row; if consecutive walks repeat rows; if a row has no usable
// id; or if MaxPages are not enough.
func (w *Walk) Truncated() bool { return w.truncated }

// Pages returns the number of non-empty pages read so far.
func (w *Walk) Pages() int { return w.pages }

// Has reports whether the walk has shown a batch.
func (w *Walk) Has(id string) bool { return w.seen[id] }

// Next reads the next page of a walk and returns the batches on it that are new
// to the walk. It returns the same errors as Get, wrapped with the page number;
// the next call then reads that page again. After the end of the walk, Next
// sends no request.
func (p *Permit) Next(ctx context.Context, w *Walk) ([]Batch, error) {
	if w.done {
		return nil, nil
	}
	q := w.pager.question
	q.Offset = w.rows
	var rows []Batch
	err := p.exchange(ctx, q, func(doc *document) (err error) {
		rows, err = doc.page(q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s page %d: %w", q.Action, w.pages+1, err)
	}
	return w.accept(rows), nil
}

// accept records a page and decides whether it is the last.
func (w *Walk) accept(rows []Batch) []Batch {
	fresh := w.unseen(rows)
	if w.meetsEqualTimes(rows, fresh) {
		w.truncated = true
	}
	if w.rows == 0 {
		w.pager.end.begin()
	}
	w.note(rows)
	w.done = w.pager.end.found(len(rows), w.last)
	if !w.done && (len(fresh) == 0 || w.pages >= MaxPages) {
		w.done, w.truncated = true, true
	}
	if w.done && w.pager.repeatsItself(w) {
		w.truncated = true
	}
	return fresh
}

// unseen returns the rows that are new to the walk.
func (w *Walk) unseen(rows []Batch) []Batch {
	fresh := make([]Batch, 0, len(rows))
	for _, row := range rows {
		switch {
		case row.ID == "" || len(row.ID) > maxID:
			w.truncated = true
		case w.seen[row.ID]:
			w.repeated = true
		default:
			w.seen[row.ID] = true
			fresh = append(fresh, row)
		}
	}
	return fresh
}

// meetsEqualTimes reports whether the boundary between a page and the previous
// one lies among rows with the same created_at. Their order may change between
// two requests, so that one of them is returned twice and another never.
func (w *Walk) meetsEqualTimes(rows, fresh []Batch) bool {
	if w.last.id == "" {
		return false
	}
	return (len(fresh) > 0 && fresh[0].CreatedAt.Equal(w.last.createdAt)) ||
		(len(rows) > 0 && rows[0].ID == w.last.id && w.last.tied)
}

// note counts a page and remembers its last row.
func (w *Walk) note(rows []Batch) {
	n := len(rows)
	if n == 0 {
		return
	}
	if w.rows == 0 {
		w.first = rows[0].ID
	}
	before := w.last.createdAt
	if n > 1 {
		before = rows[n-2].CreatedAt
	}
	last := rows[n-1]
	w.last = lastRow{id: last.ID, createdAt: last.CreatedAt, tied: last.CreatedAt.Equal(before)}
	w.rows += n
	w.pages++
}

// repeatsItself reports whether a walk repeated rows and the walk before it did
// so, too, and began with the same row. Then the rows are not repeated because a
// new batch has shifted the pages: each one takes the place of a missing row.
func (p *Pager) repeatsItself(w *Walk) bool {
	before := p.repeatedFrom
	p.repeatedFrom = ""
	if w.repeated {
		p.repeatedFrom = w.first
	}
	return w.repeated && before == w.first
}

// listingEnd finds the end of a listing. The API does not return a total, and it
// silently limits pages to a number of rows that may change, so a page with
// fewer rows than requested is not necessarily the last. A page is the last if
// this walk has received a longer one, or if an earlier walk has proven that its
// last row is the last of the listing. Otherwise, the walk goes on until a page
// is empty.
type listingEnd struct {
	moves   bool   // rows may appear after the last one, so proven does not hold for the next walk
	proven  string // id of the row that was followed by an empty page; "" for none
	longest int    // rows of the longest page of this walk
}

// begin resets the state of a single walk.
func (e *listingEnd) begin() { e.longest = 0 }

// found reports whether a page of n rows is the last; last is the last row of
// the pages so far.
func (e *listingEnd) found(n int, last lastRow) bool {
	if n == 0 {
		e.proven = last.id
		return true
	}
	proven := !e.moves && last.distinct() && last.id == e.proven
	shorter := n < e.longest
	e.longest = max(e.longest, n)
	return proven || shorter
}
