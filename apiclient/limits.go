package apiclient

import (
	"errors"
	"io"
)

// What an answer may cost, whatever the server sends. ErrTooLarge says that one
// went beyond; of texts and odd values only the first part is kept.
const (
	maxBody    = 64 << 20
	maxElement = 256 << 10 // bytes of one row, or of everything outside of rows

	mostRows    = 1000 // on a page for which fewer were asked: the most that the service sends by default
	longestText = 1024 // bytes of a text that are kept
	mostOdd     = 32   // odd values of one row that are told: more than it has members and days
)

// ErrTooLarge is an answer over 64 MiB, with one element over 256 KiB, or with
// far more rows than were asked for.
var ErrTooLarge = errors.New("the answer is too large")

// allowance is a reader that hands out no more than one element's worth of
// bytes before the next refill. A cap on the body alone would not help: a
// decoder would hold an endless string or endless blanks in memory.
type allowance struct {
	r           io.Reader
	left, total int64
	err         error // why reading ended, unless at the end of the body
}

func newAllowance(body io.Reader) *allowance {
	return &allowance{r: body, left: maxElement, total: maxBody}
}

func (a *allowance) refill() { a.left = maxElement }

// Read reads from the body as far as the allowance goes, then fails with ErrTooLarge.
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
