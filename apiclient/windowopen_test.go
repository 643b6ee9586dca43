package apiclient_test

import (
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

func TestCallWindowsOpenAsTheServiceComparesThem(t *testing.T) {
	const null = -1
	sunday := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		why        string
		start, end int // minutes of the day
		days       apiclient.Days
		at         time.Duration // since Sunday at 00:00
		open       bool
		valid      bool
	}{
		{"no window is always open", null, null, apiclient.EveryDay, 0, true, true},
		{"the start minute is exclusive", 540, 1020, apiclient.EveryDay, 9*time.Hour + 59*time.Second, false, true},
		{"a minute later it is open", 540, 1020, apiclient.EveryDay, 9*time.Hour + time.Minute, true, true},
		{"the end minute is inclusive", 540, 1020, apiclient.EveryDay, 17*time.Hour + 59*time.Second, true, true},
		{"a minute later it is closed", 540, 1020, apiclient.EveryDay, 17*time.Hour + time.Minute, false, true},
		{"a start of 00:00 leaves the first minute out", 0, 1439, apiclient.EveryDay, 0, false, true},
		{"a null start does not", null, 1439, apiclient.EveryDay, 0, true, true},
		{"a null end holds the last minute", 0, null, apiclient.EveryDay, 24*time.Hour - time.Second, true, true},
		{"so does 24:00", 0, 1440, apiclient.EveryDay, 24*time.Hour - time.Second, true, true},
		{"over midnight it never opens, before it", 1320, 360, apiclient.EveryDay, 23 * time.Hour, false, false},
		{"over midnight it never opens, after it", 1320, 360, apiclient.EveryDay, time.Hour, false, false},
		{"one minute alone is none", 540, 540, apiclient.EveryDay, 9 * time.Hour, false, false},
		{"from the day's last minute on there is none", 1439, null, apiclient.EveryDay, 24*time.Hour - time.Second, false, false},
		{"the last minute is one", 1438, 1439, apiclient.EveryDay, 24*time.Hour - time.Second, true, true},
		{"up to 00:00 there is the first minute", null, 0, apiclient.EveryDay, 30 * time.Second, true, true},
		{"no day is never", null, null, 0, 12 * time.Hour, false, false},
		{"bit 0 is Sunday", null, null, 1, 12 * time.Hour, true, true},
		{"and not Monday", null, null, 1, 36 * time.Hour, false, true},
	} {
		w := apiclient.Window{Start: test.start, End: test.end, Days: test.days}
		if got := w.Open(sunday.Add(test.at)); got != test.open {
			t.Errorf("%s: open %v, want %v", test.why, got, test.open)
		}
		if got := w.Valid(); got != test.valid {
			t.Errorf("%s: valid %v, want %v", test.why, got, test.valid)
		}
	}
}

func TestAWindowIsValidExactlyIfSomeMinuteOfAWeekIsOpen(t *testing.T) {
	week := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for start := -1; start <= 1440; start += 37 {
		for end := -1; end <= 1440; end += 41 {
			w := apiclient.Window{Start: start, End: end, Days: 1 << time.Wednesday}
			open := false
			for minute := 0; minute < 7*1440 && !open; minute++ {
				open = w.Open(week.Add(time.Duration(minute)*time.Minute))
			}
			if got := w.Valid(); got != open {
				t.Errorf("start %d, end %d: valid %v, opens %v", start, end, got, open)
			}
		}
	}
}
