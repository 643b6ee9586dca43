package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
)

// value is the value of a flag. Unlike those of kingpin's own values, its errors
// name the flag.
type value[T any] struct {
	to      *T
	parse   func(string) (T, error)
	valid   func(T) bool // nil: any value
	form    string       // describes valid values in errors
	initial string
	name    string
}

// add sets the value of a flag.
func add[T any](clause *kingpin.FlagClause, v *value[T]) *kingpin.FlagClause {
	v.name = "--" + clause.Model().Name
	if env := clause.Model().Envar; env != "" {
		v.name += " ($" + env + ")"
	}
	if v.initial != "" {
		clause.Default(v.initial)
	}
	clause.SetValue(v)
	return clause
}

// String returns the current value.
func (v *value[T]) String() string { return fmt.Sprint(*v.to) }

// IsBoolFlag tells kingpin that --no- turns the flag off.
func (v *value[T]) IsBoolFlag() bool {
	_, ok := any(*v.to).(bool)
	return ok
}

// Set parses a value.
func (v *value[T]) Set(raw string) error {
	parsed, err := v.parse(raw)
	if err != nil || (v.valid != nil && !v.valid(parsed)) {
		return fmt.Errorf("%s takes %s, got %q", v.name, v.form, raw)
	}
	*v.to = parsed
	return nil
}

func count(to *int, initial string, least int) *value[int] {
	return &value[int]{
		to: to, initial: initial, parse: strconv.Atoi, valid: func(n int) bool { return n >= least },
		form: fmt.Sprintf("a whole number of at least %d", least),
	}
}

func duration(to *time.Duration, initial string, least time.Duration) *value[time.Duration] {
	return &value[time.Duration]{
		to: to, initial: initial, parse: parseDuration, valid: func(d time.Duration) bool { return d >= least },
		form: fmt.Sprintf("a duration such as 30s, 5m or 1d, of at least %v", least),
	}
}

// parseDuration accepts Go's format, which has fractions, and that of Prometheus,
// which has days and weeks.
func parseDuration(raw string) (time.Duration, error) {
	if d, err := time.ParseDuration(raw); err == nil {
		return d, nil
	}
	d, err := model.ParseDuration(raw)
	return time.Duration(d), err
}

func toggle(to *bool, initial string) *value[bool] {
	return &value[bool]{to: to, initial: initial, parse: strconv.ParseBool, form: "true or false"}
}

func choice(to *string, initial string, of ...string) *value[string] {
	return &value[string]{
		to: to, initial: initial, parse: func(raw string) (string, error) { return raw, nil },
		valid: func(word string) bool { return slices.Contains(of, word) }, form: "one of " + strings.Join(of, ", "),
	}
}

func zone(to **time.Location, initial string) *value[*time.Location] {
	return &value[*time.Location]{to: to, initial: initial, parse: time.LoadLocation, form: "a time zone such as Europe/Berlin"}
}
