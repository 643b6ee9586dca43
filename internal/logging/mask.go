package logging

import (
	"io"
	"regexp"
)

// keyForm matches API keys.
var keyForm = regexp.MustCompile(`mgp_[0-9A-Za-z]{8,}`)

// masked hides API keys. If a key is given in the wrong place, such as instead of
// its file's name or the API's host, error messages quote it. Each line is
// written by a single Write, so a key is never split.
type masked struct{ io.Writer }

// Write writes a line with the keys in it hidden.
func (m masked) Write(line []byte) (int, error) {
	if _, err := m.Writer.Write(keyForm.ReplaceAll(line, []byte("mgp_<hidden>"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
