// Package logging sets up the loggers. Log lines are written by go-kit/log, also
// those logged through slog. Each line begins with the same keys in the same
// order, and API keys are hidden.
package logging

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	slogkit "github.com/tjhop/slog-gokit"
)

// Config configures the loggers.
type Config struct {
	Level  string // lowest level to log: debug, info, warn or error; anything else means info
	Format string // logfmt or json; anything else means logfmt
}

// New returns a logger for the project's own packages and one for packages that
// log through slog. Both write to w, one line at a time. If w blocks for more than
// a second, lines are lost until it takes them again, and then counted.
func New(w io.Writer, c Config) (log.Logger, *slog.Logger) {
	out := &output{next: masked{w}}
	encoder := log.NewLogfmtLogger(out)
	if c.Format == "json" {
		encoder = log.NewJSONLogger(out)
	}
	base := ordered{encoder, out}
	filtered := level.NewFilter(base, level.Allow(level.ParseDefault(c.Level, level.InfoValue())))
	// The bridge adds level, time and caller itself, so it takes the undecorated logger.
	bridge := slogkit.NewGoKitHandler(base, slogLevel(c.Level))
	return log.With(filtered, timeKey, log.DefaultTimestampUTC, callerKey, log.DefaultCaller), slog.New(bridge)
}

func slogLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

const (
	timeKey   = "time"
	callerKey = "caller"
)

// ordered moves the time, the level and the caller to the front of a line, in
// this order. Without it, lines logged through go-kit and through slog would
// have different orders.
type ordered struct {
	next log.Logger
	out  *output
}

// Log passes the line on, with its time in UTC.
func (o ordered) Log(keyvals ...any) error {
	line := make([]any, 0, len(keyvals))
	for _, first := range []any{timeKey, level.Key(), callerKey} {
		if i := indexOf(keyvals, first); i >= 0 {
			value := keyvals[i+1]
			if at, ok := value.(time.Time); ok {
				value = at.UTC()
			}
			line = append(line, first, value)
			keyvals = append(keyvals[:i:i], keyvals[i+2:]...)
		}
	}
	err := o.next.Log(append(line, keyvals...)...)
	if lost := o.out.takeLost(); lost > 0 {
		err = errors.Join(err, o.next.Log(timeKey, log.DefaultTimestampUTC(), level.Key(), level.WarnValue(), callerKey, log.Caller(1)(),
			"msg", "log lines were lost because nobody read them", "lines", lost))
	}
	return err
}

// indexOf returns the index of a key that has a value, or -1.
func indexOf(keyvals []any, key any) int {
	for i := 0; i+1 < len(keyvals); i += 2 {
		if keyvals[i] == key {
			return i
		}
	}
	return -1
}
