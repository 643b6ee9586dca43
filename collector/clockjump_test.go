package collector

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"magpipe_exporter/apiclient"
)

// jumped makes an account whose process reads an hour too much or too little on its clock since it started.
func jumped(jump time.Duration) (a *account, theirs, ours time.Time) {
	a = newAccount(&Config{FinishedRetention: time.Hour, MaxBatches: 10}, newInstruments(newCatalogue(true)))
	began := time.Now().Round(0)
	a.meet(apiclient.Exchange{Date: began, DateAt: began})
	theirs = began.Add(10 * time.Minute)
	ours = theirs.Add(jump)
	for range 2 {
		a.meet(apiclient.Exchange{Date: theirs, DateAt: ours})
	}
	return a, theirs, ours
}

func TestAJumpOfTheProcessesClockCountsNoCallTwiceAndNoneTooFew(t *testing.T) {
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		a, theirs, ours := jumped(jump)
		read := func(at time.Time, attempts ...time.Time) {
			got := &tally{batchID: "b", seed: a.seed}
			for i, attempt := range attempts {
				got.add(apiclient.Recipient{Key: uint64(i) + 1, Status: apiclient.RecipientBusy, AttemptedAt: attempt, CompletedAt: attempt.Add(time.Second)})
			}
			a.seeGet(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning}, got, at)
		}
		read(ours, theirs.Add(-time.Minute))
		a.dropLedger("b") // and it returns, with its old call and a new one
		read(ours.Add(time.Minute), theirs.Add(-time.Minute), theirs.Add(30*time.Second))
		if got := testutil.ToFloat64(a.inst.callsStarted); got != 2 {
			t.Errorf("after a jump of %v %v calls were counted, want 2", jump, got)
		}
	}
}

func TestAJumpOfTheProcessesClockHidesNoBatchThatJustEnded(t *testing.T) {
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		a, theirs, ours := jumped(jump)
		a.seeRow(apiclient.Batch{ID: "b", Status: apiclient.BatchCompleted, CompletedAt: theirs.Add(-time.Minute)}, ours)
		for since, want := range map[time.Duration]bool{0: true, 58 * time.Minute: true, 60 * time.Minute: false} {
			if got := a.retained(a.batches["b"], ours.Add(since)); got != want {
				t.Errorf("after a jump of %v, %v later: retained %v", jump, since, got)
			}
		}
	}
}

func TestAJumpOfTheProcessesClockLeavesWhatEndedSinceItsStartToBeRead(t *testing.T) {
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		a, theirs, ours := jumped(jump)
		for id, ended := range map[string]time.Time{"since": theirs.Add(-9 * time.Minute), "before": theirs.Add(-11 * time.Minute)} {
			a.seeRow(apiclient.Batch{ID: id, Status: apiclient.BatchCompleted, CompletedAt: ended}, ours)
			if got := a.batches[id].owed; got != (id == "since") {
				t.Errorf("after a jump of %v: what ended %s the start is owed: %v", jump, id, got)
			}
		}
	}
}

func TestOneAnswerWithAnotherDateMovesNoClock(t *testing.T) {
	a, theirs, ours := jumped(0)
	for _, date := range []time.Duration{time.Hour, 0, time.Hour, -time.Hour, time.Hour, time.Second, -2 * time.Hour} {
		a.meet(apiclient.Exchange{Date: theirs.Add(date), DateAt: ours})
		if a.clock.skew != 0 {
			t.Fatalf("the clock moved by %v with one answer", a.clock.skew)
		}
	}
}
