package apiclient_test

import (
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

func TestClocksAreReadToTheMinuteOrLeaveTheWindowOdd(t *testing.T) {
	for wire, want := range map[string]int{
		`"00:00"`: 0, `"09:00"`: 540, `"09:00:00"`: 540, `"09:00:30.25"`: 540, `"09:01:59.999999"`: 541,
		`"23:59:60"`: 1439, `"23:59"`: 1439, `"24:00"`: 1440, `"24:00:00"`: 1440, `"24:00:00.000"`: 1440,
		"null": -1,
		`""`:   -2, `"9:00"`: -2, `"09"`: -2, `"09:0"`: -2, `"09:60"`: -2, `"09:00:61"`: -2, `"25:00"`: -2,
		`"24:01"`: -2, `"24:00:01"`: -2, `"09:00:00."`: -2, `"09:00:00.x"`: -2, `"09:00:00:00"`: -2, `"-1:00"`: -2,
		`"+9:00"`: -2, `"ab:cd"`: -2, `" 9:00"`: -2, `"09:00 AM"`: -2, `"infinity"`: -2, "540": -2, "{}": -2, "[]": -2,
		"false": -2,
	} {
		odd, minute := "", want
		if want == -2 {
			odd, minute = "window", -1
		}
		start, end := row(t, `"window_start_time":`+wire), row(t, `"window_end_time":`+wire)
		if start.Window.Start != minute || start.Window.End != -1 || end.Window.End != minute || end.Window.Start != -1 {
			t.Errorf("%s: %+v, %+v", wire, start.Window, end.Window)
		}
		for _, b := range []apiclient.Batch{start, end} {
			if b.Window.Unknown != (odd != "") || fields(b.Odd) != odd || b.Window.Days != apiclient.EveryDay {
				t.Errorf("%s: %+v, odd %q", wire, b.Window, fields(b.Odd))
			}
		}
	}
}

func TestWindowDaysAreASetOfWeekdays(t *testing.T) {
	for _, c := range []struct {
		wire  string
		days  apiclient.Days
		odd   bool // the whole window
		field string
	}{
		{"null", apiclient.EveryDay, false, ""},
		{"[]", 0, false, ""},
		{"[0]", 1, false, ""},
		{"[6,0,0]", 1 | 1<<6, false, ""},
		{"[0,1,2,3,4,5,6]", apiclient.EveryDay, false, ""},
		{"[1,7]", 1 << 1, false, "window"},
		{"[-1,10,1]", 1 << 1, false, "window window"},
		{`["1",2]`, 1 << 2, false, "window"},
		{"[1.0,null,[3],{},3]", 1 << 3, false, "window window window window"},
		{"{}", apiclient.EveryDay, true, "window"},
		{`"[1]"`, apiclient.EveryDay, true, "window"},
		{"5", apiclient.EveryDay, true, "window"},
	} {
		b := row(t, `"window_days":`+c.wire)
		if b.Window.Days != c.days || b.Window.Unknown != c.odd || fields(b.Odd) != c.field {
			t.Errorf("%s: %+v, odd %q", c.wire, b.Window, fields(b.Odd))
		}
	}
}

func TestADayIsInItsSet(t *testing.T) {
	days := apiclient.Days(1<<time.Sunday | 1<<time.Friday)
	for day := time.Sunday; day <= time.Saturday; day++ {
		if days.Has(day) != (day == time.Sunday || day == time.Friday) || !apiclient.EveryDay.Has(day) {
			t.Errorf("%s: %v", day, days.Has(day))
		}
	}
}
