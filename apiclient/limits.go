package apiclient

import (
	"errors"
	"io"
)

const (
	maxBody    = 64 << 20
	maxElement = 256 << 10
)

// allowance is a reader that refuses to feed more than one element's worth of
// bytes before the next refill: a decoder would buffer an endless string or
// endless blanks whole, and a cap on the body alone would not help.
type allowance struct {
	r           io.Reader
	left, total int64
	err         error // why reading ended, unless at the end of the body
}

func (a *allowance) refill() { a.left = maxElement }

func (a *allowance) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err // net/http gives the cause with the first error only
	}
	if a.left <= 0 || a.total < 0 {
		a.err = ErrTooLarge
		return 0, a.err
	}
	// One byte more than the body's cap is asked for, to tell its end from an excess.
	n, err := a.r.Read(p[:min(int64(len(p)), a.left, a.total+1)])
	a.left -= int64(n)
	a.total -= int64(n)
	if a.total < 0 {
		a.err = ErrTooLarge
		return 0, a.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = err
	}
	return n, err
}
