package apiclient

import (
	"strconv"
	"strings"
	"time"
)

// Window is the call window of a batch: the service dials on some weekdays only,
// between two minutes of the day.
//
// The methods compare times as the service does, minute by minute. Times passed
// to them must be in the zone in which the service compares. Their results have
// no meaning if the window is Unknown.
type Window struct {
	// Start and End are minutes of the day, from 0 to 1440; -1 for null. Dialling
	// begins after the start minute and ends after the end minute. A null start
	// is before the day's first minute, a null end after its last.
	Start, End int
	Days       Days
	Unknown    bool // part of the window could not be decoded, so it is not known when it is open
}

// Days is a set of weekdays, with bit 0 for Sunday. A null is EveryDay.
type Days uint8

// EveryDay is the set of all seven days.
const EveryDay Days = 1<<7 - 1

// Has reports whether a day is in the set.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

const minutesPerDay = 24 * 60

// Valid reports whether the window is open in any minute of a week. A window
// that crosses midnight never is.
func (w Window) Valid() bool {
	return w.Days&EveryDay != 0 && w.Start < min(w.end(), minutesPerDay-1)
}

// Open reports whether the window allows dialling at t: the minute of the day is
// after the start and not after the end, on one of the days.
func (w Window) Open(t time.Time) bool {
	minute := minuteOf(t)
	return w.Days.Has(t.Weekday()) && minute > w.Start && minute <= w.end()
}

// Opened returns since when a window that is open at t has been open. It returns
// the zero time if the window is closed, or has always been open.
func (w Window) Opened(t time.Time) time.Time {
	if !w.Open(t) {
		return time.Time{}
	}
	for at := t; t.Sub(at) < wholeWeek; {
		at = w.mayHaveOpened(at)
		if !w.continues(at.Add(-1)) {
			return at
		}
		at = at.Add(-1)
	}
	return time.Time{}
}

// Closes returns when a window that is open at t closes. It returns the zero time
// if the window is closed, or never closes.
func (w Window) Closes(t time.Time) time.Time {
	if !w.Open(t) {
		return time.Time{}
	}
	for at := t; at.Sub(t) < wholeWeek; {
		at = w.changesAfter(at)
		if !w.continues(at) {
			return at
		}
	}
	return time.Time{}
}

// Opens returns when a window that is closed at t opens next. It returns the zero
// time if the window is open, or never opens.
func (w Window) Opens(t time.Time) time.Time {
	if w.Open(t) || !w.Valid() {
		return time.Time{}
	}
	for at := t; at.Sub(t) < longestWait; {
		at = w.changesAfter(at)
		if w.Open(at) {
			return at
		}
	}
	return time.Time{}
}

const (
	// wholeWeek is longer than any week, even one that a clock change lengthens.
	// A window that stays open that long is always open.
	wholeWeek = 8 * 24 * time.Hour

	// longestWait is longer than a valid window can stay closed. That can be over
	// a week, if a clock change skips the minutes of a window that opens weekly.
	longestWait = 16 * 24 * time.Hour
)

// continues reports whether an open period of the window extends over t. A start
// of 00:00 excludes the first minute of a day, but between two days of the window
// that minute does not end the period.
func (w Window) continues(t time.Time) bool {
	if w.Open(t) {
		return true
	}
	minute := beginOfMinute(t)
	return minuteOf(t) == 0 && w.Open(minute.Add(-1)) && w.Open(minute.Add(time.Minute))
}

// changesAfter returns the next moment after t at which the window may open or
// close: past its start or end minute, at midnight, or when the clock is changed.
func (w Window) changesAfter(t time.Time) time.Time {
	minute := minuteOf(t)
	next := minutesPerDay
	for _, change := range []int{w.Start + 1, w.end() + 1} {
		if change > minute {
			next = min(next, change)
		}
	}
	at := beginOfMinute(t).Add(time.Duration(next-minute) * time.Minute)
	if _, end := t.ZoneBounds(); !end.IsZero() && end.Before(at) {
		return end
	}
	return at
}

// mayHaveOpened returns the last moment at which a window that is open at t may
// have opened: past its start minute, at midnight, or when the clock was changed.
func (w Window) mayHaveOpened(t time.Time) time.Time {
	minute, first := minuteOf(t), w.Start+1
	if first > minute {
		first = 0 // t is in the minute that a start of 00:00 excludes
	}
	at := beginOfMinute(t).Add(-time.Duration(minute-first) * time.Minute)
	if start, _ := t.ZoneBounds(); start.After(at) {
		return start
	}
	return at
}

// end returns the last minute of the day in which the window is open.
func (w Window) end() int {
	if w.End < 0 {
		return minutesPerDay
	}
	return w.End
}

func minuteOf(t time.Time) int { return 60*t.Hour() + t.Minute() }

// beginOfMinute rounds down to a full minute of local time. Truncate would round
// to a full minute of UTC, which differs for historical zone offsets with seconds.
func beginOfMinute(t time.Time) time.Time {
	return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
}

// parseClock returns the minute of the day of a clock time such as "09:00",
// "09:00:00", "09:00:30.25" or "24:00:00".
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
