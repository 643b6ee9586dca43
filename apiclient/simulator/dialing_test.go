package simulator_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestABatchWhoseRecipientsHaveEndedIsCompletedWithTrueCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{Seed: 3})
		id := a.Add(brisk(60))
		time.Sleep(time.Minute)
		if p := get(t, a, id); p.Batch.Status != "running" || p.count("pending") == 0 || p.count("pending") == 60 {
			t.Fatalf("after a minute: %s, %d pending", p.Batch.Status, p.count("pending"))
		}
		time.Sleep(time.Hour)
		p := get(t, a, id)
		completed, failed := p.count("completed"), p.count("failed", "busy", "no_answer")
		if p.Batch.Status != "completed" || completed+failed != 60 || completed < 25 || failed < 5 {
			t.Fatalf("%s with %d completed and %d failed", p.Batch.Status, completed, failed)
		}
		if p.Batch.Completed != completed || p.Batch.Failed != failed {
			t.Errorf("counts %d and %d, recipients %d and %d", p.Batch.Completed, p.Batch.Failed, completed, failed)
		}
		var last time.Time
		for _, r := range p.Recipients {
			last = time.Unix(0, max(last.UnixNano(), r.CompletedAt.UnixNano()))
		}
		if end, err := time.Parse(time.RFC3339, p.Batch.CompletedAt); err != nil || !end.Equal(last) {
			t.Errorf("completed at %s, last call at %s", p.Batch.CompletedAt, last)
		}
	})
}

func TestSlotsPaceAndLengthAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{Seed: 5, PerHour: -1, PerMinute: -1})
		c := brisk(1200)
		c.CallLength = 2 * time.Second
		id := a.Add(c)
		for range 80 {
			time.Sleep(45 * time.Second)
			if n := get(t, a, id).count("calling", "initiated", "ringing", "in_progress"); n > 3 {
				t.Fatalf("%d calls in flight in 3 slots", n)
			}
		}
		var total time.Duration
		calls := a.Calls()
		for _, c := range calls {
			if !c.CompletedAt.IsZero() {
				total += c.CompletedAt.Sub(c.AttemptedAt)
			}
		}
		if n := len(calls); n < 1000 || n > 1150 {
			t.Errorf("%d dials in an hour, want about 1080", n)
		}
		if mean := total / time.Duration(len(calls)); mean < 1700*time.Millisecond || mean > 2300*time.Millisecond {
			t.Errorf("calls last %v, want about 2s", mean)
		}
	})
}

func TestACallPassesThroughItsStatesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PerHour: -1, PerMinute: -1})
		id := a.Add(simulator.Campaign{
			Recipients: 1, DialEvery: time.Second, CallLength: time.Minute, Outcomes: simulator.Outcomes{Completed: 1},
		})
		var seen []string
		for range 3600 {
			time.Sleep(100 * time.Millisecond)
			seen = append(seen, get(t, a, id).Recipients[0].Status)
		}
		want := []string{"pending", "calling", "initiated", "ringing", "in_progress", "completed"}
		if seen = slices.Compact(seen); !slices.Equal(seen, want) {
			t.Errorf("got %v, want %v", seen, want)
		}
	})
}

func TestARowMovesWhenACallEndsAndNotWhenOneStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PerHour: -1, PerMinute: -1})
		c := brisk(30)
		c.UpdatedAt = time.Now()
		id := a.Add(c)
		before := get(t, a, id)
		starts, ends := 0, 0
		for before.Batch.Status == "running" {
			time.Sleep(50 * time.Millisecond)
			after := get(t, a, id)
			ended := before.count("pending", "calling", "initiated", "ringing", "in_progress") -
				after.count("pending", "calling", "initiated", "ringing", "in_progress")
			b := after.Batch
			if b.Completed+b.Failed-before.Batch.Completed-before.Batch.Failed != ended {
				t.Fatalf("%d calls ended, %+v became %+v", ended, before.Batch, b)
			}
			switch newest := after.newestEnd(); {
			case ended == 0 && b != before.Batch:
				t.Fatalf("no call ended, %+v became %+v", before.Batch, b)
			case ended > 0 && b.UpdatedAt != newest.Format("2006-01-02T15:04:05.999999+00:00"):
				t.Fatalf("a call ended at %s, row %+v", newest, b)
			}
			starts += before.count("pending") - after.count("pending")
			ends += ended
			before = after
		}
		if starts != 30 || ends != 30 {
			t.Errorf("%d starts and %d ends seen", starts, ends)
		}
	})
}

func TestABatchStopsAtStallAfterAndStuckCallsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		stalled, stuck := brisk(50), brisk(50)
		stalled.StallAfter, stuck.StuckCalls = 20, 2
		first, second := a.Add(stalled), a.Add(stuck)
		time.Sleep(2 * time.Hour)
		if p := get(t, a, first); p.Batch.Status != "running" || p.count("pending") != 30 {
			t.Errorf("stalled: %s with %d pending", p.Batch.Status, p.count("pending"))
		}
		if p := get(t, a, second); p.Batch.Status != "running" || p.count("calling") != 2 || p.count("pending") != 0 {
			t.Errorf("stuck: %s with %d calling", p.Batch.Status, p.count("calling"))
		}
	})
}
