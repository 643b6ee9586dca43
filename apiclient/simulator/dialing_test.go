package simulator_test

import (
	"slices"
	"strings"
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
	for _, c := range []struct {
		queued   bool
		outcomes simulator.Outcomes
		want     string
	}{
		{false, simulator.Outcomes{Completed: 1}, "pending calling initiated ringing in_progress completed"},
		{false, simulator.Outcomes{NoAnswer: 1}, "pending calling initiated ringing no_answer"},
		{true, simulator.Outcomes{Canceled: 1}, "pending calling queued initiated ringing canceled"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := simulator.New(simulator.Options{PerHour: -1, PerMinute: -1})
			id := a.Add(simulator.Campaign{
				Recipients: 1, DialEvery: time.Second, CallLength: time.Minute, Outcomes: c.outcomes, Queued: c.queued,
			})
			var seen []string
			for range 1800 {
				time.Sleep(200 * time.Millisecond)
				seen = append(seen, get(t, a, id).Recipients[0].Status)
			}
			if got := strings.Join(slices.Compact(seen), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestACanceledCallHasNoEndAndIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PerHour: -1, PerMinute: -1})
		c := brisk(200)
		c.Outcomes = simulator.Outcomes{Completed: 1, Canceled: 1}
		c.UpdatedAt = time.Now()
		moving := a.Add(c)
		c.Status = "completed"
		c.CreatedAt, c.CompletedAt = time.Now().Add(-time.Hour), time.Now()
		past := a.Add(c)
		before := get(t, a, moving)
		for before.Batch.Status == "running" {
			time.Sleep(3 * time.Second)
			p := get(t, a, moving)
			if p.count("completed") == before.count("completed") && p.Batch != before.Batch && p.Batch.Status == "running" {
				t.Errorf("%d canceled: %+v became %+v", p.count("canceled"), before.Batch, p.Batch)
			}
			before = p
		}
		for _, id := range []string{moving, past} {
			p := get(t, a, id)
			completed, canceled := p.count("completed"), p.count("canceled")
			if canceled < 70 || completed+canceled != 200 || p.Batch.Completed != completed || p.Batch.Failed != 0 {
				t.Errorf("%+v with %d canceled and %d completed", p.Batch, canceled, completed)
			}
			for _, r := range p.Recipients {
				if r.AttemptedAt == nil || (r.CompletedAt == nil) != (r.Status == "canceled") {
					t.Errorf("%+v", r)
				}
			}
		}
		canceled := 0
		for _, call := range a.Calls() {
			if call.Outcome == "canceled" {
				canceled++
			}
		}
		if n := get(t, a, moving).count("canceled") + get(t, a, past).count("canceled"); canceled != n {
			t.Errorf("%d calls canceled, %d recipients", canceled, n)
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

func TestOutsideItsWindowABatchStaysRunningAndOnlyItsCallsInFlightEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := busy()
		c.Recipients, c.WindowStart, c.WindowEnd = 400, "09:00:00", "11:00:00"
		id := a.Add(c)
		time.Sleep(11*time.Hour + time.Minute) // the bubble's clock starts at midnight
		closed := get(t, a, id)
		if closed.Batch.Status != "running" || closed.count(active...) != 3 || closed.count("pending") == 0 {
			t.Errorf("at the close: %+v, %d active", closed.Batch, closed.count(active...))
		}
		time.Sleep(2 * time.Hour)
		ended := get(t, a, id)
		if ended.count(active...) != 0 || ended.count("pending") != closed.count("pending") {
			t.Errorf("after the close: %d active, %d pending", ended.count(active...), ended.count("pending"))
		}
		if n := ended.Batch.Completed + ended.Batch.Failed - closed.Batch.Completed - closed.Batch.Failed; n != 3 {
			t.Errorf("%d calls ended after the close", n)
		}
		time.Sleep(20 * time.Hour)
		if night := get(t, a, id).Batch; night != ended.Batch {
			t.Errorf("at night %+v became %+v", ended.Batch, night)
		}
		time.Sleep(2 * time.Minute)
		if p := get(t, a, id); p.Batch.Status != "running" || p.count("pending") >= ended.count("pending") {
			t.Errorf("the next morning: %+v, %d pending", p.Batch, p.count("pending"))
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

// dialled returns the batches with a call attempted from the given time on.
func dialled(a *simulator.Account, since time.Time) map[string]bool {
	ids := make(map[string]bool)
	for _, c := range a.Calls() {
		if !c.AttemptedAt.Before(since) {
			ids[c.BatchID] = true
		}
	}
	return ids
}

func TestTheDialerLooksAtSomeBatchesAtATimeAndTheOthersStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{DialBatches: 4, DialTurn: 24 * time.Hour})
		for range 30 {
			a.Add(brisk(400))
		}
		start := time.Now()
		time.Sleep(15 * time.Minute)
		if n := len(dialled(a, start)); n != 4 {
			t.Errorf("%d batches were dialled at first, want 4", n)
		}
		for _, b := range list(t, a).Batches {
			if b.Status != "running" || (b.Completed+b.Failed > 0) != dialled(a, start)[b.ID] {
				t.Errorf("row %+v", b)
			}
		}
		time.Sleep(6 * time.Hour)
		for _, b := range list(t, a).Batches {
			if b.Status != "completed" {
				t.Errorf("in the end: %+v", b)
			}
		}
	})
}

func TestTheDialerTurnsToTheOthersInNoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{DialBatches: 3, DialTurn: 10 * time.Minute})
		for range 30 {
			a.Add(brisk(1000))
		}
		turns := make(map[string]int)
		for range 100 {
			start := time.Now()
			time.Sleep(5 * time.Minute) // the shortest turn: each place changes hands at most once
			ids := dialled(a, start)
			if len(ids) < 3 || len(ids) > 6 {
				t.Errorf("%d batches in five minutes, want 3 to 6", len(ids))
			}
			for id := range ids {
				turns[id]++
			}
		}
		if len(turns) < 28 {
			t.Errorf("%d of 30 batches have had a turn", len(turns))
		}
		if n := len(a.Calls()); n < 20_000 || n > 24_000 {
			t.Errorf("%d dials in 500 minutes, want about 22,000: three batches of three slots each", n)
		}
	})
}

func TestTheDialerLeavesABatchThatHasNothingToDial(t *testing.T) {
	for name, leave := range map[string]func(*simulator.Account, string){
		"its window closes": func(*simulator.Account, string) { time.Sleep(time.Hour) },
		"it is paused":      (*simulator.Account).Pause,
		"it is cancelled":   (*simulator.Account).Cancel,
		"it is deleted":     (*simulator.Account).Delete,
		"all are dialled": func(a *simulator.Account, id string) {
			a.SetRecipients(id, []simulator.Recipient{{}, {Status: "calling", AttemptedAt: time.Now()}})
			time.Sleep(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := simulator.New(simulator.Options{DialBatches: 1, DialTurn: 240 * time.Hour})
				c := brisk(4000)
				c.WindowEnd, c.CallLength = "00:59:00", time.Millisecond // no call ends when the window closes, so nothing else would reveal it
				first := a.Add(c)
				start := time.Now()
				second := a.Add(brisk(1000))
				time.Sleep(10 * time.Minute)
				if ids := dialled(a, start); !ids[first] || ids[second] {
					t.Fatalf("dialled at first: %v, want %s alone", ids, first)
				}
				leave(a, first)
				time.Sleep(time.Minute)
				if ids := dialled(a, time.Now().Add(-time.Minute)); ids[first] || !ids[second] {
					t.Errorf("dialled then: %v, want %s alone", ids, second)
				}
			})
		})
	}
}

func TestABatchWhoseWindowOpensWaitsForTheDialer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{DialBatches: 1, DialTurn: 240 * time.Hour})
		c := brisk(10)
		c.WindowStart, c.WindowEnd = "03:00:00", "04:00:00"
		morning, all := a.Add(c), a.Add(brisk(4000))
		time.Sleep(8 * time.Hour)
		if n := get(t, a, morning).count("pending"); n != 10 {
			t.Errorf("%d of 10 pending while the other is dialled", n)
		}
		a.Pause(all)
		time.Sleep(3 * time.Hour)
		if n := get(t, a, morning).count("pending"); n != 10 {
			t.Errorf("%d of 10 pending outside the window", n)
		}
		time.Sleep(24 * time.Hour)
		if b := get(t, a, morning).Batch; b.Status != "completed" {
			t.Errorf("after its window: %+v", b)
		}
	})
}
