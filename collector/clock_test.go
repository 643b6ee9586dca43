package collector

import (
	"testing"
	"time"
	"unsafe"

	"magpipe_exporter/apiclient"
)

// jumps are the amounts by which a clock is set forward or back.
var jumps = []time.Duration{0, time.Hour, -time.Hour}

// setClock returns a time as the local clock shows it after it was set by whole
// seconds, which changes the wall clock but not the monotonic clock.
func setClock(t *testing.T, moment time.Time, by time.Duration) time.Time {
	t.Helper()
	moved := moment
	//nolint:gosec // There is no other way to change only the wall clock of a time.
	*(*int64)(unsafe.Pointer(&moved)) += int64(by/time.Second) << 30 // nanoseconds below, the monotonic flag above
	if moved.Sub(moment) != 0 || moved.Round(0).Sub(moment.Round(0)) != by {
		t.Fatalf("%v set by %v is %v: the layout of time.Time has changed", moment, by, moved)
	}
	return moved
}

// startedStore returns a store whose process started ten minutes before now. Its
// clock and the API's agree.
func startedStore() (s *store, now time.Time) {
	s = newTestStore(&Config{FinishedRetention: time.Hour, MaxBatches: 10})
	return s, s.clock.started.Add(10 * time.Minute)
}

// jumpedStore returns a store whose clock was set after some answers arrived, and
// the current time by the API's clock and by the local one.
func jumpedStore(t *testing.T, jump time.Duration, answersBefore int) (s *store, api, ours time.Time) {
	t.Helper()
	s, now := startedStore()
	s.observeDates(answersBefore, s.clock.started, s.clock.started)
	ours = setClock(t, now, jump)
	s.observeDates(2, now, ours)
	return s, now.Round(0), ours
}

// observeDates records some answers with the same Date, which arrive at the given
// local time.
func (s *store) observeDates(answers int, date, ours time.Time) {
	for range answers {
		s.clock.observe(date.Round(0), ours)
	}
}

// readCalls records a get that shows calls of one second each.
func (s *store) readCalls(sent time.Time, attempts ...time.Time) {
	reader := &recipientReader{batch: "b"}
	for i, attempt := range attempts {
		reader.add(apiclient.Recipient{Key: uint64(i) + 1, Status: apiclient.RecipientBusy, AttemptedAt: attempt, CompletedAt: attempt.Add(time.Second)})
	}
	s.recordGet(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning}, reader, sent)
}

func (s *store) wantStarted(t *testing.T, want float64, after string, jump time.Duration) {
	t.Helper()
	if got := s.counters.of("magpipe_calls_started_total", nil).Value; got != want {
		t.Errorf("after %s by %v %v calls were counted, want %v", after, jump, got, want)
	}
}

func TestAJumpOfOurClockCountsEachCallOnce(t *testing.T) {
	for _, jump := range jumps {
		for _, answersBefore := range []int{0, 1, 2} {
			s, api, ours := jumpedStore(t, jump, answersBefore)
			beforeStart, afterStart := api.Add(-11*time.Minute), api.Add(-time.Minute)
			s.readCalls(ours, beforeStart, afterStart)
			s.batches["b"].dropLedger() // and the batch reappears
			s.readCalls(ours.Add(time.Minute), beforeStart, afterStart, api.Add(30*time.Second))
			s.wantStarted(t, 2, "a jump", jump)
		}
	}
}

func TestAJumpBetweenTheLastReadOfABatchAndItsReturnCountsEachCallOnce(t *testing.T) {
	for name, moved := range map[string]func(now time.Time, jump time.Duration) (date, ours time.Time){
		"a jump of our clock": func(now time.Time, jump time.Duration) (_, _ time.Time) { return now, setClock(t, now, jump) },
		"a jump of the Date":  func(now time.Time, jump time.Duration) (_, _ time.Time) { return now.Add(jump), now },
		"a jump of both clocks": func(now time.Time, jump time.Duration) (_, _ time.Time) {
			return now.Add(jump), setClock(t, now, jump)
		},
	} {
		for _, jump := range jumps {
			s, now := startedStore()
			s.observeDates(2, s.clock.started, s.clock.started)
			call := now.Round(0).Add(-time.Minute)
			s.readCalls(now, call)
			date, ours := moved(now, jump)
			s.observeDates(2, date, ours)
			s.batches["b"].dropLedger()
			s.readCalls(ours.Add(time.Minute), call, now.Round(0).Add(30*time.Second))
			s.wantStarted(t, 2, name, jump)
		}
	}
}

func TestAWrongDateAmongTheFirstThreeCountsEachCallOnce(t *testing.T) {
	for _, jump := range jumps {
		for wrong := range 3 {
			s, now := startedStore()
			beforeStart, afterStart := now.Round(0).Add(-11*time.Minute), now.Round(0).Add(-time.Minute)
			for i := range 3 {
				date := now
				if i == wrong {
					date = date.Add(jump)
				}
				s.observeDates(1, date, now)
				if i > 0 { // the first answer is the list
					s.readCalls(now, beforeStart, afterStart, beforeStart, afterStart)
				}
			}
			s.wantStarted(t, 2, "a wrong Date", jump)
		}
	}
}

func TestAJumpOfOurClockHidesNoBatchThatJustEnded(t *testing.T) {
	for _, jump := range jumps {
		s, api, ours := jumpedStore(t, jump, 1)
		s.update(apiclient.Batch{ID: "b", Status: apiclient.BatchCompleted, CompletedAt: api.Add(-time.Minute)}, ours, true)
		for since, want := range map[time.Duration]bool{0: true, 58 * time.Minute: true, 60 * time.Minute: false} {
			if got := s.retained(s.batches["b"], ours.Add(since)); got != want {
				t.Errorf("after a jump of %v, %v later: retained %v", jump, since, got)
			}
		}
	}
}

func TestAfterAJumpOfOurClockABatchThatEndedSinceTheStartIsRead(t *testing.T) {
	for _, jump := range jumps {
		s, api, ours := jumpedStore(t, jump, 1)
		s.wantReadIfEndedSinceStart(t, api, ours, jump)
	}
}

func TestAfterAWrongDateInTheFirstAnswerABatchThatEndedSinceTheStartIsRead(t *testing.T) {
	for _, jump := range jumps {
		s, now := startedStore()
		s.observeDates(1, now.Add(jump), now)
		s.observeDates(1, now, now)
		s.wantReadIfEndedSinceStart(t, now.Round(0), now, jump)
	}
}

// wantReadIfEndedSinceStart fails unless, of two batches that are first seen
// ended, only the one that ended since the start is to be read.
func (s *store) wantReadIfEndedSinceStart(t *testing.T, api, ours time.Time, jump time.Duration) {
	t.Helper()
	for ago, want := range map[time.Duration]bool{9 * time.Minute: true, 11 * time.Minute: false} {
		s.update(apiclient.Batch{ID: ago.String(), Status: apiclient.BatchCompleted, CompletedAt: api.Add(-ago)}, ours, true)
		if got := s.batches[ago.String()].GetPending; got != want {
			t.Errorf("after a jump of %v: a batch that ended %v ago is to be read: %v", jump, ago, got)
		}
	}
}

func TestOneAnswerWithAnotherDateMovesNoClock(t *testing.T) {
	s, api, ours := jumpedStore(t, 0, 1)
	before := s.clock.current
	for _, by := range []time.Duration{time.Hour, 0, time.Hour, -time.Hour, time.Hour, time.Second, -2 * time.Hour} {
		s.observeDates(1, api.Add(by), ours)
		if !s.clock.current.Equal(before) {
			t.Fatalf("the clock moved by %v with one answer", s.clock.current.Sub(before))
		}
	}
}
