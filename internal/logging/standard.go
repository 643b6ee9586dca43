package logging

import (
	"io"
	"log/slog"
	"strings"
)

// Standard returns an output for the log of the standard library. Packages write
// there what they have no other place for, such as net/http an answer that nobody
// asked for. That quotes the answer, so that each message is cut at its first
// quote, and logged at level debug.
func Standard(logger *slog.Logger) io.Writer { return standard{logger} }

type standard struct{ logger *slog.Logger }

// Write logs one message.
func (s standard) Write(message []byte) (int, error) {
	before, _, _ := strings.Cut(string(message), `"`)
	s.logger.Debug(strings.TrimSpace(before))
	return len(message), nil
}
