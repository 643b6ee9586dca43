// Package logging sets up the log.
package logging

import (
	"io"
	"regexp"
)

// keyForm is what an API key looks like.
var keyForm = regexp.MustCompile(`mgp_[0-9A-Za-z]{8,}`)

// Masked is where logs go. A key that is given in a wrong place, such as for the name of its file or of the API's host,
// must not end in one because a line quotes it. Each line is written at once, so no key comes in two parts.
type Masked struct{ io.Writer }

// Write writes a line, with the keys in it hidden.
func (m Masked) Write(line []byte) (int, error) {
	if _, err := m.Writer.Write(keyForm.ReplaceAll(line, []byte("mgp_<hidden>"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
