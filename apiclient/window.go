package apiclient

import (
	"strconv"
	"strings"
	"time"
)

// Window is when the service may dial for a batch: on some days, between two
// minutes of one day.
type Window struct {
	// Start and End are minutes of the day, from 0 to 1440; -1 for null. The
	// service compares minutes, so seconds do not count.
	Start, End int
	Days       Days
	Odd        bool // one of them made no sense: when the batch may be called is not known
}

// Days is a set of weekdays, bit 0 for Sunday. EveryDay is what null means.
type Days uint8

// EveryDay is the set of all seven days.
const EveryDay Days = 1<<7 - 1

// Has tells whether a day is in the set.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

// parseClock reads "09:00", "09:00:00", "09:00:30.25" and "24:00:00", and
// returns the minute of the day.
func parseClock(raw string) (minute int, ok bool) {
	parts := strings.Split(raw, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return 0, false
	}
	hours, ok1 := twoDigits(parts[0])
	minutes, ok2 := twoDigits(parts[1])
	seconds, ok3 := 0, true
	if len(parts) == 3 {
		whole, fraction, dotted := strings.Cut(parts[2], ".")
		seconds, ok3 = twoDigits(whole)
		if _, err := strconv.ParseUint(fraction, 10, 64); dotted && err != nil {
			return 0, false
		}
	}
	if !ok1 || !ok2 || !ok3 || minutes > 59 || seconds > 60 || hours > 24 || (hours == 24 && minutes+seconds > 0) {
		return 0, false
	}
	return 60*hours + minutes, true
}

func twoDigits(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return int(n), err == nil && len(s) == 2
}
