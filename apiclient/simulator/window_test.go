package simulator

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWindowsOpenAfterTheirFirstMinuteAndCloseAfterTheirLast(t *testing.T) {
	sunday := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		start, end string
		days       []int
		at         string // on that Sunday
		open       bool
	}{
		{"", "", nil, "00:00:00", true},
		{"", "", []int{0}, "12:00:00", true},
		{"", "", []int{1, 2, 3, 4, 5, 6}, "12:00:00", false},
		{"", "", []int{}, "12:00:00", false},
		{"09:00:00", "17:00:00", nil, "09:00:59", false},
		{"09:00:00", "17:00:00", nil, "09:01:00", true},
		{"09:00", "17:00", nil, "09:00:00", false},
		{"09:00:30.25", "17:00", nil, "09:01:00", true},
		{"09:00:00", "17:00:00", nil, "17:00:59", true},
		{"09:00:00", "17:00:00", nil, "17:01:00", false},
		{"00:00:00", "23:59:00", nil, "00:00:30", false},
		{"00:00:00", "24:00:00", nil, "23:59:59", true},
		{"22:00:00", "06:00:00", nil, "23:00:00", false},
		{"22:00:00", "06:00:00", nil, "05:00:00", false},
		{"23:59:00", "", nil, "23:59:59", false},
		{"never", "", nil, "12:00:00", false},
		{"", "06:00:00", nil, "00:00:00", true},
	} {
		clock, err := time.Parse(time.TimeOnly, c.at)
		if err != nil {
			t.Fatal(err)
		}
		at := sunday.Add(clock.Sub(clock.Truncate(day)))
		w := Campaign{WindowStart: c.start, WindowEnd: c.end, WindowDays: c.days}.window()
		if got := w.open(at); got != c.open {
			t.Errorf("%s to %s on %v at %s: open %v", c.start, c.end, c.days, c.at, got)
		}
	}
}

func TestTheNextOpeningIsFound(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC) // a Sunday
	for _, c := range []struct {
		start, end string
		days       []int
		want       time.Duration // from now; negative: never
	}{
		{"12:00:00", "13:00:00", nil, 0},
		{"13:00:00", "14:00:00", nil, 31 * time.Minute},
		{"09:00:00", "12:00:00", nil, 20*time.Hour + 31*time.Minute},
		{"09:00:00", "12:00:00", []int{0}, 6*day + 20*time.Hour + 31*time.Minute},
		{"", "", []int{2}, day + 11*time.Hour + 30*time.Minute},
		{"22:00:00", "06:00:00", nil, -1},
		{"09:00:00", "17:00:00", []int{}, -1},
		{"09:00:00", "17:00:00", []int{7}, -1},
	} {
		want := now.Add(c.want)
		if c.want < 0 {
			want = time.Time{}
		}
		w := Campaign{WindowStart: c.start, WindowEnd: c.end, WindowDays: c.days}.window()
		if got := w.after(now); !got.Equal(want) {
			t.Errorf("%s to %s on %v opens %s, want %s", c.start, c.end, c.days, got, want)
		}
	}
}

func TestTheClosingOfAnOpenWindowIsFound(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC) // a Sunday
	for _, c := range []struct {
		start, end string
		days       []int
		want       time.Duration // from now; negative: never
	}{
		{"", "", nil, -1},
		{"", "", []int{0, 1, 2, 3, 4, 5, 6}, -1},
		{"", "", []int{0}, 11*time.Hour + 30*time.Minute},
		{"", "", []int{0, 1, 2}, 2*day + 11*time.Hour + 30*time.Minute},
		{"09:00:00", "12:30:00", nil, time.Minute},
		{"12:29:00", "", nil, 11*time.Hour + 30*time.Minute},
		{"", "17:00:00", []int{0, 1}, 4*time.Hour + 31*time.Minute},
		{"", "24:00:00", nil, -1},
	} {
		want := now.Add(c.want)
		if c.want < 0 {
			want = time.Time{}
		}
		w := Campaign{WindowStart: c.start, WindowEnd: c.end, WindowDays: c.days}.window()
		if got := w.closes(now); !w.open(now) || !got.Equal(want) {
			t.Errorf("%s to %s on %v closes %s, want %s", c.start, c.end, c.days, got, want)
		}
		if !want.IsZero() && (w.open(want) || !w.open(want.Add(-time.Microsecond))) {
			t.Errorf("%s to %s on %v: open at %s", c.start, c.end, c.days, want)
		}
	}
}

func TestCallsBeginOnlyInsideTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		c := Campaign{
			Recipients: 200, MaxConcurrency: 4, DialEvery: 5 * time.Minute, WindowStart: "09:00:00", WindowEnd: "09:30:00",
		}
		id := a.Add(c)
		time.Sleep(5 * day)
		calls := a.Calls()
		for _, call := range calls {
			if !a.batches[id].window.open(call.AttemptedAt) {
				t.Errorf("dialled at %s", call.AttemptedAt)
			}
		}
		if len(calls) < 80 || len(calls) > 140 {
			t.Errorf("%d calls in five windows of half an hour", len(calls))
		}
	})
}
