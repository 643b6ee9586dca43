package simulator

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
)

// Client returns an HTTP client that reaches the account in process, whatever the URL. It opens no socket and starts
// no goroutine, honours the request's context until the body is read, and keeps time with testing/synctest.
func (a *Account) Client() *http.Client { return &http.Client{Transport: transport{a}} }

type transport struct{ account *Account }

// RoundTrip answers the request in the caller's goroutine.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ans, err := t.account.answer(r)
	if err != nil {
		return nil, err
	}
	body := &body{ctx: ctx, rest: bytes.NewReader(ans.body), end: io.EOF}
	if ans.cut > 0 {
		body.rest, body.end = bytes.NewReader(ans.body[:ans.cut]), io.ErrUnexpectedEOF
	}
	return &http.Response{
		Status:        strconv.Itoa(ans.status) + " " + http.StatusText(ans.status),
		StatusCode:    ans.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        ans.header,
		Body:          body,
		ContentLength: int64(len(ans.body)),
		Request:       r,
	}, nil
}

// body is a body on its way; it breaks off with the request's context, or with end where it is cut.
type body struct {
	ctx  context.Context
	rest *bytes.Reader
	end  error
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.rest.Read(p)
	if err == io.EOF {
		err = b.end
	}
	return n, err
}

// Close drops what is left, so that a later read fails as it does over a socket.
func (b *body) Close() error {
	b.rest.Reset(nil)
	b.end = http.ErrBodyReadAfterClose
	return nil
}
