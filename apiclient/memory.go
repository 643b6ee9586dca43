package apiclient

import (
	"errors"
	"net/http"
)

// What a client remembers of its listings from one walk to the next: how long a
// page can be, where a listing ends, and what went wrong there.

// lastPage tells whether a page with n rows ends the walk: it is empty, or its
// last row was proven before to be the last, or it is shorter than a page that
// the server is known to send.
func (c *Client) lastPage(w *Walk, n int, previousID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.call.Offset >= c.refused[w.listing] {
		delete(c.refused, w.listing)
	}
	if n == 0 {
		c.last[w.listing] = previousID
		return true
	}
	proven := !w.filtered && w.lastID != "" && c.last[w.listing] == w.lastID
	known := c.longest
	c.longest = max(known, n)
	return proven || (n < w.call.Limit && n < known)
}

// pastTheEnd tells whether an error is that of a request past the end, which
// the service answers with a 500 in odd cases: the same request has failed so
// before, and rows came before it.
func (w *Walk) pastTheEnd(err error) bool {
	c := w.client
	c.mu.Lock()
	defer c.mu.Unlock()
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.StatusCode != http.StatusInternalServerError || w.rows == 0 {
		return false
	}
	again := c.refused[w.listing] == w.rows
	c.refused[w.listing] = w.rows
	return again
}

// repeatsItself tells whether rows came twice though the listing began with the
// same row as the last time that this happened: then no batch was created
// meanwhile, but each row that came twice stands in the place of another.
func (c *Client) repeatsItself(w *Walk) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.repeated {
		delete(c.repeated, w.listing)
		return false
	}
	again := c.repeated[w.listing] == w.firstID
	c.repeated[w.listing] = w.firstID
	return again
}
