package apiclient_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestGetReadsWhatTheAccountHolds(t *testing.T) {
	a := unlimited(0)
	at := func(minutes int) time.Time { return longAgo().Add(time.Duration(minutes) * time.Minute) }
	id := a.Add(simulator.Campaign{
		ID: "b-1", Name: "Spring \"offer\"\n花", Status: "paused", MaxConcurrency: 3,
		WindowStart: "09:00:00", WindowEnd: "17:30:00", WindowDays: []int{1, 5},
		Recurrence: "weekly", MaxRuns: 8, CreatedAt: at(0), ScheduledAt: at(1), StartedAt: at(2),
	})
	a.SetRecipients(id, []simulator.Recipient{
		{}, {Status: "ringing", AttemptedAt: at(3)}, {Status: "busy", AttemptedAt: at(3), CompletedAt: at(4)},
	})
	a.Set(id, "updated_at", "2026-11-01T10:00:00.5+00:00")
	a.Set(id, "completed_at", "2026-11-01T10:00:01.000Z")
	a.Set(id, "completed_count", 11)
	a.Set(id, "recurrence_run_count", 4)
	got, rs, err := read(t, of(t, a), id)
	if err != nil {
		t.Fatal(err)
	}
	count := func(n int64) apiclient.Count { return apiclient.Count{N: n, Known: true} }
	want := apiclient.Batch{
		ID: "b-1", Name: "Spring \"offer\"\n花", Status: apiclient.BatchPaused, Recurrence: "weekly",
		TotalRecipients: count(3), CompletedCount: count(11), FailedCount: count(1),
		MaxConcurrency: count(3), ReservedConcurrency: count(5), RecurrenceRuns: count(4), RecurrenceMaxRuns: count(8),
		Window:    apiclient.Window{Start: 540, End: 1050, Days: 1<<time.Monday | 1<<time.Friday},
		CreatedAt: at(0), ScheduledAt: at(1), StartedAt: at(2),
		UpdatedAt: at(60).Add(500 * time.Millisecond), CompletedAt: at(60).Add(time.Second),
	}
	if diff := cmp.Diff(want, got, asIs); diff != "" {
		t.Error(diff)
	}
	recipients := []apiclient.Recipient{
		{Status: apiclient.RecipientPending},
		{Status: apiclient.RecipientRinging, AttemptedAt: at(3)},
		{Status: apiclient.RecipientBusy, AttemptedAt: at(3), CompletedAt: at(4)},
	}
	if diff := cmp.Diff(recipients, rs, cmpopts.IgnoreFields(apiclient.Recipient{}, "Key", "Record")); diff != "" {
		t.Error(diff)
	}
}

func TestARowOfAListIsTheBatchOfItsGet(t *testing.T) {
	a := unlimited(0)
	series := a.Add(simulator.Campaign{Name: "s", Recurrence: "daily", WindowStart: "10:00", CreatedAt: longAgo()})
	run := a.Spawn(series)
	c := of(t, a)
	listed, err := list(t, c)
	if err != nil || len(listed) != 1 {
		t.Fatal(err, listed)
	}
	runs, err := next(t, c, c.Runs(series).Walk())
	if err != nil || len(runs) != 1 || runs[0].ID != run {
		t.Fatal(err, runs)
	}
	for _, row := range []apiclient.Batch{listed[0], runs[0]} {
		got, _, err := read(t, c, row.ID)
		if diff := cmp.Diff(row, got, asIs); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

func TestRecipientsAreCountedByStatusAndSpellingsFold(t *testing.T) {
	a := unlimited(0)
	var given []simulator.Recipient
	want := map[apiclient.RecipientStatus]int{}
	for i, s := range []struct {
		wire string
		read apiclient.RecipientStatus
	}{
		{"pending", apiclient.RecipientPending}, {"calling", apiclient.RecipientCalling},
		{"initiated", apiclient.RecipientInitiated}, {"ringing", apiclient.RecipientRinging},
		{"in_progress", apiclient.RecipientInProgress}, {"completed", apiclient.RecipientCompleted},
		{"failed", apiclient.RecipientFailed}, {"busy", apiclient.RecipientBusy},
		{"no_answer", apiclient.RecipientNoAnswer}, {"skipped", apiclient.RecipientSkipped},
		{"no-answer", apiclient.RecipientNoAnswer}, {"in-progress", apiclient.RecipientInProgress},
		{"answered", apiclient.RecipientInProgress}, {"canceled", apiclient.RecipientCanceled},
		{"queued", apiclient.RecipientInitiated}, {"COMPLETED", apiclient.RecipientUnknown},
	} {
		for range i + 1 {
			given = append(given, simulator.Recipient{Status: s.wire})
		}
		want[s.read] += i + 1
	}
	id := a.Add(simulator.Campaign{})
	a.SetRecipients(id, given)
	_, rs, err := read(t, of(t, a), id)
	got, odd := map[apiclient.RecipientStatus]int{}, 0
	for _, r := range rs {
		got[r.Status]++
		odd += len(r.Odd)
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || odd != want[apiclient.RecipientUnknown] {
		t.Errorf("%v, %d odd\n%s", err, odd, diff)
	}
}

func TestKeysTellRecipientsApartAndLast(t *testing.T) {
	a := unlimited(0)
	first, second := a.Add(simulator.Campaign{Recipients: 500}), a.Add(simulator.Campaign{Recipients: 500})
	c := of(t, a)
	keys := func() (all []uint64) {
		for _, id := range []string{first, second} {
			_, rs, err := read(t, c, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				all = append(all, r.Key)
			}
		}
		return all
	}
	before := keys()
	if after := keys(); !slices.Equal(before, after) {
		t.Error("a second read gives other keys")
	}
	slices.Sort(before)
	if n := len(slices.Compact(before)); n != 1000 || before[0] == 0 {
		t.Errorf("%d keys of 1000 recipients, the least %d", n, before[0])
	}
}

func TestAKeyDoesNotHangOnHowTheIDIsEscaped(t *testing.T) {
	c := of(t, saying(`{"batch":{},"recipients":[{"id":"r1"},{"id":"\u0072\u0031"},{"id":null},{"id":""},{"id":1},{}]}`))
	_, rs, err := read(t, c, "b")
	if err != nil || len(rs) != 6 || rs[0].Key == 0 || rs[0].Key != rs[1].Key {
		t.Fatalf("%v, %+v", err, rs)
	}
	for _, r := range rs[2:] {
		if r.Key != 0 {
			t.Errorf("a recipient without an id has key %d", r.Key)
		}
	}
}

func TestCutRecipientsShowAgainstTheirTotal(t *testing.T) {
	a := simulator.New(simulator.Options{RecipientCap: 10})
	id := a.Add(simulator.Campaign{Recipients: 15})
	b, rs, err := read(t, of(t, a), id)
	if err != nil || len(rs) != 10 || b.TotalRecipients.N != 15 {
		t.Errorf("%v, %d recipients of %+v", err, len(rs), b.TotalRecipients)
	}
}

func TestABatchWithoutAnIDTakesTheOneAskedFor(t *testing.T) {
	for _, id := range []string{`{}`, `{"id":null}`, `{"id":7}`} {
		b, _, err := read(t, of(t, saying(`{"batch":`+id+`,"recipients":[{}]}`)), "mine")
		if err != nil || b.ID != "mine" {
			t.Errorf("%s: %v, id %q", id, err, b.ID)
		}
	}
}

func TestRecipientsMayComeBeforeTheirBatch(t *testing.T) {
	body := `{"runs":[{}],"recipients":[{"id":"r","status":"busy"}],"more":{"a":[1]},"batch":{"id":"b","total_recipients":1}}`
	b, rs, err := read(t, of(t, saying(body)), "b")
	if err != nil || b.TotalRecipients.N != 1 || len(rs) != 1 || rs[0].Status != apiclient.RecipientBusy {
		t.Errorf("%v, %+v, %+v", err, b, rs)
	}
}

func TestLongNamesAreReadWhole(t *testing.T) {
	a := unlimited(0)
	name := strings.Repeat("é\"\n花\\", 128)
	id := a.Add(simulator.Campaign{Name: name})
	b, _, err := read(t, of(t, a), id)
	if err != nil || b.Name != name {
		t.Errorf("%v, a name of %d bytes, want %d", err, len(b.Name), len(name))
	}
}

func TestWhatGetReadOfAFailedAnswerIsNoBatch(t *testing.T) {
	a := unlimited(0)
	id := a.Add(simulator.Campaign{Recipients: 50})
	a.Inject(simulator.Fault{CutAfter: 8000})
	b, rs, err := read(t, of(t, a), id)
	if diff := cmp.Diff(apiclient.Batch{}, b, asIs); err == nil || diff != "" || len(rs) == 0 {
		t.Errorf("%v, %d recipients before the cut\n%s", err, len(rs), diff)
	}
}

// row reads the one row of a list whose members are given.
func row(t *testing.T, members string) apiclient.Batch {
	t.Helper()
	rows, err := list(t, of(t, saying(`{"batches":[{"id":"b","status":"draft",`+members+`}]}`)))
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s: %v, %d rows", members, err, len(rows))
	}
	return rows[0]
}

// fields returns the kinds of the odd values, in order.
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
			"5.0": 5, "5e0": 5, "1e2": 100, "0.5E+1": 5, "50e-1": 5, "-0.0": 0, "0e99": 0,
			"-1": -1, "-1.0": -1, `"7"`: -1, "7.5": -1, "75e-1": -1, "1e400": -1, "1e19": -1, "9223372036854775808": -1,
			"true": -1, "{}": -1, "[7]": -1,
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
		`"2026-11-22 06:11:13.794687+00"`:    base.Add(794687 * time.Microsecond),
		`"2026-11-22 06:11:13+00"`:           base,
		`"2026-11-22 11:41:13+05:30"`:        base,
		`"2026-11-22 01:11:13-05"`:           base,
		`"2026-11-22 06:11:13Z"`:             base,
		`"2026-11-22T06:11:13+00"`:           base,
		`"2026-11-22T06:11:13+0000"`:         base,
		`"2026-11-22 06:11:13.5"`:            base.Add(500 * time.Millisecond),
		`"2026-11-22T06:11:13"`:              base,
		`"2026-11-22 06:11:13"`:              base,
		`"2026-11-22 06:11:13\u002b00"`:      base,
		`"infinity"`:                         {},
		`"-infinity"`:                        {},
		`"12026-11-22T06:11:13+00:00"`:       {},
		`"0044-03-15T06:11:13+00:00 BC"`:     {},
		`"12026-11-22 06:11:13+00"`:          {},
		`"0044-03-15 06:11:13+00 BC"`:        {},
		`"2026-11-22 06:11:13,5"`:            {},
		`"2026-11-22 06:11"`:                 {},
		`"2026-11-22  6:11:13"`:              {},
		`"2026-11-22T6:11:13.5"`:             {},
		`"2026-11-22_06:11:13"`:              {},
		`"2026-11-22 06:11:13 UTC"`:          {},
		`"2026-11-22 06:11:13+99"`:           {},
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

func TestUndocumentedStatesAreUnknownAndOdd(t *testing.T) {
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

// words names states, in their order.
func words[S fmt.Stringer](states []S) (all []string) {
	for _, s := range states {
		all = append(all, s.String())
	}
	return all
}

// pick returns the states that satisfy a condition.
func pick[S any](states []S, holds func(S) bool) (some []S) {
	for _, s := range states {
		if holds(s) {
			some = append(some, s)
		}
	}
	return some
}

func TestStatesHaveTheirNamesAndKinds(t *testing.T) {
	batches, recipients := apiclient.BatchStatuses(), apiclient.RecipientStatuses()
	for name, c := range map[string]struct{ got, want []string }{
		"batch": {words(batches), []string{
			"draft", "scheduled", "running", "paused", "completed", "cancelled", "failed", "recurring", "unknown",
		}},
		"ended": {words(pick(batches, apiclient.BatchStatus.Ended)), []string{"completed", "cancelled", "failed"}},
		"recipient": {words(recipients), []string{
			"pending", "calling", "initiated", "ringing", "in_progress", "completed", "failed", "busy", "no_answer", "canceled", "skipped", "unknown",
		}},
		"active": {words(pick(recipients, apiclient.RecipientStatus.Active)), []string{
			"calling", "initiated", "ringing", "in_progress",
		}},
		"outcome": {words(pick(recipients, apiclient.RecipientStatus.Outcome)), []string{"completed", "failed", "busy", "no_answer", "canceled"}},
		"listed":  {words(apiclient.Outcomes()), []string{"completed", "failed", "busy", "no_answer", "canceled"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEveryStateOfABatchIsRead(t *testing.T) {
	for _, want := range apiclient.BatchStatuses() {
		a := unlimited(0)
		id := a.Add(simulator.Campaign{})
		a.Set(id, "status", want.String())
		got, err := list(t, of(t, a))
		if err != nil || len(got) != 1 || got[0].Status != want || (got[0].Odd != nil) != (want == apiclient.BatchUnknown) {
			t.Errorf("%s: %v, %+v", want, err, got)
		}
	}
}

func TestARowKeepsFromAnOlderOneWhatItLeftOut(t *testing.T) {
	const whole = `"name":"n","parent_batch_id":"p","recurrence_type":"daily","total_recipients":1,"completed_count":2,` +
		`"failed_count":3,"max_concurrency":4,"reserved_concurrency":5,"recurrence_run_count":6,"recurrence_max_runs":7,` +
		`"window_start_time":"09:00","window_end_time":"17:00","window_days":[1],"created_at":"2026-11-01T00:00:00Z",` +
		`"scheduled_at":"2026-11-02T00:00:00Z","started_at":"2026-11-03T00:00:00Z","updated_at":"2026-11-04T00:00:00Z",` +
		`"completed_at":"2026-11-05T00:00:00Z"`
	older := row(t, whole)
	bare := row(t, `"unknown":0`)
	if bare.KeepFrom(&older); !cmp.Equal(older, bare, asIs) {
		t.Errorf("a row with nothing: %s", cmp.Diff(older, bare, asIs))
	}
	for member := range strings.SplitSeq(whole, ",") {
		name, _, _ := strings.Cut(member, ":")
		got, want := row(t, name+":null"), row(t, strings.Replace(whole, member, name+":null", 1))
		want.ParentID = "p" // a run stays one
		if got.KeepFrom(&older); !cmp.Equal(want, got, asIs) {
			t.Errorf("%s is null: %s", name, cmp.Diff(want, got, asIs))
		}
	}
}

func TestWhatOneRowLeavesOutTheNextStillKeeps(t *testing.T) {
	first, second, third := row(t, `"name":"n","window_end_time":"17:00"`), row(t, `"failed_count":1`), row(t, `"failed_count":2`)
	second.KeepFrom(&first)
	third.KeepFrom(&second)
	if third.Name != "n" || third.Window.End != 1020 || third.FailedCount.N != 2 {
		t.Errorf("%+v", third)
	}
	byHand := apiclient.Batch{ID: "b", Name: "made by hand"}
	byHand.KeepFrom(&first)
	if byHand.Name != "made by hand" || byHand.Window != (apiclient.Window{}) {
		t.Errorf("%+v", byHand)
	}
}

func TestAWindowStaysUnknownWhileThePartThatMadeNoSenseIsKept(t *testing.T) {
	older := row(t, `"window_start_time":"25:00","window_end_time":"17:00"`)
	for members, unknown := range map[string]bool{
		`"window_end_time":"18:00"`: true, `"name":"n"`: true,
		`"window_start_time":"09:00"`: false, `"window_start_time":null`: false, `"window_start_time":"x"`: true,
	} {
		b := row(t, members)
		b.KeepFrom(&older)
		if !older.Window.Unknown || b.Window.Unknown != unknown {
			t.Errorf("%s: %+v", members, b.Window)
		}
	}
}

func TestABatchRanSinceIfItsStartOrItsEndIsAnother(t *testing.T) {
	const times = `"started_at":"2026-11-03T00:00:00Z","completed_at":"2026-11-05T00:00:00Z"`
	for _, c := range []struct {
		older, newer string
		ran          bool
	}{
		{times, times, false},
		{times, `"started_at":"2026-11-04T00:00:00Z","completed_at":"2026-11-05T00:00:00Z"`, true},
		{times, `"started_at":"2026-11-03T00:00:00Z","completed_at":"2026-11-06T00:00:00Z"`, true},
		{`"name":"n"`, times, false}, // the older one did not say
		{`"started_at":null,"completed_at":null`, times, true},
		{`"started_at":"2026-11-03T00:00:00Z"`, times, false},
		{times, `"started_at":"infinity","completed_at":null`, false},                                     // unknown is not anew
		{`"started_at":"infinity","completed_at":null,"updated_at":"2026-11-05T00:00:01Z"`, times, false}, // known again
		{`"started_at":"infinity","completed_at":null,"updated_at":"2026-11-04T00:00:00Z"`, times, true},  // completed since
	} {
		older, newer := row(t, c.older), row(t, c.newer)
		if got := newer.RanSince(&older); got != c.ran {
			t.Errorf("%s after %s: %v", c.newer, c.older, got)
		}
	}
	older, newer := row(t, `"name":"n"`), row(t, times)
	started := row(t, times)
	if older.KeepFrom(&started); !newer.RanSince(&apiclient.Batch{}) || newer.RanSince(&older) {
		t.Error("what a row kept from an older one is compared too")
	}
	again := row(t, `"started_at":"2026-11-04T00:00:00Z"`)
	if again.KeepFrom(&older); !again.RanSince(&older) {
		t.Error("a start that an older row kept is compared")
	}
	first, second := apiclient.Batch{}, apiclient.Batch{StartedAt: longAgo()}
	if !second.RanSince(&first) || first.RanSince(&first) {
		t.Error("rows made by hand are compared by what they have")
	}
}
