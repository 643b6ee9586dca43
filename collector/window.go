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
