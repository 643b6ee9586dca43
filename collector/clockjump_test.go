package collector

import (
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"magpipe_exporter/apiclient"
)

// set is a moment as our clock shows it after it was set forward or back by whole seconds: its wall clock alone moved.
func set(t *testing.T, moment time.Time, by time.Duration) time.Time {
	t.Helper()
	moved := moment
	//nolint:gosec // Nothing else sets the one clock of a time and not the other.
	*(*int64)(unsafe.Pointer(&moved)) += int64(by/time.Second) << 30 // nanoseconds below, the monotonic flag above
	if moved.Sub(moment) != 0 || moved.Round(0).Sub(moment.Round(0)) != by {
		t.Fatalf("%v set by %v is %v: no such layout of a time", moment, by, moved)
	}
	return moved
}

// begun makes an account whose process has run for ten minutes when theirs is, and whose clock is that of the API.
func begun() (a *store, theirs time.Time) {
	a = newTestStore(&Config{FinishedRetention: time.Hour, MaxBatches: 10})
	return a, a.clock.started.Add(10 * time.Minute)
}

// answers of the API come at a time of ours.
func (a *store) answers(n int, theirs, ours time.Time) {
	for range n {
		a.clock.observe(theirs.Round(0), ours)
	}
}

// jumped makes an account whose process's clock was set since it started, after some answers.
func jumped(t *testing.T, jump time.Duration, before int) (a *store, theirs, ours time.Time) {
	t.Helper()
	a, theirs = begun()
	a.answers(before, a.clock.started, a.clock.started)
	ours = set(t, theirs, jump)
	a.answers(2, theirs, ours)
	return a, theirs.Round(0), ours
}

var jumps = []time.Duration{0, time.Hour, -time.Hour}

// read takes in a whole answer with calls of one second each.
func (a *store) read(sent time.Time, attempts ...time.Time) {
	got := &recipientReader{batch: "b"}
	for i, attempt := range attempts {
		got.add(apiclient.Recipient{Key: uint64(i) + 1, Status: apiclient.RecipientBusy, AttemptedAt: attempt, CompletedAt: attempt.Add(time.Second)})
	}
	a.recordGet(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning}, got, sent)
}

func (a *store) wantStarted(t *testing.T, want float64, after string, jump time.Duration) {
	t.Helper()
	if got := testutil.ToFloat64(a.counters.callsStarted); got != want {
		t.Errorf("after %s by %v %v calls were counted, want %v", after, jump, got, want)
	}
}

func TestAJumpOfTheProcessesClockCountsNoCallTwiceAndNoneTooFew(t *testing.T) {
	for _, jump := range jumps {
		for _, before := range []int{0, 1, 2} {
			a, theirs, ours := jumped(t, jump, before)
			a.read(ours, theirs.Add(-11*time.Minute), theirs.Add(-time.Minute))
			a.batches["b"].dropLedger() // and it returns, with its old calls and a new one
			a.read(ours.Add(time.Minute), theirs.Add(-11*time.Minute), theirs.Add(-time.Minute), theirs.Add(30*time.Second))
			a.wantStarted(t, 2, "a jump", jump)
		}
	}
}

func TestAJumpBetweenTheLastReadOfABatchAndItsReturnCountsNoCallTwiceAndNoneTooFew(t *testing.T) {
	for name, moved := range map[string]func(theirs time.Time, jump time.Duration) (date, ours time.Time){
		"a jump of our clock": func(theirs time.Time, jump time.Duration) (_, _ time.Time) { return theirs, set(t, theirs, jump) },
		"a jump of the Date":  func(theirs time.Time, jump time.Duration) (_, _ time.Time) { return theirs.Add(jump), theirs },
		"a jump of both clocks": func(theirs time.Time, jump time.Duration) (_, _ time.Time) {
			return theirs.Add(jump), set(t, theirs, jump)
		},
	} {
		for _, jump := range jumps {
			a, theirs := begun()
			a.answers(2, a.clock.started, a.clock.started)
			call := theirs.Round(0).Add(-time.Minute)
			a.read(theirs, call)
			date, ours := moved(theirs, jump)
			a.answers(2, date, ours)
			a.batches["b"].dropLedger()
			a.read(ours.Add(time.Minute), call, theirs.Round(0).Add(30*time.Second))
			a.wantStarted(t, 2, name, jump)
		}
	}
}

func TestAWrongDateAmongTheFirstThreeCountsNoCallTwiceAndNoneTooFew(t *testing.T) {
	for _, jump := range jumps {
		for wrong := range 3 {
			a, theirs := begun()
			old, news := theirs.Round(0).Add(-11*time.Minute), theirs.Round(0).Add(-time.Minute)
			for i := range 3 {
				date := theirs
				if i == wrong {
					date = date.Add(jump)
				}
				a.answers(1, date, theirs)
				if i > 0 { // the first is the list
					a.read(theirs, old, news, old, news)
				}
			}
			a.wantStarted(t, 2, "a wrong Date", jump)
		}
	}
}

func TestAJumpOfTheProcessesClockHidesNoBatchThatJustEnded(t *testing.T) {
	for _, jump := range jumps {
		a, theirs, ours := jumped(t, jump, 1)
		a.update(apiclient.Batch{ID: "b", Status: apiclient.BatchCompleted, CompletedAt: theirs.Add(-time.Minute)}, ours, true)
		for since, want := range map[time.Duration]bool{0: true, 58 * time.Minute: true, 60 * time.Minute: false} {
			if got := a.retained(a.batches["b"], ours.Add(since)); got != want {
				t.Errorf("after a jump of %v, %v later: retained %v", jump, since, got)
			}
		}
	}
}

func TestAJumpOfTheProcessesClockLeavesWhatEndedSinceItsStartToBeRead(t *testing.T) {
	for _, jump := range jumps {
		a, theirs, ours := jumped(t, jump, 1)
		for id, ended := range map[string]time.Time{"since": theirs.Add(-9 * time.Minute), "before": theirs.Add(-11 * time.Minute)} {
			a.update(apiclient.Batch{ID: id, Status: apiclient.BatchCompleted, CompletedAt: ended}, ours, true)
			if got := a.batches[id].getPending; got != (id == "since") {
				t.Errorf("after a jump of %v: what ended %s the start is owed: %v", jump, id, got)
			}
		}
	}
}

func TestAFirstAnswerWithAWrongDateLeavesWhatEndedSinceTheStartToBeRead(t *testing.T) {
	for _, jump := range jumps {
		a, theirs := begun()
		a.answers(1, theirs.Add(jump), theirs)
		a.answers(1, theirs, theirs)
		for id, ended := range map[string]time.Time{"since": theirs.Add(-9 * time.Minute), "before": theirs.Add(-11 * time.Minute)} {
			a.update(apiclient.Batch{ID: id, Status: apiclient.BatchCompleted, CompletedAt: ended.Round(0)}, theirs, true)
			if got := a.batches[id].getPending; got != (id == "since") {
				t.Errorf("after a Date that is wrong by %v: what ended %s the start is owed: %v", jump, id, got)
			}
		}
	}
}

func TestOneAnswerWithAnotherDateMovesNoClock(t *testing.T) {
	a, theirs, ours := jumped(t, 0, 1)
	now := a.clock.current
	for _, date := range []time.Duration{time.Hour, 0, time.Hour, -time.Hour, time.Hour, time.Second, -2 * time.Hour} {
		a.answers(1, theirs.Add(date), ours)
		if !a.clock.current.Equal(now) {
			t.Fatalf("the clock moved by %v with one answer", a.clock.current.Sub(now))
		}
	}
}
