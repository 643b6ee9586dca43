package apiclient_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"magpipe_exporter/apiclient"
)

// typed fails unless an error is one that a complete answer with status 200 can cause.
func typed(t *testing.T, err error) {
	t.Helper()
	var decode *apiclient.DecodeError
	if !errors.As(err, &decode) && !errors.Is(err, apiclient.ErrTooLarge) {
		t.Errorf("%T: %v", err, err)
	}
}

// sound fails unless a batch satisfies the documentation of its type.
func sound(t *testing.T, b apiclient.Batch) {
	t.Helper()
	for _, s := range []string{b.ID, b.Name, b.ParentID, b.Recurrence} {
		if !utf8.ValidString(s) {
			t.Errorf("%q is no UTF-8", s)
		}
	}
	for _, n := range []apiclient.Count{
		b.TotalRecipients, b.CompletedCount, b.FailedCount, b.MaxConcurrency, b.ReservedConcurrency,
		b.RecurrenceRuns, b.RecurrenceMaxRuns,
	} {
		if n.N < 0 || !n.Known && n.N != 0 {
			t.Errorf("count %+v", n)
		}
	}
	if w := b.Window; min(w.Start, w.End) < -1 || max(w.Start, w.End) > 1440 || w.Days > apiclient.EveryDay {
		t.Errorf("window %+v", w)
	}
	if b.Status.String() == "" || b.Status == apiclient.BatchUnknown && b.Status.Ended() {
		t.Errorf("status %d", b.Status)
	}
}

// page fails unless a page of a walk is an error of its type, or rows that are sound, distinct and identified.
func page(t *testing.T, c *apiclient.Client, p *apiclient.Pager) {
	t.Helper()
	w := p.Walk()
	got, err := next(t, c, w)
	if err != nil {
		typed(t, err)
		return
	}
	seen := map[string]bool{}
	for _, b := range got {
		if b.ID == "" || len(b.ID) > 256 || seen[b.ID] || !w.Has(b.ID) {
			t.Errorf("id %q", b.ID)
		}
		seen[b.ID] = true
		sound(t, b)
	}
}

func whole(t *testing.T, body string) *apiclient.Client {
	t.Helper()
	return connect(t, apiclient.Config{Transport: exactly(body)})
}

const oddRow = `{"id":"b","name":"\ud83d\udd0b","status":"x","total_recipients":-1,"failed_count":7,"window_days":[0,"1",9],` +
	`"window_start_time":"24:00:00","window_end_time":9,"created_at":"infinity","updated_at":"2026-11-22T06:11:13.79+00:00"}`

func FuzzList(f *testing.F) {
	for _, seed := range []string{``, `{"batches":[]}`, `{"batches":[null,` + oddRow + `,` + oddRow + `]}`, `{"batches":[{"id":"b"`, `{"a":1,"a":2}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := whole(t, body)
		page(t, c, c.Batches())
	})
}

func FuzzRuns(f *testing.F) {
	for _, seed := range []string{`{"runs":[` + oddRow + `]}`, `{"runs":null}`, `{"runs":[[[[`, "{\"runs\":[{\"id\":\"\xff\"}]}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := whole(t, body)
		page(t, c, c.Runs("p"))
	})
}

func FuzzGet(f *testing.F) {
	for _, seed := range []string{
		`{"batch":` + oddRow + `,"recipients":[{"id":"r","status":"no-answer","attempted_at":"-infinity"},null,3],"runs":null}`,
		`{"recipients":[],"batch":{"total_recipients":1}}`, `{"batch":{"id":"c"},"recipients":[]}`, `{"batch":{}}{}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b, rs, err := read(t, whole(t, body), "b")
		if err != nil {
			typed(t, err)
			return
		}
		if b.ID != "b" || len(rs) == 0 && b.TotalRecipients.N > 0 {
			t.Errorf("%+v with %d recipients", b, len(rs))
		}
		sound(t, b)
		for _, r := range rs {
			if r.Status.String() == "" || r.Status.Active() && r.Status.Outcome() {
				t.Errorf("status %d", r.Status)
			}
		}
	})
}

// quoted returns a text as JSON, and as it is read back: with U+FFFD for invalid UTF-8.
func FuzzCalls(f *testing.F) {
	for _, seed := range []string{
		`{"calls":[{"id":"c","duration":12,"created_at":"2026-11-22T06:11:13.79+00:00","to_number":"+1"},null,3],"total":2,"has_more":false}`,
		`{"calls":[{"duration":-1},{"duration":5.0}],"total":-1}`, `{"calls":null}`, `{"calls":[],"error":{"code":"x"}}`, `{"calls":[{"id":`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		page, err := calls(t, whole(t, body), time.Unix(0, 0), time.Time{})
		if err != nil {
			typed(t, err)
			return
		}
		for _, r := range page.Records {
			if r.Talk.N < 0 || r.CreatedAt.Year() > 9999 || len(r.Odd) > 64 {
				t.Errorf("%+v", r)
			}
		}
	})
}

func quoted(t *testing.T, text string) (wire, read string) {
	t.Helper()
	raw, err := json.Marshal(text)
	if err != nil || json.Unmarshal(raw, &read) != nil {
		t.Fatal(err)
	}
	return string(raw), read
}

func FuzzClock(f *testing.F) {
	for _, seed := range []string{"09:00", "09:00:00", "09:00:30.25", "24:00:00", "24:01", "", "9:00", "09:60", "::", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wire, text := quoted(t, text)
		c := whole(t, `{"batches":[{"id":"b","status":"draft","window_start_time":`+wire+`}]}`)
		got, err := list(t, c)
		if err != nil || len(got) != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		w := got[0].Window
		if w.Unknown {
			if w.Start != -1 || len(got[0].Odd) != 1 {
				t.Errorf("%q: odd, and %+v", text, w)
			}
			return
		}
		if at, err := time.Parse("15:04", text[:5]); w.Start != 1440 && (err != nil || at.Hour()*60+at.Minute() != w.Start) {
			t.Errorf("%q: minute %d", text, w.Start)
		}
		if w.Start < 0 || w.Start == 1440 && !strings.HasPrefix(text, "24:00") {
			t.Errorf("%q: minute %d", text, w.Start)
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{
		"2026-11-22T06:11:13.794687+00:00", "2026-11-22T06:11:13Z", "infinity", "12026-11-22T06:11:13+00:00",
		"0044-03-15T06:11:13+00:00 BC", "0001-01-01T00:00:00Z", "2026-11-22T24:00:00Z", "", "\xff",
		"2026-11-22 06:11:13.5+00", "2026-11-22 06:11:13", "2026-11-22T06:11:13-0530", "2026-02-30 00:00:00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wire, text := quoted(t, text)
		_, rs, err := read(t, whole(t, `{"batch":{},"recipients":[{"status":"busy","attempted_at":`+wire+`}]}`), "b")
		if err != nil || len(rs) != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		r := rs[0]
		if r.Odd != nil {
			if !r.AttemptedAt.IsZero() || fields(r.Odd) != "timestamp" {
				t.Errorf("%q: odd, and %v", text, r.AttemptedAt)
			}
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.UTC().Format(time.RFC3339) == text && at.Year() > 0 {
				t.Errorf("%q is a time", text)
			}
			return
		}
		// A time is written as it is read: date, clock and zone.
		if at := r.AttemptedAt; len(text) < 19 || at.Format(time.DateOnly) != text[:10] || at.Format(time.TimeOnly) != text[11:19] {
			t.Errorf("%q: %v", text, at)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "3601", "-1", "18446744073709551616", "Sun, 22 Nov 2026 06:11:13 GMT", "soon"} {
		f.Add(seed, "Sun, 22 Nov 2026 06:11:00 GMT")
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		c := connect(t, apiclient.Config{Transport: stream{status: 429, header: h, body: exactly("").body}})
		_, err := list(t, c)
		var failed *apiclient.StatusError
		if !errors.As(err, &failed) || failed.RetryAfter <= 0 || failed.RetryAfter > time.Hour {
			t.Fatalf("%q at %q: %+v, %v", after, date, failed, err)
		}
		if _, err := c.Take(); failed.RetryAfter > time.Minute && !errors.Is(err, apiclient.ErrBackoff) {
			t.Errorf("%q at %q: %v", after, date, err)
		}
	})
}
