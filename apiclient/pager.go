package apiclient

import (
	"context"
	"fmt"
	"time"
)

// MaxPages is the most pages of one walk. One that would go on is truncated.
const MaxPages = 1000

// Walk reads a listing page by page, one request each, newest batch first. It
// can be left and taken up again at any page. It is not safe for concurrent use.
//
// The API gives no total, cuts pages silently, and counts offsets from the
// newest row: a batch that is created meanwhile shifts the pages, so that rows
// come twice. Each batch is returned once.
type Walk struct {
	client   *Client
	call     call
	filtered bool   // rows may join behind the last one, when their state changes
	listing  string // names what is listed, among all listings of the client
	rows     int    // received so far, repeated ones too
	pages    int
	rowPages int
	seen     map[string]bool
	lastID   string
	lastAt   time.Time // created_at of the last row
	lastTied bool      // the row before it has the same
	firstID  string
	repeated bool // a row came twice

	done, truncated bool
}

// Batches lists every batch of the account, or those in one state. Runs of
// recurring batches are never among them.
func (c *Client) Batches(status ...BatchStatus) *Walk {
	w := &Walk{client: c, call: call{Action: ActionList}, seen: map[string]bool{}}
	if len(status) > 0 {
		w.call.Status = status[0].String()
		w.filtered = true
	}
	w.listing = "list " + w.call.Status
	return w
}

// Runs lists the runs of a recurring batch, also of one that has ended.
func (c *Client) Runs(parentID string) *Walk {
	return &Walk{
		client: c, call: call{Action: ActionListRuns, ParentID: parentID},
		listing: "list_runs " + parentID, seen: map[string]bool{},
	}
}

// Done tells whether the walk has come to its end.
func (w *Walk) Done() bool { return w.done }

// Truncated tells whether rows may have been missed: two pages met among equal
// creation times, whose order is none; a page brought nothing new, or walk after
// walk the same rows twice; a row had no id; the request behind the last rows
// keeps failing; or MaxPages were not enough.
func (w *Walk) Truncated() bool { return w.truncated }

// Pages is the number of pages read so far.
func (w *Walk) Pages() int { return w.pages }

// Next reads one more page and returns the batches on it that are new to the
// walk. It errs like Get, names the page, and can be called again after that.
func (w *Walk) Next(ctx context.Context, permit *Permit) ([]Batch, error) {
	var rows []Batch
	w.call.Limit, w.call.Offset = w.client.cfg.PageSize, w.rows
	err := w.client.exchange(ctx, permit, w.call, func(doc *document) (err error) {
		rows, err = doc.page(w.call)
		return err
	})
	if w.pastTheEnd(err) {
		w.done, w.truncated = true, true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s page %d: %w", w.call.Action, w.pages+1, err)
	}
	w.pages++
	return w.keep(rows), nil
}

// mostRows is the most rows that a page may have where fewer are asked for: the
// most that the service sends.
const mostRows = 1000

// page reads the rows of a list or list_runs answer. It errs with ErrTooLarge
// where there are far more than were asked for: they are held until all are read.
func (d *document) page(asked call) ([]Batch, error) {
	main, action := "batches", asked.Action
	if action == ActionListRuns {
		main = "runs"
	}
	var rows []Batch
	found := false
	err := d.members(func(name string) error {
		if name != main || d.kind() != '[' {
			return d.skip()
		}
		found = true
		return d.elements(func() error {
			if len(rows) >= max(asked.Limit, mostRows) {
				return ErrTooLarge
			}
			b, err := d.batch()
			if err == nil {
				rows = append(rows, b)
			}
			return err
		})
	})
	if err == nil && !found {
		err = &DecodeError{Detail: string(action) + ": the answer lacks its " + main}
	}
	return rows, err
}

// keep picks what is new out of a page and decides whether it was the last.
func (w *Walk) keep(rows []Batch) []Batch {
	previousID, previousAt := w.lastID, w.lastAt
	fresh := make([]Batch, 0, len(rows))
	for _, row := range rows {
		switch {
		case row.ID == "" || len(row.ID) > maxID:
			w.truncated = true
		case !w.seen[row.ID]:
			w.seen[row.ID] = true
			fresh = append(fresh, row)
		default:
			w.repeated = true
		}
	}
	if len(fresh) > 0 && previousID != "" && fresh[0].CreatedAt.Equal(previousAt) {
		w.truncated = true // two pages met among equal times, whose order changes
	}
	if len(rows) > 0 && rows[0].ID == previousID && w.lastTied {
		w.truncated = true // likewise, with a row that came twice in the place of another
	}
	w.note(rows)
	w.done = w.client.lastPage(w, len(rows), previousID)
	if !w.done && (len(fresh) == 0 || w.pages >= MaxPages) {
		w.done, w.truncated = true, true
	}
	if w.done && w.client.repeatsItself(w) {
		w.truncated = true
	}
	return fresh
}

// note remembers where a page ended.
func (w *Walk) note(rows []Batch) {
	n := len(rows)
	if n == 0 {
		return
	}
	if w.rows == 0 {
		w.firstID = rows[0].ID
	}
	w.rows += n
	w.rowPages++
	w.lastID, w.lastAt = rows[n-1].ID, rows[n-1].CreatedAt
	w.lastTied = n > 1 && rows[n-2].CreatedAt.Equal(w.lastAt)
}

// maxID bounds what can become a label: a UUID has 36 characters.
const maxID = 256

// RowPages is the number of pages so far that had rows.
func (w *Walk) RowPages() int { return w.rowPages }

// Has tells whether the walk has shown a batch.
func (w *Walk) Has(id string) bool { return w.seen[id] }
