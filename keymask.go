package main

import (
	"io"
	"regexp"
)

// keyForm is what an API key looks like.
var keyForm = regexp.MustCompile(`mgp_[0-9A-Za-z]{8,}`)

// masked is where logs go. A key that is given in a wrong place, such as for the name of its file or of the API's host,
// must not end in one because a line quotes it. Each line is written at once, so no key comes in two parts.
type masked struct{ io.Writer }

func (m masked) Write(line []byte) (int, error) {
	if _, err := m.Writer.Write(keyForm.ReplaceAll(line, []byte("mgp_<hidden>"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
