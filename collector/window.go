package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

const minutesPerDay = 24 * 60

// windowOpen tells whether a call window allows dialling at a moment, as the
// service compares: the minute of the day is after the start and not after the
// end, on one of the days. A window over midnight never opens. A null start
// includes 00:00; "00:00" does not.
func windowOpen(w apiclient.Window, now time.Time) bool {
	minute := 60*now.Hour() + now.Minute()
	return w.Days.Has(now.Weekday()) && minute > w.Start && minute <= windowEnd(w)
}

// windowCloses is when a window that is open next stops allowing dialling; zero
// if it is not open, or never stops. Days that touch at midnight are one stretch,
// whether their window starts at null or at "00:00": the one minute that "00:00"
// leaves out is no stop.
func windowCloses(w apiclient.Window, now time.Time) time.Time {
	if !windowOpen(w, now) {
		return time.Time{}
	}
	if w.Start == 0 {
		w.Start = -1
	}
	at, everyDaySeen := now, now.AddDate(0, 0, 7)
	for windowOpen(w, at) {
		if at.After(everyDaySeen) {
			return time.Time{}
		}
		// It stays open to the end of its minutes of this day, unless the clock is changed before.
		left := min(windowEnd(w)+1, minutesPerDay) - 60*at.Hour() - at.Minute()
		next := at.Truncate(time.Minute).Add(time.Duration(left) * time.Minute)
		if _, change := at.ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change
		}
		at = next
	}
	return at
}

// windowValid tells whether there is any minute in a week at which it opens.
func windowValid(w apiclient.Window) bool {
	return w.Days != 0 && w.Start < min(windowEnd(w), minutesPerDay-1)
}

func windowEnd(w apiclient.Window) int {
	if w.End < 0 {
		return minutesPerDay
	}
	return w.End
}
