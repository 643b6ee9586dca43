package apiclient

import (
	"strconv"
	"strings"
	"time"
)

// Window is when the service may dial for a batch: on some weekdays, between two
// minutes of one day.
//
// Its methods compare as the service does, minute by minute. The time they are
// given has to be in the zone in which the service compares. They are of no use
// for a window that is Unknown.
type Window struct {
	// Start and End are minutes of the day, from 0 to 1440; -1 for null. Dialling
	// begins after the start minute and ends after the end minute. A null start
	// is before the day's first minute, a null end after its last.
	Start, End int
	Days       Days
	Unknown    bool // part of it made no sense: when the batch may be called is not known
}

// Days is a set of weekdays, bit 0 for Sunday. EveryDay is what null means.
type Days uint8

// EveryDay is the set of all seven days.
const EveryDay Days = 1<<7 - 1

// Has reports whether a day is in the set.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

const minutesPerDay = 24 * 60

// Valid reports whether there is any minute of a week at which the window opens.
// One that crosses midnight has none.
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
		at = w.changedBefore(at)
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
	// wholeWeek is longer than a week, even if a change of the clock lengthens it:
	// a window that has been open as long is always open.
	wholeWeek = 8 * 24 * time.Hour

	// longestWait is longer than a valid window can stay closed: a change of the
	// clock may skip the minutes at which it opens once a week.
	longestWait = 16 * 24 * time.Hour
)

// continues reports whether the stretch of time in which a window is open goes
// on at t. A start of 00:00 leaves the first minute of a day out; between two
// days of the window that minute is no interruption.
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

// changedBefore returns the last moment up to t at which the window may have
// opened or closed.
func (w Window) changedBefore(t time.Time) time.Time {
	minute := minuteOf(t)
	last := 0
	for _, change := range []int{w.Start + 1, w.end() + 1} {
		if change <= minute {
			last = max(last, change)
		}
	}
	at := beginOfMinute(t).Add(-time.Duration(minute-last) * time.Minute)
	if start, _ := t.ZoneBounds(); start.After(at) {
		return start
	}
	return at
}

// end is the last minute of a day at which the window is open.
func (w Window) end() int {
	if w.End < 0 {
		return minutesPerDay
	}
	return w.End
}

func minuteOf(t time.Time) int { return 60*t.Hour() + t.Minute() }

// beginOfMinute rounds down to a minute of the zone's clock, which in old times
// was not one of UTC's.
func beginOfMinute(t time.Time) time.Time {
	return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
}

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
