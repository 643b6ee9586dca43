package logging

import (
	"io"
	"regexp"
)

// keyForm is what an API key looks like.
var keyForm = regexp.MustCompile(`mgp_[0-9A-Za-z]{8,}`)

// masked hides API keys. One that is given in the wrong place, such as for the
// name of its file or for the API's host, would be quoted in a message about it.
// Each line is written at once, so no key comes in two parts.
type masked struct{ io.Writer }

// Write writes a line, with the keys in it hidden.
func (m masked) Write(line []byte) (int, error) {
	if _, err := m.Writer.Write(keyForm.ReplaceAll(line, []byte("mgp_<hidden>"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
