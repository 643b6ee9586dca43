package simulator

import (
	"slices"
	"strconv"
	"time"
)

// window is a call window in minutes of the UTC day, both inclusive. If first > last, it never opens.
//
// The service compares the time of day, as the text "15:04", with the stored text "15:04:05". The shorter text sorts
// first, so the window is still closed in the start minute and still open in the end minute.
type window struct {
	first, last int
	days        []int // nil: all
}

const lastMinute = 24*60 - 1

func (c Campaign) window() window {
	w := window{first: 0, last: lastMinute, days: c.WindowDays}
	if c.WindowStart != "" {
		w.first = clockMinute(c.WindowStart) + 1
	}
	if c.WindowEnd != "" {
		w.last = min(lastMinute, clockMinute(c.WindowEnd))
	}
	if c.WindowStart != "" && w.first == 0 {
		w.last = -1
	}
	return w
}

// clockMinute returns the minute of the day of a clock time such as 09:00:30.25, or -1 if it is invalid.
func clockMinute(text string) int {
	if len(text) < 5 || text[2] != ':' {
		return -1
	}
	hour, err := strconv.ParseUint(text[:2], 10, 8)
	minute, err2 := strconv.ParseUint(text[3:5], 10, 8)
	if err != nil || err2 != nil || hour > 24 || minute > 59 {
		return -1
	}
	return int(hour*60 + minute)
}

func (w window) open(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	return w.onDay(t) && w.first <= minute && minute <= w.last
}

func (w window) onDay(t time.Time) bool {
	return w.days == nil || slices.Contains(w.days, int(t.Weekday()))
}

// closes returns when a window that is open at t closes. It is zero if the window never closes.
func (w window) closes(t time.Time) time.Time {
	midnight := t.Truncate(24 * time.Hour)
	if w.first > 0 || w.last < lastMinute {
		return midnight.Add(time.Duration(w.last+1) * time.Minute)
	}
	for day := range 7 {
		if next := midnight.AddDate(0, 0, day+1); !w.onDay(next) {
			return next
		}
	}
	return time.Time{}
}

// after returns the first time from t on at which the window is open. It is zero if the window never opens.
func (w window) after(t time.Time) time.Time {
	if w.open(t) {
		return t
	}
	if w.first > w.last {
		return time.Time{}
	}
	midnight := t.Truncate(24 * time.Hour)
	for day := range 8 {
		opens := midnight.AddDate(0, 0, day).Add(time.Duration(w.first) * time.Minute)
		if w.onDay(opens) && opens.After(t) {
			return opens
		}
	}
	return time.Time{}
}
