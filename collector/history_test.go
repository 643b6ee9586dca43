package collector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
)

// TestEveryCallCountsOnceAcrossRerunsAndRetries plays a random history in which
// no call is erased before it was read, and compares the counters with the
// account's own record of its calls.
func TestEveryCallCountsOnceAcrossRerunsAndRetries(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var ids []string
			inWorld(t, func(a *simulator.Account) {
				for i := range 4 {
					ids = append(ids, a.Add(simulator.Campaign{
						ID: fmt.Sprint("campaign-", i), Recipients: 40, MaxConcurrency: 3, DialEvery: 8 * time.Second, CallLength: 20 * time.Second,
						CreatedAt: time.Now().Add(59 * time.Minute),
					}))
				}
			}, func(w *world) {
				began, random := time.Now(), rand.New(rand.NewPCG(seed, 1))
				w.collector.Refresh(w.Context())
				for range 4 * 40 {
					before := w.countedCalls()
					time.Sleep(scrapeInterval)
					w.collector.Refresh(w.Context())
					counted := w.countedCalls()
					for outcome, n := range before {
						if counted[outcome] < n {
							t.Fatalf("the counter of %s fell from %v to %v", outcome, n, counted[outcome])
						}
					}
					w.callAgain(ids, random)
				}
				w.endCalls(ids)
				w.compareCalls(began)
				w.compareBatches()
			}, withoutLimits)
		})
	}
}

// callAgain runs completed batches again, or retries one of their recipients.
func (w *world) callAgain(ids []string, random *rand.Rand) {
	status := w.values("magpipe_batch_status")
	for _, id := range ids {
		switch {
		case status[id+" completed"] == 0:
		case random.IntN(3) == 0:
			w.account.Rerun(id)
		default:
			w.account.Retry(id, random.IntN(40))
		}
	}
}

// endCalls lets the calls of batches end, and reads them.
func (w *world) endCalls(ids []string) {
	for _, id := range ids {
		w.account.Pause(id)
	}
	w.refreshFor(10 * time.Minute)
}

// countedCalls returns the counters above 0 of calls that ended, by outcome, and
// that of calls that started as "started".
func (w *world) countedCalls() map[string]float64 {
	w.Helper()
	counted := w.values("magpipe_calls_finished_total")
	counted["started"] = w.values("magpipe_calls_started_total")[""]
	maps.DeleteFunc(counted, func(_ string, n float64) bool { return n == 0 })
	return counted
}

// compareCalls compares the counters with the calls of the account since a time.
func (w *world) compareCalls(since time.Time) {
	w.Helper()
	want := map[string]float64{}
	for _, call := range w.account.Calls() {
		if !call.AttemptedAt.Before(since) {
			want["started"]++
		}
		if call.Outcome != "" && !call.CompletedAt.Before(since) {
			want[call.Outcome]++
		}
	}
	if diff := cmp.Diff(want, w.countedCalls()); diff != "" {
		w.Errorf("the calls of the account, and those that were counted (-want +got):\n%s", diff)
	}
	if want["started"] < 1000 {
		w.Errorf("only %v calls: too few to prove anything", want["started"])
	}
}

// compareBatches compares the counters of the batches, all of which are shown, with
// those of the account.
func (w *world) compareBatches() {
	w.Helper()
	for _, name := range []string{"started", "finished", "answered"} {
		sums := map[string]float64{}
		for labels, n := range w.values("magpipe_batch_calls_" + name + "_total") {
			_, outcome, _ := strings.Cut(labels, " ")
			sums[outcome] += n
		}
		if diff := cmp.Diff(w.values("magpipe_calls_"+name+"_total"), sums); diff != "" {
			w.Errorf("calls %s of the account, and the sum over its batches (-want +got):\n%s", name, diff)
		}
	}
}

// TestEveryEndOfACallCountsUnlessNoReadCouldShowIt plays some ten thousand calls
// with re-runs, retries, cancellations and restarts of the exporter, on the
// default budget. From the reads that happened it works out which ends they
// could show, and the counters must be exactly these.
func TestEveryEndOfACallCountsUnlessNoReadCouldShowIt(t *testing.T) {
	t.Parallel()
	var ids []string
	inWorld(t, func(a *simulator.Account) {
		for i := range 20 {
			ids = append(ids, a.Add(simulator.Campaign{
				ID: fmt.Sprint("campaign-", i), Recipients: 60, MaxConcurrency: 3, DialEvery: 20 * time.Second, CallLength: 30 * time.Second,
				CreatedAt: time.Now().Add(50 * time.Minute),
			}))
		}
	}, func(w *world) {
		h := &history{
			world: w, random: rand.New(rand.NewPCG(3, 4)), ids: ids, recipients: map[string][]string{},
			erased: map[string][]erasure{}, starts: []time.Time{time.Now()}, counted: map[string]float64{},
		}
		h.readRecipients()
		for minute := range 180 {
			h.refreshFor(time.Minute)
			synctest.Wait()
			h.interfere()
			if minute%40 == 39 {
				h.addCounted()
				h.restart(time.Second)
				h.starts = append(h.starts, time.Now())
			}
		}
		h.addCounted()
		h.compareEnds(10_000)
		h.compareBatches()
	})
}

// TestNoRestartLosesAnEndThatAReadCouldShow plays such a history with a state file.
// The exporter is stopped, killed while its answers arrive, away for 70 minutes, and
// started with a file that is an hour old. Over all processes, the counters must be
// exactly the ends that reads could show, and the answers to them.
func TestNoRestartLosesAnEndThatAReadCouldShow(t *testing.T) {
	t.Parallel()
	var ids []string
	campaigns, minutes, least := 10, 10, 3000
	if *soak != "" {
		campaigns, minutes, least = 20, 20, 10_000
	}
	inWorld(t, func(a *simulator.Account) {
		for i := range campaigns {
			ids = append(ids, a.Add(simulator.Campaign{
				ID: fmt.Sprint("campaign-", i), Recipients: 60, MaxConcurrency: 3, DialEvery: 20 * time.Second, CallLength: 30 * time.Second,
				Outcomes:  simulator.Outcomes{Completed: 60, Failed: 10, Busy: 8, NoAnswer: 18, Canceled: 4},
				CreatedAt: time.Now().Add(50 * time.Minute),
			}))
		}
	}, func(w *world) {
		h := &history{world: w, random: rand.New(rand.NewPCG(5, 6)), ids: ids, recipients: map[string][]string{}, erased: map[string][]erasure{}, starts: []time.Time{time.Now()}}
		h.readRecipients()
		for _, restart := range []func(){
			func() { h.restart(time.Second) }, h.killAmidAnswers, func() { h.restart(70 * time.Minute) }, h.startWithAnOldFile, h.killAmidAnswers, func() { h.crash(70 * time.Minute) }, func() { h.crash(0) },
		} {
			for range minutes {
				h.refreshFor(time.Minute)
				synctest.Wait()
				h.interfere()
			}
			restart()
		}
		h.endCalls(ids)
		h.refreshFor(30 * time.Minute)
		h.counted = h.countedCalls()
		read := h.compareEnds(least)
		h.compareBatches()
		h.refreshFor(3 * time.Hour) // for there are more records than a tenth of the budget reads at once
		answers, records := 0, h.recordsOfAccount()
		for _, call := range read {
			if records[call.RecordID] > 0 {
				answers++
			}
		}
		h.has(h.page(), fmt.Sprint("magpipe_calls_answered_total ", answers))
	}, withState(t))
}

// killAmidAnswers kills the exporter after it has read answers that it has not saved.
func (h *history) killAmidAnswers() {
	saved, at := h.readState(), time.Now()
	h.collector.Begin()
	time.Sleep(scrapeInterval)
	h.startFrom(saved, at)
}

// startWithAnOldFile lets the exporter run for 50 minutes, of which its next process
// knows nothing.
func (h *history) startWithAnOldFile() {
	saved, at := h.readState(), time.Now()
	h.refreshFor(50 * time.Minute)
	h.startFrom(saved, at)
}

// startFrom starts a process with a state file that was saved at some time.
func (h *history) startFrom(saved []byte, at time.Time) {
	h.collector.Close()
	h.writeState(saved)
	h.forgotten = append(h.forgotten, [2]time.Time{at, time.Now()})
	time.Sleep(time.Second)
	h.start()
}

// history is what happened to an account, besides its calls.
type history struct {
	*world
	random     *rand.Rand
	ids        []string
	recipients map[string][]string // ids by batch, in the order of the account
	erased     map[string][]erasure
	starts     []time.Time // of the exporter
	counted    map[string]float64
	forgotten  [][2]time.Time // from when to when the exporter read what its next process did not know
}

// knows reports whether what was read at a time was known later.
func (h *history) knows(read time.Time) bool {
	return !slices.ContainsFunc(h.forgotten, func(span [2]time.Time) bool { return read.After(span[0]) && !read.After(span[1]) })
}

// erasure is when the calls of a batch were erased.
type erasure struct {
	at        time.Time
	recipient string // "": of all
}

// ask sends a request to an endpoint of the account that is not the exporter's.
func (w *world) ask(endpoint, question string, answer any) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodPost, "https://magpipe.example/"+endpoint, strings.NewReader(question))
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer other")
	response, err := w.account.Client().Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		w.Fatal(err)
	}
}

// readRecipients asks for the ids of the recipients, in the order of Retry.
func (h *history) readRecipients() {
	for _, id := range h.ids {
		var answer struct{ Recipients []struct{ ID string } }
		h.ask("batch-calls", `{"action":"get","batch_id":"`+id+`"}`, &answer)
		for _, r := range answer.Recipients {
			h.recipients[id] = append(h.recipients[id], r.ID)
		}
	}
	time.Sleep(time.Second) // the exporter's own gets come later
}

// interfere runs some batches again, cancels some and retries some recipients.
func (h *history) interfere() {
	var list struct{ Batches []struct{ ID, Status string } }
	h.ask("batch-calls", `{"action":"list"}`, &list)
	for _, b := range list.Batches {
		e := erasure{at: time.Now()}
		switch dice := h.random.IntN(40); {
		case b.Status != "running" && dice < 20:
			h.account.Rerun(b.ID)
		case dice == 0:
			h.account.Cancel(b.ID)
			continue
		case dice < 4:
			i := h.random.IntN(len(h.recipients[b.ID]))
			e.recipient = h.recipients[b.ID][i]
			h.account.Retry(b.ID, i)
		default:
			continue
		}
		h.erased[b.ID] = append(h.erased[b.ID], e)
	}
}

// addCounted adds what a process counted, at its end.
func (h *history) addCounted() {
	for outcome, n := range h.countedCalls() {
		h.counted[outcome] += n
	}
}

// Why the end of a call could not be counted.
const (
	erasedUnread = "erased before it was read"
	neverRead    = "unread when the process ended"
)

// compareEnds compares the counters with the ends that reads could show, and returns
// these calls. Fewer ends than the least would prove nothing.
func (h *history) compareEnds(least int) (read []simulator.Call) {
	h.Helper()
	reads := map[string][]time.Time{}
	for _, r := range h.account.Requests() {
		if r.Action == "get" && r.Status == http.StatusOK && r.At.After(h.starts[0]) && h.knows(r.At) {
			reads[r.BatchID] = append(reads[r.BatchID], r.At)
		}
	}
	ends, lost := 0, map[string]int{}
	want := map[string]float64{}
	for _, call := range h.account.Calls() {
		if call.Outcome == "" || call.CompletedAt.Before(h.starts[0]) || call.CompletedAt.After(time.Now()) {
			continue
		}
		ends++
		if why := h.lost(call, reads[call.BatchID]); why != "" {
			lost[why]++
		} else {
			want[call.Outcome]++
			read = append(read, call)
		}
	}
	delete(h.counted, "started")
	if !maps.Equal(want, h.counted) {
		h.Errorf("counted %v, want %v; lost %v of %d", h.counted, want, lost, ends)
	}
	h.Logf("%d ends; no read could show these: %v", ends, lost)
	withState := h.settings.stateFile != ""
	if ends < least || lost[erasedUnread] == 0 || (lost[neverRead] == 0) != withState {
		h.Errorf("%d ends, lost %v: too few to prove anything, or one that a read could have shown", ends, lost)
	}
	return read
}

// lost returns why no read could show the end of a call, or "" if one could.
func (h *history) lost(call simulator.Call, reads []time.Time) string {
	for _, read := range reads {
		if read.Before(call.CompletedAt) {
			continue
		}
		for _, e := range h.erased[call.BatchID] {
			concerns := e.recipient == "" || e.recipient == call.RecipientID
			if concerns && e.at.After(call.AttemptedAt) && e.at.Before(read) {
				return erasedUnread
			}
		}
		if h.settings.stateFile == "" && h.process(read) > h.process(call.CompletedAt) {
			return neverRead // and the process that read it started later
		}
		return ""
	}
	return neverRead
}

// process returns the number of the process that was running at a time.
func (h *history) process(at time.Time) (n int) {
	for n < len(h.starts) && !at.Before(h.starts[n]) {
		n++
	}
	return n
}

func TestADateHeaderThatJumpsByAnHourChangesNoPage(t *testing.T) {
	var pages []string
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		inWorld(t, func(a *simulator.Account) {
			reminders(a, "a")
			reminders(a, "b")
		}, func(w *world) {
			w.scrape()
			for range 8 {
				w.account.Inject(simulator.Fault{Header: http.Header{"Date": {time.Now().Add(jump).UTC().Format(http.TimeFormat)}}})
				w.account.SetRecipient("a", 4, shortCall("busy"))
				w.scrapeAfter(15 * time.Second)
			}
			completeReminders(w.account, "b")
			w.account.Add(simulator.Campaign{ID: "late", Recipients: 1})
			w.account.SetRecipient("late", 0, shortCall("failed"))
			w.scrapeAfter(15 * time.Second)
			pages = append(pages, w.scrapeAfter(15*time.Second))
			w.has(pages[0], `magpipe_calls_started_total 9`, `magpipe_calls_finished_total{outcome="failed"} 1`)
		}, withoutLimits)
	}
	for _, page := range pages[1:] {
		if diff := cmp.Diff(pages[0], page); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAFirstAnswerWithAWrongDateHidesNoCallAndCountsNoOldOne(t *testing.T) {
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
			inWorld(t, func(a *simulator.Account) {
				reminders(a, "a")
				atStart := time.Now().Add(time.Hour)
				fault := simulator.Fault{Times: 1, Header: http.Header{"Date": {atStart.Add(jump).UTC().Format(http.TimeFormat)}}}
				if status != http.StatusOK {
					fault.Status = status
				}
				a.Inject(fault)
			}, func(w *world) {
				w.account.SetRecipient("a", 4, shortCall("busy"))
				w.scrape()
				w.scrapeAfter(15 * time.Second)
				w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
			})
		}
	}
}

func TestACallOfImpossibleLengthCountsAsFinishedButNotInTheHistogram(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "failed", AttemptedAt: at(1, 0, 10), CompletedAt: at(1, 0, 5)})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_finished_total{outcome="failed"} 1`, `magpipe_call_duration_seconds_count{outcome="failed"} 0`,
			`magpipe_exporter_unknown_values_total{field="duration"} 1`)
	})
}

func TestTheStartOfTheProcessIsTakenByTheClockOfTheAPI(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		// When the process starts it is 00:50 by the API's clock.
		a.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 48, 0), CompletedAt: at(0, 49, 0)})
		a.SetRecipient("a", 5, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 51, 0), CompletedAt: at(0, 52, 0)})
		a.Inject(simulator.Fault{Header: http.Header{"Date": {"Sat, 01 Jan 2000 00:50:00 GMT"}}})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_calls_started_total 2`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestACallThatEndsBeforeItBeginsIsDatedByItsAttempt(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(1, 0, 10), CompletedAt: at(0, 59, 50)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestAnUnknownValueCountsOnce(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipientKey("a", 5, "status", "lost")
	}, func(w *world) {
		w.scrape()
		w.has(w.scrapeAfter(15*time.Second), `magpipe_exporter_unknown_values_total{field="recipient_status"} 1`)
		w.account.SetRecipientKey("a", 5, "status", "teleported")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_exporter_unknown_values_total{field="recipient_status"} 2`)
	})
}
