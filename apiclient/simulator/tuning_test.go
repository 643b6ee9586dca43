package simulator_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestTuneChangesHowCallsGoFromNowOnButNotTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{
			Recipients: 10_000, MaxConcurrency: 2, DialEvery: time.Minute, CallLength: 5 * time.Second,
			Outcomes: simulator.Outcomes{Completed: 1},
		})
		time.Sleep(time.Hour)
		slow, row := len(a.Calls()), get(t, a, id).Batch
		tuned := time.Now()
		a.Tune(id, func(c *simulator.Campaign) {
			c.DialEvery, c.Outcomes = 10*time.Second, simulator.Outcomes{Busy: 1}
		})
		if now := get(t, a, id).Batch; now != row {
			t.Errorf("the row moved from %+v to %+v", row, now)
		}
		time.Sleep(time.Hour)
		calls := a.Calls()
		if fast := len(calls) - slow; slow < 60 || fast < 2*slow {
			t.Errorf("%d dials in the first hour, %d in the second", slow, fast)
		}
		for _, c := range calls {
			want := "completed"
			if !c.AttemptedAt.Before(tuned) {
				want = "busy"
			}
			if c.Outcome != want && c.Outcome != "" {
				t.Errorf("a call of %v ended as %s", c.AttemptedAt, c.Outcome)
			}
		}
	})
}

func TestABatchThatStallsGoesOnWhenTuned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Recipients: 100, DialEvery: time.Minute, CallLength: time.Second, StallAfter: 3})
		time.Sleep(time.Hour)
		if n := len(a.Calls()); n != 3 {
			t.Fatalf("%d dials before the stall, want 3", n)
		}
		resumed := time.Now()
		a.Tune(id, func(c *simulator.Campaign) { c.StallAfter = 0 })
		time.Sleep(time.Hour)
		calls := a.Calls()
		if len(calls) < 30 || calls[3].AttemptedAt.Before(resumed) {
			t.Errorf("%d dials, the first after the stall at %v, want after %v", len(calls), calls[3].AttemptedAt, resumed)
		}
	})
}

func TestStuckCallsCanBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{
			Recipients: 20, MaxConcurrency: 2, DialEvery: time.Second, CallLength: time.Second, StuckCalls: 2,
		})
		time.Sleep(time.Hour)
		if p := get(t, a, id); p.count("calling") != 2 || p.count("pending") != 18 {
			t.Fatalf("before: %d calling, %d pending", p.count("calling"), p.count("pending"))
		}
		a.EndStuckCalls(id)
		ended := time.Now()
		if p := get(t, a, id); p.count("failed") != 2 || p.Batch.Failed != 2 || !p.Recipients[0].CompletedAt.Equal(ended) {
			t.Errorf("after: %d failed, %+v", p.count("failed"), p.Batch)
		}
		if c := a.Calls()[0]; c.Outcome != "failed" || !c.CompletedAt.Equal(ended) {
			t.Errorf("the call is %+v", c)
		}
		time.Sleep(time.Hour)
		if p := get(t, a, id); p.Batch.Status != "completed" {
			t.Errorf("an hour later %+v", p.Batch)
		}
	})
}

func TestBatchesReturnsRunsAfterTheirParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		old := a.Add(simulator.Campaign{Name: "Old", Recipients: 5, Status: "draft"})
		time.Sleep(time.Second)
		series := a.Add(simulator.Campaign{Name: "Daily", Recipients: 3, Recurrence: "daily"})
		first, second := a.Spawn(series), a.Spawn(series)
		want := []simulator.BatchState{
			{ID: series, Name: "Daily", Status: "recurring", Pending: 3},
			{ID: second, Name: "Daily — Run #2", Status: "running", Pending: 3},
			{ID: first, Name: "Daily — Run #1", Status: "running", Pending: 3},
			{ID: old, Name: "Old", Status: "draft", Pending: 5},
		}
		if got := a.Batches(); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
