package apiclient_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

func TestAnOpenWindowClosesWhenDiallingStopsBeingAllowed(t *testing.T) {
	const null = -1
	const weekdays = apiclient.EveryDay &^ (1<<time.Sunday | 1<<time.Saturday)
	for _, test := range []struct {
		why        string
		start, end int // minutes of the day
		days       apiclient.Days
		zone       string
		now, want  string // want is empty where it does not close
	}{
		{"after the end minute", 540, 1020, weekdays, "UTC", "2026-11-23 09:01:30", "2026-11-23 17:01:00"},
		{"in the last second it is about to", 540, 1020, weekdays, "UTC", "2026-11-23 17:00:59", "2026-11-23 17:01:00"},
		{"not once it is closed", 540, 1020, weekdays, "UTC", "2026-11-23 17:01:00", ""},
		{"not before it opens", 540, 1020, weekdays, "UTC", "2026-11-23 09:00:59", ""},
		{"not on a day without calling", 540, 1020, weekdays, "UTC", "2026-11-22 12:00:00", ""},
		{"at midnight, if it opens later the next day", 540, null, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-24 00:00:00"},
		{"so with 24:00", 540, 1440, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-24 00:00:00"},
		{"and with 23:59, for the end minute is open", 540, 1439, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-24 00:00:00"},
		{"never, without a window", null, null, apiclient.EveryDay, "UTC", "2026-11-23 12:00:00", ""},
		{"never, from 00:00 to 24:00 on every day", 0, 1440, apiclient.EveryDay, "UTC", "2026-11-23 12:00:00", ""},
		{"never, from 00:00 to 23:59 on every day", 0, 1439, apiclient.EveryDay, "UTC", "2026-11-23 12:00:00", ""},
		{"but it is closed in the minute that 00:00 leaves out", 0, 1440, weekdays, "UTC", "2026-11-24 00:00:30", ""},
		{"days that touch are one stretch", null, null, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-28 00:00:00"},
		{"so where 00:00 leaves a minute out", 0, 1440, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-28 00:00:00"},
		{"a stretch over the turn of the week", null, null, 1<<time.Saturday | 1<<time.Sunday, "UTC", "2026-11-21 12:00:00", "2026-11-23 00:00:00"},
		{"all days but the one before today", null, null, apiclient.EveryDay &^ (1 << time.Saturday), "UTC", "2026-11-22 00:00:00", "2026-11-28 00:00:00"},
		{"one day alone", null, null, 1 << time.Monday, "UTC", "2026-11-23 12:00:00", "2026-11-24 00:00:00"},
		{"over midnight it never opens", 1320, 360, apiclient.EveryDay, "UTC", "2026-11-23 23:00:00", ""},
		{"no day is never", null, null, 0, "UTC", "2026-11-23 12:00:00", ""},
		{"in its zone, an hour before UTC", 540, 1020, weekdays, "Europe/Berlin", "2026-11-23 08:01:00", "2026-11-23 16:01:00"},
		{"the day is that of the zone", null, null, 1 << time.Monday, "Europe/Berlin", "2026-11-22 23:30:00", "2026-11-23 23:00:00"},
		// Berlin goes from 02:00 to 03:00 at 01:00 UTC on 29 March, and from 03:00 to 02:00 at 01:00 UTC on 25 October.
		{"a day of 23 hours", null, 1020, apiclient.EveryDay, "Europe/Berlin", "2026-03-28 23:30:00", "2026-03-29 15:01:00"},
		{"a day of 25 hours", null, 1020, apiclient.EveryDay, "Europe/Berlin", "2026-10-24 22:30:00", "2026-10-25 16:01:00"},
		{"an end in the hour that is left out", 60, 150, apiclient.EveryDay, "Europe/Berlin", "2026-03-29 00:30:00", "2026-03-29 01:00:00"},
		{"an end in the hour that comes twice, the first time", 60, 150, apiclient.EveryDay, "Europe/Berlin", "2026-10-25 00:10:00", "2026-10-25 00:31:00"},
		{"the second time", 60, 150, apiclient.EveryDay, "Europe/Berlin", "2026-10-25 01:10:00", "2026-10-25 01:31:00"},
		{"a start in the hour that comes twice closes it between", 150, 300, apiclient.EveryDay, "Europe/Berlin", "2026-10-25 00:40:00", "2026-10-25 01:00:00"},
		{"a day that a change of the clock begins twice", null, null, 1 << time.Sunday, "America/Havana", "2026-11-01 04:30:00", "2026-11-02 05:00:00"},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.DateTime, test.now)
		if err != nil {
			t.Fatal(err)
		}
		got := apiclient.Window{Start: test.start, End: test.end, Days: test.days}.Closes(now.In(zone))
		if want, _ := time.Parse(time.DateTime, test.want); !got.Equal(want) { // empty: the zero time
			t.Errorf("%s: %s, want %s", test.why, got.UTC(), want)
		}
	}
}

// steppedClose looks at one minute after the other. The minute that a start of 00:00 leaves out is passed over.
func steppedClose(w apiclient.Window, now time.Time) time.Time {
	if !w.Open(now) {
		return time.Time{}
	}
	for at := now.Truncate(time.Minute); at.Before(now.AddDate(0, 0, 9)); at = at.Add(time.Minute) {
		leftOut := w.Start == 0 && at.Hour() == 0 && at.Minute() == 0 && w.Days.Has(at.Weekday())
		if !w.Open(at) && !leftOut {
			return at
		}
	}
	return time.Time{}
}

func TestAWindowClosesAtItsFirstClosedMinute(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	minute := func() int {
		minutes := []int{-1, 0, 1439, 1440, random.IntN(1441), random.IntN(240)} // most clocks are changed early in the day
		return minutes[random.IntN(len(minutes))]
	}
	var open, never int
	for range 3000 {
		// Changes of the clock: by an hour at 01:00 and 03:00, at midnight, and by half an hour.
		zone, err := time.LoadLocation([]string{"UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"}[random.IntN(4)])
		if err != nil {
			t.Fatal(err)
		}
		_, change := time.Date(2026, time.Month(1+6*random.IntN(2)), 1, 0, 0, 0, 0, zone).ZoneBounds()
		if change.IsZero() {
			change = time.Date(2026, 11, 22, 0, 0, 0, 0, zone)
		}
		now := change.Add(time.Duration(random.Int64N(int64(9*24*time.Hour))) - 8*24*time.Hour)
		if random.IntN(2) == 0 {
			now = change.Add(time.Duration(random.Int64N(int64(6*time.Hour))) - 3*time.Hour)
		}
		w := apiclient.Window{Start: minute(), End: minute(), Days: apiclient.EveryDay}
		if random.IntN(2) == 0 {
			for day := range 7 {
				if random.IntN(2) == 0 {
					w.Days &^= 1 << day
				}
			}
		}
		got, want := w.Closes(now), steppedClose(w, now)
		if !got.Equal(want) {
			t.Errorf("%+v at %s: closes at %s, the first closed minute is %s", w, now, got, want)
		}
		if w.Open(now) {
			open++
			if want.IsZero() {
				never++
			}
		}
	}
	if open < 300 || never < 30 || never == open {
		t.Errorf("%d windows were open, %d of them for ever: too few to tell", open, never)
	}
}
