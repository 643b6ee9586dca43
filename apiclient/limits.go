package apiclient

import (
	"errors"
	"io"
)

// Limits on an answer, whatever the server sends. An answer that exceeds one of
// the first three is ErrTooLarge; beyond the others, strings and odd values are cut.
const (
	maxBody    = 64 << 20  // bytes of the body
	maxElement = 256 << 10 // bytes of one row, or of everything outside of rows
	mostRows   = 1000      // rows of a page, if fewer were requested; the service's own default limit

	longestText = 1024 // bytes of a string
	mostOdd     = 32   // odd values reported for one row: more than it has members and days
)

// ErrTooLarge means that an answer is over 64 MiB, has an element over 256 KiB,
// or has far more rows than requested.
var ErrTooLarge = errors.New("the answer is too large")

// allowance is a reader that returns at most maxElement bytes between two
// refills. A limit on the body alone would not suffice, because a decoder holds
// a long string or long white space in memory.
type allowance struct {
	r           io.Reader
	left, total int64 // bytes until the next refill, and of the whole body
	err         error // why reading failed; nil at the end of the body
}

func newAllowance(body io.Reader) *allowance {
	return &allowance{r: body, left: maxElement, total: maxBody}
}

func (a *allowance) refill() { a.left = maxElement }

// Read reads from the body as far as the allowance goes, then returns ErrTooLarge.
func (a *allowance) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err // net/http returns the cause only once
	}
	if a.left <= 0 || a.total < 0 {
		a.err = ErrTooLarge
		return 0, a.err
	}
	// Reading one byte more than maxBody distinguishes a body of that size from a larger one.
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
