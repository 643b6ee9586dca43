package apiclient_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
)

// row reads the one row of a list whose members are given.
func row(t *testing.T, members string) apiclient.Batch {
	t.Helper()
	rows, err := list(t, of(t, saying(`{"batches":[{"id":"b","status":"draft",`+members+`}]}`)))
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s: %v, %d rows", members, err, len(rows))
	}
	return rows[0]
}

// fields are the kinds of what was odd, in their order.
func fields(odd []apiclient.Odd) string {
	var all []string
	for _, o := range odd {
		all = append(all, string(o.Field))
	}
	return strings.Join(all, " ")
}

func TestNullsEverywhereAreNothingOdd(t *testing.T) {
	members := `"id":null,"name":null,"parent_batch_id":null,"recurrence_type":null,"total_recipients":null,` +
		`"completed_count":null,"failed_count":null,"max_concurrency":null,"reserved_concurrency":null,` +
		`"recurrence_run_count":null,"recurrence_max_runs":null,"window_start_time":null,"window_end_time":null,` +
		`"window_days":null,"created_at":null,"scheduled_at":null,"started_at":null,"updated_at":null,"completed_at":null`
	body := `{"batch":{` + members + `},"recipients":[{"id":null,"status":"busy","attempted_at":null,"completed_at":null}],"runs":null}`
	b, rs, err := read(t, of(t, saying(body)), "b")
	if err != nil {
		t.Fatal(err)
	}
	want := apiclient.Batch{ID: "b", Window: apiclient.Window{Start: -1, End: -1, Days: apiclient.EveryDay}}
	if diff := cmp.Diff(want, b, asIs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]apiclient.Recipient{{Status: apiclient.RecipientBusy}}, rs); diff != "" {
		t.Error(diff)
	}
}

func TestCountsAreWholeNumbersFromZeroOn(t *testing.T) {
	for _, member := range []string{
		"total_recipients", "completed_count", "failed_count", "max_concurrency", "reserved_concurrency",
		"recurrence_run_count", "recurrence_max_runs",
	} {
		for wire, want := range map[string]int64{
			"0": 0, "7": 7, "-0": 0, "9223372036854775807": 1<<63 - 1, "null": -2,
			"-1": -1, `"7"`: -1, "7.5": -1, "1e2": -1, "9223372036854775808": -1, "true": -1, "{}": -1, "[7]": -1,
		} {
			b := row(t, `"`+member+`":`+wire)
			got := map[string]apiclient.Count{
				"total_recipients": b.TotalRecipients, "completed_count": b.CompletedCount, "failed_count": b.FailedCount,
				"max_concurrency": b.MaxConcurrency, "reserved_concurrency": b.ReservedConcurrency,
				"recurrence_run_count": b.RecurrenceRuns, "recurrence_max_runs": b.RecurrenceMaxRuns,
			}[member]
			expected, odd := apiclient.Count{N: max(0, want), Known: want >= 0}, ""
			if want == -1 {
				odd = "count"
			}
			if got != expected || fields(b.Odd) != odd {
				t.Errorf("%s %s: %+v, odd %q", member, wire, got, fields(b.Odd))
			}
		}
	}
}

func TestEveryFormOfATimestampIsReadOrOdd(t *testing.T) {
	base := time.Date(2026, 11, 22, 6, 11, 13, 0, time.UTC)
	for wire, want := range map[string]time.Time{
		`"2026-11-22T06:11:13+00:00"`:        base,
		`"2026-11-22T06:11:13.7+00:00"`:      base.Add(700 * time.Millisecond),
		`"2026-11-22T06:11:13.79+00:00"`:     base.Add(790 * time.Millisecond),
		`"2026-11-22T06:11:13.794+00:00"`:    base.Add(794 * time.Millisecond),
		`"2026-11-22T06:11:13.7946+00:00"`:   base.Add(794600 * time.Microsecond),
		`"2026-11-22T06:11:13.79468+00:00"`:  base.Add(794680 * time.Microsecond),
		`"2026-11-22T06:11:13.794687+00:00"`: base.Add(794687 * time.Microsecond),
		`"2026-11-22T06:11:13.000Z"`:         base,
		`"2026-11-22T06:11:13Z"`:             base,
		`"2026-11-22T08:11:13+02:00"`:        base,
		`"infinity"`:                         {},
		`"-infinity"`:                        {},
		`"12026-11-22T06:11:13+00:00"`:       {},
		`"0044-03-15T06:11:13+00:00 BC"`:     {},
		`"2026-11-22"`:                       {},
		`"2026-02-30T06:11:13Z"`:             {},
		`""`:                                 {},
		`1795327873`:                         {},
		`{"seconds":1}`:                      {},
		`[]`:                                 {},
		`false`:                              {},
	} {
		body := fmt.Sprintf(`{"batch":{"created_at":%[1]s,"scheduled_at":%[1]s,"started_at":%[1]s,"updated_at":%[1]s,`+
			`"completed_at":%[1]s},"recipients":[{"attempted_at":%[1]s,"completed_at":%[1]s}]}`, wire)
		b, rs, err := read(t, of(t, saying(body)), "b")
		if err != nil || len(rs) != 1 {
			t.Fatalf("%s: %v", wire, err)
		}
		r := rs[0]
		for i, at := range []time.Time{
			b.CreatedAt, b.ScheduledAt, b.StartedAt, b.UpdatedAt, b.CompletedAt, r.AttemptedAt, r.CompletedAt,
		} {
			if !at.Equal(want) {
				t.Errorf("%s: time %d is %v", wire, i, at)
			}
		}
		odd := 0
		if want.IsZero() {
			odd = 1
		}
		named := strings.Count(fields(b.Odd), "timestamp") + strings.Count(fields(r.Odd), "timestamp")
		if len(b.Odd) != 5*odd || len(r.Odd) != 2*odd || named != 7*odd {
			t.Errorf("%s: odd %q and %q", wire, fields(b.Odd), fields(r.Odd))
		}
	}
}

func TestStatesNeverHeardOfAreUnknownAndOdd(t *testing.T) {
	for _, wire := range []string{`"archived"`, `"RUNNING"`, `"unknown"`, `""`, "null", "7", "{}", "[]"} {
		body := `{"batch":{"status":` + wire + `},"recipients":[{"status":` + wire + `}]}`
		b, rs, err := read(t, of(t, saying(body)), "b")
		if err != nil || b.Status != apiclient.BatchUnknown || fields(b.Odd) != "batch_status" {
			t.Errorf("%s: %v, %+v", wire, err, b)
		}
		if len(rs) != 1 || rs[0].Status != apiclient.RecipientUnknown || fields(rs[0].Odd) != "recipient_status" {
			t.Errorf("%s: %+v", wire, rs)
		}
	}
}

func TestOddValuesAreToldApartByTheirHashes(t *testing.T) {
	body := `{"batches":[{"id":"a","status":"new","created_at":"infinity","updated_at":"-infinity"},` +
		`{"id":"b","status":"new","created_at":"infinity","failed_count":-1,"completed_count":-2}]}`
	c := of(t, saying(body))
	first, err := list(t, c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := list(t, c)
	if diff := cmp.Diff(first, again, asIs); err != nil || diff != "" {
		t.Errorf("a second read: %v\n%s", err, diff)
	}
	a, b := first[0].Odd, first[1].Odd
	if fields(a) != "batch_status timestamp timestamp" || fields(b) != "batch_status timestamp count count" {
		t.Fatalf("odd %q and %q", fields(a), fields(b))
	}
	if a[0] != b[0] || a[1] != b[1] || a[1] == a[2] || b[2] == b[3] {
		t.Errorf("odd %+v and %+v", a, b)
	}
}

func TestElementsThatAreNoObjectsCostThemselvesOnly(t *testing.T) {
	elements := `null,7,"x",true,[[{"id":"no"}]],{},{"id":"last","status":"busy"}`
	c := of(t, saying(`{"batches":[`+elements+`]}`))
	w := c.Batches().Walk()
	rows, err := next(t, c, w)
	if err != nil || len(rows) != 1 || rows[0].ID != "last" || !w.Truncated() {
		t.Errorf("%v, %+v, truncated %v", err, rows, w.Truncated())
	}
	_, rs, err := read(t, of(t, saying(`{"batch":{"total_recipients":7},"recipients":[`+elements+`]}`)), "b")
	if err != nil || len(rs) != 7 || rs[6].Status != apiclient.RecipientBusy || rs[6].Key == 0 {
		t.Fatalf("%v, %+v", err, rs)
	}
	for i, r := range rs[:6] {
		if diff := cmp.Diff(apiclient.Recipient{}, r); diff != "" {
			t.Errorf("recipient %d: %s", i, diff)
		}
	}
}

func TestTextsOfOtherTypesAreEmpty(t *testing.T) {
	b := row(t, `"name":5,"parent_batch_id":{"id":"p"},"recurrence_type":["daily"]`)
	if b.Name != "" || b.ParentID != "" || b.Recurrence != "" || b.Odd != nil {
		t.Errorf("%+v", b)
	}
}
