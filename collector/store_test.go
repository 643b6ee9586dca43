package collector

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
)

// newTestStore returns a store without a collector.
func newTestStore(cfg *Config) *store {
	cfg.WindowZone, cfg.API.Budget = time.UTC, apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500})
	return newStore(cfg, apiclient.New(cfg.API), newCounters(newCatalogue(true)))
}

// storeWith returns a store that has recorded one list of running batches, and has
// requested the recipients of each since.
func storeWith(ids ...string) (s *store, shown time.Time) {
	shown = time.Now().Add(-time.Minute)
	anytime := apiclient.Window{Start: -1, End: -1, Days: apiclient.EveryDay}
	s = newTestStore(&Config{MaxBatches: 10, MinRefresh: 10 * time.Second, FinishedRetention: time.Hour})
	s.lastInTurn = time.Now()
	for _, id := range ids {
		s.update(apiclient.Batch{ID: id, Status: apiclient.BatchRunning, Window: anytime}, shown, true)
		s.batches[id].AskedAt = shown
		s.batches[id].Stats = &recipientStats{ReadAt: shown, Row: fingerprintOf(&s.batches[id].Row)}
		s.batches[id].Stats.Counts[apiclient.RecipientPending] = 1
	}
	return s, shown
}

// urgencies returns the urgencies of the gets that are due now, by batch.
func urgencies(s *store) map[string]urgency {
	found := map[string]urgency{}
	for _, c := range plan(s, time.Now()) {
		if c.action == apiclient.ActionGet {
			found[c.id] = c.urgency
		}
	}
	return found
}

func TestAnAnswerToAnOlderRequestDoesNotReplaceWhatIsNewer(t *testing.T) {
	s, shown := storeWith("b")
	s.update(apiclient.Batch{ID: "b", Status: apiclient.BatchPaused}, shown.Add(2*time.Second), true)
	s.update(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning}, shown.Add(time.Second), true)
	if got := s.batches["b"].Row.Status; got != apiclient.BatchPaused {
		t.Errorf("the batch is %v, want paused", got)
	}
}

func TestABatchThatTheListShowsEndedIsReadFirstUnlessThatFails(t *testing.T) {
	s, shown := storeWith("left", "runs")
	s.update(apiclient.Batch{ID: "left", Status: apiclient.BatchCompleted}, shown.Add(time.Second), true)
	if got := urgencies(s); got["left"] != stopped || got["runs"] != inTurn {
		t.Errorf("urgencies %v", got)
	}
	s.batches["left"].AskedAt = time.Now().Add(-20 * time.Second)
	s.batches["left"].StoppedAt = time.Now().Add(-30 * time.Second)
	s.recordGetFailure(s.batches["left"], apiclient.ErrTooLarge)
	if got := urgencies(s); got["left"] != inTurn {
		t.Errorf("urgencies after a failed get: %v; it must not keep others from being read", got)
	}
}

func TestForgottenRunsDoNotStayInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(&Config{MaxBatches: 10, FinishedRetention: time.Hour})
		s.update(apiclient.Batch{ID: "recurring", Status: apiclient.BatchRecurring, Recurrence: "daily"}, time.Now(), true)
		s.listings.begin(request{action: apiclient.ActionListRuns, id: "recurring"}, time.Now(), apiclient.Count{})
		for i := range 10_000 {
			id, now := fmt.Sprint("run", i), time.Now()
			s.update(apiclient.Batch{ID: id, ParentID: "recurring", Status: apiclient.BatchRunning}, now, true)
			reader := &recipientReader{batch: id}
			reader.add(apiclient.Recipient{Key: 1, Status: apiclient.RecipientCompleted, AttemptedAt: now, CompletedAt: now})
			s.recordGet(apiclient.Batch{ID: id, ParentID: "recurring", Status: apiclient.BatchRunning}, reader, now)
			time.Sleep(time.Second)
			reader = &recipientReader{batch: id}
			s.recordGet(apiclient.Batch{ID: id, ParentID: "recurring", Status: apiclient.BatchCompleted}, reader, time.Now())
		}
		time.Sleep(25 * time.Hour)
		s.sweep(time.Now())
		if got := len(s.batches); got != 1 {
			t.Errorf("%d batches are remembered, want the recurring one alone", got)
		}
		before := s.clock.started
		s.update(apiclient.Batch{ID: "run1", ParentID: "recurring", Status: apiclient.BatchCompleted, CompletedAt: before.Add(2 * time.Second)}, time.Now(), true)
		if s.batches["run1"].GetPending {
			t.Error("a run that was read before it was forgotten is to be read again: its calls would count twice")
		}
	})
}
