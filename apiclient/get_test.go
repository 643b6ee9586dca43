package apiclient_test

import (
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
	if diff := cmp.Diff(recipients, rs, cmpopts.IgnoreFields(apiclient.Recipient{}, "Key")); diff != "" {
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
		{"answered", apiclient.RecipientInProgress}, {"canceled", apiclient.RecipientUnknown},
		{"queued", apiclient.RecipientUnknown}, {"COMPLETED", apiclient.RecipientUnknown},
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
		b, _, err := read(t, of(t, saying(`{"batch":`+id+`,"recipients":[]}`)), "mine")
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
