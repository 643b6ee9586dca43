package apiclient_test

import (
	"fmt"
	"math/rand/v2"
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
				open = w.Open(week.Add(time.Duration(minute) * time.Minute))
			}
			if got := w.Valid(); got != open {
				t.Errorf("start %d, end %d: valid %v, opens %v", start, end, got, open)
			}
		}
	}
}

func TestAnOpenWindowClosesWhenDiallingStopsBeingAllowed(t *testing.T) {
	const null = -1
	const weekdays = apiclient.EveryDay &^ (1<<time.Sunday | 1<<time.Saturday)
	for _, test := range []struct {
		why        string
		start, end int // minutes of the day
		days       apiclient.Days
		zone       string
		now, want  string // want is empty if it does not close
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

func TestAWindowTellsSinceWhenItIsOpenAndWhenItOpensNext(t *testing.T) {
	const null = -1
	const weekdays = apiclient.EveryDay &^ (1<<time.Sunday | 1<<time.Saturday)
	for _, test := range []struct {
		why           string
		start, end    int // minutes of the day
		days          apiclient.Days
		zone          string
		now           string
		opened, opens string // empty if there is no such time
	}{
		{"after the start minute", 540, 1020, weekdays, "UTC", "2026-11-23 12:00:00", "2026-11-23 09:01:00", ""},
		{"in the first second", 540, 1020, weekdays, "UTC", "2026-11-23 09:01:00", "2026-11-23 09:01:00", ""},
		{"a second before", 540, 1020, weekdays, "UTC", "2026-11-23 09:00:59", "", "2026-11-23 09:01:00"},
		{"the next morning", 540, 1020, weekdays, "UTC", "2026-11-23 17:01:00", "", "2026-11-24 09:01:00"},
		{"after the weekend", 540, 1020, weekdays, "UTC", "2026-11-27 17:01:00", "", "2026-11-30 09:01:00"},
		{"always, without a window", null, null, apiclient.EveryDay, "UTC", "2026-11-23 12:00:00", "", ""},
		{"always, from 00:00 to 24:00 on every day", 0, 1440, apiclient.EveryDay, "UTC", "2026-11-23 12:00:00", "", ""},
		{"but it opens after the minute that 00:00 leaves out", 0, 1440, weekdays, "UTC", "2026-11-24 00:00:30", "", "2026-11-24 00:01:00"},
		{"days that touch are one stretch", null, null, weekdays, "UTC", "2026-11-25 12:00:00", "2026-11-23 00:00:00", ""},
		{"so where 00:00 leaves a minute out", 0, 1440, weekdays, "UTC", "2026-11-25 12:00:00", "2026-11-23 00:01:00", ""},
		{"a day that begins with a start of 00:00 after a closed night", 0, 1020, weekdays, "UTC", "2026-11-25 12:00:00", "2026-11-25 00:01:00", ""},
		{"a stretch over the turn of the week", null, null, 1<<time.Saturday | 1<<time.Sunday, "UTC", "2026-11-22 12:00:00", "2026-11-21 00:00:00", ""},
		{"one day alone", null, null, 1 << time.Monday, "UTC", "2026-11-24 00:00:00", "", "2026-11-30 00:00:00"},
		{"over midnight it never opens", 1320, 360, apiclient.EveryDay, "UTC", "2026-11-23 23:00:00", "", ""},
		{"no day is never", null, null, 0, "UTC", "2026-11-23 12:00:00", "", ""},
		{"in its zone, an hour before UTC", 540, 1020, weekdays, "Europe/Berlin", "2026-11-23 12:00:00", "2026-11-23 08:01:00", ""},
		// Berlin goes from 02:00 to 03:00 at 01:00 UTC on 29 March, and from 03:00 to 02:00 at 01:00 UTC on 25 October.
		{"a start in the hour that is left out", 150, 300, apiclient.EveryDay, "Europe/Berlin", "2026-03-29 00:59:00", "", "2026-03-29 01:00:00"},
		{"likewise, since when", 150, 300, apiclient.EveryDay, "Europe/Berlin", "2026-03-29 02:00:00", "2026-03-29 01:00:00", ""},
		{"a window in the hour that is left out opens a week later", 130, 170, 1 << time.Sunday, "Europe/Berlin", "2026-03-22 02:00:00", "", "2026-04-05 00:11:00"},
		{"an end in the hour that comes twice, between", 60, 150, apiclient.EveryDay, "Europe/Berlin", "2026-10-25 00:40:00", "", "2026-10-25 01:00:00"},
		{"the second time", 60, 150, apiclient.EveryDay, "Europe/Berlin", "2026-10-25 01:10:00", "2026-10-25 01:00:00", ""},
		{"a day that a change of the clock begins twice", null, null, 1 << time.Sunday, "America/Havana", "2026-11-01 12:00:00", "2026-11-01 04:00:00", ""},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.DateTime, test.now)
		if err != nil {
			t.Fatal(err)
		}
		w := apiclient.Window{Start: test.start, End: test.end, Days: test.days}
		opened, _ := time.Parse(time.DateTime, test.opened) // empty: the zero time
		opens, _ := time.Parse(time.DateTime, test.opens)
		if got := w.Opened(now.In(zone)); !got.Equal(opened) {
			t.Errorf("%s: opened at %s, want %s", test.why, got.UTC(), opened)
		}
		if got := w.Opens(now.In(zone)); !got.Equal(opens) {
			t.Errorf("%s: opens at %s, want %s", test.why, got.UTC(), opens)
		}
	}
}

// timeline holds the result of Open for every minute of eight weeks. In zones with
// clock changes, one occurs in the middle of that time.
type timeline struct {
	window apiclient.Window
	begin  time.Time
	known  [fortnight + 2*margin]struct{ asked, open bool }
}

const (
	fortnight = 14 * 24 * 60 // minutes
	margin    = 21 * 24 * 60 // more than any window stays closed, or needs to show that it is always open
)

func timelineOf(w apiclient.Window, zone *time.Location, spring bool) *timeline {
	month := time.July
	if spring {
		month = time.January
	}
	_, change := time.Date(2026, month, 1, 0, 0, 0, 0, zone).ZoneBounds()
	if change.IsZero() {
		change = time.Date(2026, 11, 22, 0, 0, 0, 0, zone)
	}
	return &timeline{window: w, begin: change.Add(-(margin + fortnight/2) * time.Minute).In(zone)}
}

func (l *timeline) at(minute int) time.Time { return l.begin.Add(time.Duration(minute) * time.Minute) }

func (l *timeline) open(minute int) bool {
	m := &l.known[minute]
	if !m.asked {
		m.asked, m.open = true, l.window.Open(l.at(minute))
	}
	return m.open
}

// stretch reports whether a minute is open, or one that a start of 00:00 leaves
// out between two open ones.
func (l *timeline) stretch(minute int) bool {
	if l.open(minute) || l.window.Start != 0 {
		return l.open(minute)
	}
	at := l.at(minute)
	first := at.Hour() == 0 && at.Minute() == 0 && l.window.Days.Has(at.Weekday())
	before := minute == 0 || l.open(minute-1) // of what was before the timeline nothing is known
	return first && before && minute+1 < len(l.known) && l.open(minute+1)
}

// expected is what a window should say; each is zero if a scan minute by minute
// finds no such time.
type expected struct{ opened, closes, opens time.Time }

func (l *timeline) around(minute int) (want expected) {
	if !l.open(minute) {
		for i := minute; i < len(l.known); i++ {
			if l.open(i) {
				return expected{opens: l.at(i)}
			}
		}
		return expected{}
	}
	for i := minute; i >= 0 && want.opened.IsZero(); i-- {
		if !l.stretch(i) {
			want.opened = l.at(i + 1)
		}
	}
	for i := minute; i < len(l.known) && want.closes.IsZero(); i++ {
		if !l.stretch(i) {
			want.closes = l.at(i)
		}
	}
	return want
}

// hold fails unless a window says what it should.
func (want expected) hold(t *testing.T, w apiclient.Window, now time.Time) {
	t.Helper()
	if got := w.Opened(now); !got.Equal(want.opened) {
		t.Errorf("%+v at %s: opened at %s, want %s", w, now, got, want.opened)
	}
	if got := w.Closes(now); !got.Equal(want.closes) {
		t.Errorf("%+v at %s: closes at %s, want %s", w, now, got, want.closes)
	}
	if got := w.Opens(now); !got.Equal(want.opens) {
		t.Errorf("%+v at %s: opens at %s, want %s", w, now, got, want.opens)
	}
}

func zones(t *testing.T) (all []*time.Location) {
	t.Helper()
	// Clock changes by an hour at night, at midnight, by half an hour, and none.
	for _, name := range []string{"Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, zone)
	}
	return all
}

func TestEveryMinuteOfAFortnightAgreesOnWhenAWindowOpensAndCloses(t *testing.T) {
	const weekdays = apiclient.EveryDay &^ (1<<time.Sunday | 1<<time.Saturday)
	for i, w := range []apiclient.Window{
		{Start: 540, End: 1020, Days: weekdays},
		{Start: 0, End: 1440, Days: weekdays},
		{Start: 100, End: 150, Days: 1<<time.Sunday | 1<<time.Wednesday},
		{Start: -1, End: -1, Days: 1<<time.Saturday | 1<<time.Sunday},
	} {
		for j, zone := range zones(t) {
			if (i+j)%2 == 1 {
				continue
			}
			l := timelineOf(w, zone, i < 2)
			want := l.around(margin)
			for minute := margin; minute < margin+fortnight && !t.Failed(); minute++ {
				if l.open(minute) != l.open(minute-1) { // the only time at which they change
					want = l.around(minute)
				}
				want.hold(t, w, l.at(minute))
			}
		}
	}
}

func TestAnyWindowOpensAndClosesAtItsFirstMinute(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	minute := func() int {
		minutes := []int{-1, 0, 1439, 1440, random.IntN(1441), random.IntN(240)} // most clocks are changed early in the day
		return minutes[random.IntN(len(minutes))]
	}
	var open, always, closed int
	for _, zone := range zones(t) {
		for i := range 20 {
			w := apiclient.Window{Start: minute(), End: minute(), Days: apiclient.EveryDay}
			for day := range 7 * random.IntN(2) { // every day, or some of them
				if random.IntN(2) == 0 {
					w.Days &^= 1 << day
				}
			}
			l := timelineOf(w, zone, i%2 == 0)
			for range 30 {
				minute := margin + random.IntN(fortnight)
				if random.IntN(2) == 0 {
					minute = margin + fortnight/2 - 180 + random.IntN(360) // about the change
				}
				want := l.around(minute)
				want.hold(t, w, l.at(minute).Add(time.Duration(random.Int64N(int64(time.Minute)))))
				switch {
				case !l.open(minute):
					closed++
				case want.closes.IsZero():
					always++
				default:
					open++
				}
			}
		}
	}
	if open < 300 || always < 30 || closed < 600 {
		t.Errorf("%d times open, %d always, %d closed: too few to tell", open, always, closed)
	}
}

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
		{"[1.5,null,[3],{},3.0]", 1 << 3, false, "window window window window"},
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

// opens compares clock times as text, as the service does.
func opens(w apiclient.Window, clock string, day time.Weekday) bool {
	text := func(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
	return w.Days.Has(day) && (w.Start < 0 || clock > text(w.Start)) && (w.End < 0 || clock <= text(w.End))
}

func FuzzWindow(f *testing.F) {
	f.Add(int16(540), int16(1020), uint8(0b0111110), int64(1795336260), int32(0))
	f.Fuzz(func(t *testing.T, start, end int16, days uint8, at int64, offset int32) {
		w := apiclient.Window{ // any window that the decoder can return
			Start: max(-1, int(start)%1441), End: max(-1, int(end)%1441), Days: apiclient.Days(days) & apiclient.EveryDay,
		}
		now := time.Unix(at%(1<<36), 0).In(time.FixedZone("", int(offset)%(14*3600)))
		if want := opens(w, now.Format("15:04"), now.Weekday()); w.Open(now) != want {
			t.Errorf("%+v at %v: open %v, want %v", w, now, w.Open(now), want)
		}
		ever := false
		for minute := range 1440 {
			for day := time.Sunday; day <= time.Saturday && !ever; day++ {
				ever = opens(w, fmt.Sprintf("%02d:%02d", minute/60, minute%60), day)
			}
		}
		if w.Valid() != ever {
			t.Errorf("%+v: valid %v, opens %v", w, w.Valid(), ever)
		}
		before := func(at time.Time) bool { return !at.IsZero() && w.Open(at.Add(-1)) }
		switch opened, closes, opens := w.Opened(now), w.Closes(now), w.Opens(now); {
		case w.Open(now):
			if !opens.IsZero() || opened.IsZero() != closes.IsZero() || opened.After(now) || before(opened) ||
				!closes.IsZero() && (!closes.After(now) || w.Open(closes) || !before(closes)) {
				t.Errorf("%+v is open at %v: opened %v, closes %v, opens %v", w, now, opened, closes, opens)
			}
		case !opened.IsZero() || !closes.IsZero() || opens.IsZero() == ever || ever && (!opens.After(now) || !w.Open(opens) || before(opens)):
			t.Errorf("%+v is closed at %v: opened %v, closes %v, opens %v", w, now, opened, closes, opens)
		}
	})
}
