package simulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// active are the states of calls in flight.
var active = []string{"calling", "initiated", "ringing", "in_progress"}

// busy returns a campaign whose three slots are always taken: calls are much longer than the gaps.
func busy() simulator.Campaign {
	return simulator.Campaign{
		Name: "Busy", Recipients: 40, MaxConcurrency: 3, DialEvery: time.Second, CallLength: 5 * time.Minute,
	}
}

func TestCancelSkipsPendingRecipientsAndCallsInFlightStillEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(busy())
		time.Sleep(10 * time.Minute)
		before := get(t, a, id)
		a.Cancel(id)
		p := get(t, a, id)
		if p.Batch.Status != "cancelled" || p.Batch.CompletedAt != "" || p.count("pending") != 0 {
			t.Errorf("%+v with %d pending", p.Batch, p.count("pending"))
		}
		if p.count("skipped") != before.count("pending") || p.count(active...) != 3 {
			t.Errorf("%d skipped, %d active", p.count("skipped"), p.count(active...))
		}
		updated := p.Batch.UpdatedAt
		time.Sleep(time.Hour)
		p = get(t, a, id)
		if p.Batch.Status != "cancelled" || p.count(active...) != 0 || p.Batch.UpdatedAt == updated {
			t.Errorf("an hour later %+v, %d active", p.Batch, p.count(active...))
		}
		if n := p.Batch.Completed + p.Batch.Failed; n+p.count("skipped") != 40 {
			t.Errorf("%d ended, %d skipped", n, p.count("skipped"))
		}
	})
}

func TestPauseStopsDialsButNotCallsAndResumeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(busy())
		time.Sleep(10 * time.Minute)
		a.Pause(id)
		pending := get(t, a, id).count("pending")
		time.Sleep(2 * time.Hour)
		p := get(t, a, id)
		if p.Batch.Status != "paused" || p.count("pending") != pending || p.count(active...) != 0 || p.Runs == nil {
			t.Errorf("%s, %d pending, want %d; runs %v", p.Batch.Status, p.count("pending"), pending, p.Runs)
		}
		a.Resume(id)
		time.Sleep(4 * time.Hour)
		if p := get(t, a, id); p.Batch.Status != "completed" {
			t.Errorf("after resuming: %s", p.Batch.Status)
		}
	})
}

func TestARerunBeginsAgainAndKeepsTheOldEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(brisk(20))
		a.Rerun(id)
		if p := get(t, a, id); p.Batch.StartedAt != "" {
			t.Error("a running batch was run again")
		}
		time.Sleep(time.Hour)
		before := get(t, a, id).Batch
		a.Rerun(id)
		p := get(t, a, id)
		if b := p.Batch; b.Status != "running" || b.Completed+b.Failed != 0 || p.count("pending") != 20 ||
			b.CompletedAt != before.CompletedAt || b.StartedAt != b.UpdatedAt || b.CreatedAt != before.CreatedAt {
			t.Errorf("%+v became %+v", before, b)
		}
		time.Sleep(time.Hour)
		if b := get(t, a, id).Batch; b.Status != "completed" || b.CompletedAt <= before.CompletedAt {
			t.Errorf("after the second round: %+v", b)
		}
		calls := a.Calls()
		again := make(map[string]int)
		for _, c := range calls {
			again[c.RecipientID]++
		}
		if len(calls) != 40 || len(again) != 20 {
			t.Errorf("%d calls to %d recipients, want 40 to 20", len(calls), len(again))
		}
	})
}

func TestARetryCallsOneRecipientAgainWithoutResettingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(brisk(10))
		time.Sleep(time.Hour)
		a.Retry(id, 4)
		a.Retry(id, 10)
		p := get(t, a, id)
		if p.Batch.Status != "running" || p.Recipients[4].Status != "pending" || p.Batch.Completed+p.Batch.Failed != 10 {
			t.Errorf("%+v, recipient %+v", p.Batch, p.Recipients[4])
		}
		time.Sleep(time.Hour)
		p = get(t, a, id)
		if p.Batch.Status != "completed" || p.Batch.Completed+p.Batch.Failed != 11 || len(a.Calls()) != 11 {
			t.Errorf("%+v with %d calls", p.Batch, len(a.Calls()))
		}
	})
}

func TestDriftChangesOnlyTheCountsInAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(brisk(10))
		a.Drift(id, 100, -30)
		time.Sleep(time.Hour)
		p := get(t, a, id)
		completed := p.count("completed")
		if p.Batch.Completed != completed+100 || p.Batch.Failed != 10-completed-30 {
			t.Errorf("%+v with %d completed", p.Batch, completed)
		}
	})
}

func TestStatesChangeOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Status: "draft", Recipients: 2, DialEvery: time.Minute})
		set := func(status string) func(string) {
			return func(id string) { a.SetStatus(id, status) }
		}
		for _, c := range []struct {
			do   func(string)
			want string
		}{
			{a.Pause, "draft"}, {a.Resume, "draft"}, {a.Start, "running"}, {a.Start, "running"}, {a.Pause, "paused"},
			{a.Start, "running"}, {set("failed"), "failed"}, {a.Cancel, "failed"}, {a.Rerun, "running"},
			{a.Complete, "completed"}, {set("zzz"), "zzz"},
		} {
			time.Sleep(time.Second)
			c.do(id)
			if got := get(t, a, id).Batch.Status; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		}
		a.Delete(id)
		a.Delete(id)
		a.Start(id)
		if n := len(list(t, a).Batches); n != 0 {
			t.Errorf("%d batches after the deletion", n)
		}
	})
}

func TestAScheduledBatchStartsByItselfIfItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(5)
		c.Status, c.ScheduledAt = "scheduled", time.Now().Add(time.Hour)
		moving := a.Add(c)
		c.DialEvery = 0
		frozen := a.Add(c)
		time.Sleep(time.Hour - time.Microsecond)
		if s := get(t, a, moving).Batch.Status; s != "scheduled" {
			t.Errorf("%s before its time", s)
		}
		time.Sleep(time.Microsecond)
		if b := get(t, a, moving).Batch; b.Status != "running" || b.StartedAt == "" || b.UpdatedAt != "" {
			t.Errorf("at its time: %+v", b)
		}
		if s := get(t, a, frozen).Batch.Status; s != "scheduled" {
			t.Errorf("the frozen one is %s", s)
		}
	})
}
