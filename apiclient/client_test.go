package apiclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestRequestsAreWhatTheServiceAsksFor(t *testing.T) {
	var lines, bodies []string
	see := func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = http.NoBody
		bodies = append(bodies, string(body))
		lines = append(lines, r.Method+" "+r.URL.String())
		for name, want := range map[string]string{
			"Authorization": "Bearer " + key, "User-Agent": "magpipe_exporter/1.2.3", "Content-Type": "application/json",
		} {
			if got := r.Header.Values(name); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	answer := `{"batches":[{"id":"a"},{"id":"b"}],"runs":[{"id":"r"}],"batch":{},"recipients":[{}]}`
	c := connect(t, apiclient.Config{Transport: tap{exactly(answer), see}, PageSize: 2, Version: "1.2.3"})
	for _, p := range []*apiclient.Pager{c.Batches(), c.BatchesIn(apiclient.BatchRunning), c.Runs(`p"1`)} {
		w := p.Walk()
		for range 2 {
			if _, err := next(t, c, w); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := read(t, c, "b-1"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"action":"list","limit":2}`, `{"action":"list","limit":2,"offset":2}`,
		`{"action":"list","status":"running","limit":2}`, `{"action":"list","status":"running","limit":2,"offset":2}`,
		`{"action":"list_runs","parent_batch_id":"p\"1","limit":2}`, `{"action":"list_runs","parent_batch_id":"p\"1","limit":2,"offset":1}`,
		`{"action":"get","batch_id":"b-1"}`,
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Error(diff)
	}
	slices.Sort(lines)
	if line := slices.Compact(lines); len(line) != 1 || line[0] != "POST https://api.example.com/functions/v1/batch-calls" {
		t.Errorf("asked %q", line)
	}
}

func TestPagesHave500RowsUnlessToldOtherwise(t *testing.T) {
	a := unlimited(0)
	if _, err := list(t, of(t, a)); err != nil || a.Requests()[0].Limit != 500 {
		t.Errorf("%v, %+v", err, a.Requests())
	}
}

func TestEveryRequestSentIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []apiclient.Exchange
		a := simulator.New(simulator.Options{Key: key, PerMinute: -1, RateLimitHeaders: true})
		id := a.Add(simulator.Campaign{Recurrence: "daily"})
		a.Inject(simulator.Fault{Action: "list_runs", Latency: 3 * time.Second, Header: http.Header{"Date": {"today"}}})
		c := connect(t, apiclient.Config{Transport: inside(a), Observe: func(e apiclient.Exchange) { seen = append(seen, e) }})
		now := time.Now()
		limit := func(left int) apiclient.RateLimit {
			return apiclient.RateLimit{Limit: 1000, Remaining: left, Reset: now.Add(time.Hour)}
		}
		if _, err := list(t, c); err != nil {
			t.Fatal(err)
		}
		if _, err := next(t, c, c.Runs(id).Walk()); err != nil {
			t.Fatal(err)
		}
		_, _, failed := read(t, c, "none")
		if _, err := (*apiclient.Permit)(nil).Next(t.Context(), c.Batches().Walk()); !errors.Is(err, apiclient.ErrPermitUsed) {
			t.Fatal(err)
		}
		want := []apiclient.Exchange{
			{Action: apiclient.ActionList, Date: now, DateAt: now, RateLimit: limit(999)},
			{Action: apiclient.ActionListRuns, Duration: 3 * time.Second, RateLimit: limit(998)},
			{Action: apiclient.ActionGet, Err: failed, Date: now.Add(3 * time.Second), DateAt: now.Add(3 * time.Second), RateLimit: limit(997)},
		}
		same := cmp.Comparer(func(x, y error) bool { return errors.Is(x, y) && (x == nil) == (y == nil) })
		if diff := cmp.Diff(want, seen, same); diff != "" || failed == nil {
			t.Error(diff)
		}
	})
}

func TestARequestThatCouldNotBeSentIsObservedToo(t *testing.T) {
	var seen []apiclient.Exchange
	c := connect(t, apiclient.Config{Transport: inside(unlimited(0)), Observe: func(e apiclient.Exchange) { seen = append(seen, e) }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := paid(t, c).Next(ctx, c.Batches().Walk())
	if !errors.Is(err, context.Canceled) || len(seen) != 1 || !errors.Is(seen[0].Err, context.Canceled) || !seen[0].Date.IsZero() {
		t.Errorf("%v, %+v", err, seen)
	}
}

func TestActionsAndFieldsAreListedInTheirOrder(t *testing.T) {
	if diff := cmp.Diff([]apiclient.Action{"list", "list_runs", "get", "list_calls"}, apiclient.Actions()); diff != "" {
		t.Error(diff)
	}
	fields := []apiclient.Field{"batch_status", "recipient_status", "timestamp", "window", "duration", "count"}
	if diff := cmp.Diff(fields, apiclient.Fields()); diff != "" {
		t.Error(diff)
	}
	reasons := []string{
		"rate_limited", "unauthorized", "not_found", "client_error", "server_error", "timeout", "network", "malformed", "too_large",
	}
	if diff := cmp.Diff(reasons, apiclient.Reasons()); diff != "" {
		t.Error(diff)
	}
}
