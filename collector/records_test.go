package collector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// answered returns a recipient whose call of 40 s has just ended, with a talk time.
func answered(talk time.Duration) simulator.Recipient {
	now := time.Now()
	return simulator.Recipient{Status: "completed", AttemptedAt: now.Add(-40 * time.Second), CompletedAt: now, Talk: talk}
}

func TestCallsThatSomebodyAnsweredAreCountedWithTheirTalkTime(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.has(w.scrape(), `magpipe_calls_answered_total 0`, `magpipe_batch_answered_recipients{batch_id="a"} 1`, // before the exporter started
			`magpipe_batch_calls_answered_total{batch_id="a"} 0`, `magpipe_batch_talk_seconds{batch_id="a",statistic="sum"} 100`)
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(25*time.Second))
		w.account.SetRecipient("a", 5, answered(0))
		w.has(w.scrapeFor(2*time.Minute), `magpipe_calls_answered_total 1`, `magpipe_batch_calls_answered_total{batch_id="a"} 1`,
			`magpipe_batch_calls_finished_total{batch_id="a",outcome="completed"} 2`, `magpipe_batch_calls_started_total{batch_id="a"} 2`,
			`magpipe_call_talk_seconds_sum 25`, `magpipe_call_talk_seconds_count 1`,
			`magpipe_batch_answered_recipients{batch_id="a"} 2`, `magpipe_batch_recorded_recipients{batch_id="a"} 6`,
			`magpipe_batch_talk_seconds{batch_id="a",statistic="p50"} 25`, `magpipe_batch_talk_seconds{batch_id="a",statistic="max"} 100`,
			`magpipe_batch_talk_seconds{batch_id="a",statistic="sum"} 125`, `magpipe_batch_talk_seconds{batch_id="a",statistic="mean"} 62.5`)
		w.has(w.scrapeFor(time.Hour), `magpipe_calls_answered_total 1`)
	})
}

// TestARecordThatIsLateOrEarlyIsJoinedAllTheSame has records that get their talk
// time long before or after the end of the call is read.
func TestARecordThatIsLateOrEarlyIsJoinedAllTheSame(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second, 30 * time.Second, 170 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			inWorld(t, func(*simulator.Account) {}, func(w *world) {
				for i := range 4 {
					w.account.Add(simulator.Campaign{
						ID: fmt.Sprint("campaign-", i), Recipients: 50, MaxConcurrency: 2, DialEvery: 20 * time.Second, CallLength: 30 * time.Second,
						Records: simulator.CallRecords{Lag: lag},
					})
				}
				w.refreshFor(time.Hour)
				w.compareAnswered(100)
			})
		})
	}
}

// recordsOfAccount returns the talk times that the account's call records tell, by
// the id of the record.
func (w *world) recordsOfAccount() map[string]time.Duration {
	w.Helper()
	talks := map[string]time.Duration{}
	for offset := 0; ; {
		var page struct {
			Calls []struct {
				ID       string
				Duration int64
			}
			Total int
		}
		w.ask("list-calls", fmt.Sprintf(`{"limit":1000,"offset":%d}`, offset), &page)
		for _, call := range page.Calls {
			talks[call.ID] = time.Duration(call.Duration) * time.Second
		}
		if offset += len(page.Calls); offset >= page.Total {
			return talks
		}
	}
}

// compareAnswered compares the counters of answered calls with the account's calls
// and their records.
func (w *world) compareAnswered(least int) {
	w.Helper()
	records := w.recordsOfAccount()
	want, talk, shown := 0, time.Duration(0), 0.0
	for _, call := range w.account.Calls() {
		if call.Outcome != "" && records[call.RecordID] > 0 {
			want++
			talk += records[call.RecordID]
		}
	}
	for _, n := range w.values("magpipe_batch_calls_answered_total") {
		shown += n
	}
	if want < least {
		w.Errorf("%d calls were answered: too few to prove anything", want)
	}
	w.has(w.page(), fmt.Sprint("magpipe_calls_answered_total ", want), fmt.Sprint("magpipe_call_talk_seconds_count ", want),
		fmt.Sprint("magpipe_call_talk_seconds_sum ", talk.Seconds()))
	if shown != float64(want) {
		w.Errorf("the batches' counters are %v, want %d", shown, want)
	}
}

// TestADayOfCallRecordsIsCountedExactly plays some ten thousand calls (without -soak,
// a quarter of that), on the default budget, of which records come late, twice or never, or keep a wrong
// status, and which are erased by re-runs once they have been read.
func TestADayOfCallRecordsIsCountedExactly(t *testing.T) {
	t.Parallel()
	hours := 24
	if *soak == "" {
		hours = 6
	}
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		var ids []string
		for i := range 10 {
			ids = append(ids, w.account.Add(simulator.Campaign{
				ID: fmt.Sprint("campaign-", i), Recipients: 60, MaxConcurrency: 3, DialEvery: 3 * time.Minute, CallLength: 90 * time.Second,
				Outcomes: simulator.Outcomes{Completed: 60, Failed: 10, Busy: 8, NoAnswer: 18, Canceled: 4}, Queued: true,
				Records: simulator.CallRecords{
					DoubleDials: 0.06, Refused: 0.02, LateRinging: 0.03, Missing: 0.05, Lag: time.Duration(i%3) * 50 * time.Second,
					AgentName: "Ada", Sentiment: "positive", Summary: "Will call back",
				},
			}))
		}
		for range 4 * hours {
			w.refreshFor(15 * time.Minute)
			for _, id := range ids {
				w.account.Rerun(id) // if it has ended
			}
		}
		for _, id := range ids {
			w.account.Pause(id)
		}
		w.refreshFor(30 * time.Minute)
		w.compareAnswered(200 * hours)
		t.Logf("%d calls, %d requests for records", len(w.account.Calls()), w.requests("list_calls"))
	})
}

// TestCallRecordsTakeATenthOfTheRefillAtMost has more calls than their share of the
// budget can read records of.
func TestCallRecordsTakeATenthOfTheRefillAtMost(t *testing.T) {
	for _, limits := range []struct{ perMinute, perHour int }{{50, 500}, {20, 200}} {
		inWorld(t, func(a *simulator.Account) {
			for i := range 20 {
				a.Add(simulator.Campaign{ID: fmt.Sprint("campaign-", i), Recipients: 200, MaxConcurrency: 5, DialEvery: 4 * time.Minute, CreatedAt: time.Now().Add(30 * time.Minute)})
			}
		}, func(w *world) {
			w.refreshFor(2 * time.Hour)
			var sent []time.Time
			for _, r := range w.account.Requests() {
				if r.Action == "list_calls" {
					sent = append(sent, r.At)
				}
			}
			share := w.budget.Refill() * 3600 / 10
			for i, first := range sent {
				n := 0
				for n < len(sent)-i && sent[i+n].Sub(first) < time.Hour {
					n++
				}
				if float64(n) > share {
					t.Fatalf("%d requests for call records in an hour; a tenth of the refill is %.1f", n, share)
				}
			}
			if float64(len(sent)) < 1.5*share {
				t.Errorf("%d requests in two hours, though there was always something to read", len(sent))
			}
		}, withLimits(limits.perMinute, limits.perHour))
	}
}

// TestEndsAreLaterByTheShareOfCallRecordsOnly compares how late ends of calls are on
// a page with and without call records, in an account in which each request counts.
func TestEndsAreLaterByTheShareOfCallRecordsOnly(t *testing.T) {
	late := map[bool]time.Duration{}
	for _, records := range []bool{false, true} {
		inWorld(t, movingAccount{batches: 20, running: 20, moving: 20, recipients: 450}.fill, func(w *world) {
			w.refreshFor(30 * time.Minute)
			from := time.Now()
			w.refreshFor(50 * time.Minute)
			late[records] = percentile(w.lateness(w.ends(from)), 0.99)
		}, withConfig(func(c *collector.Config) { c.CallRecords = records }))
	}
	ratio := late[true].Seconds() / late[false].Seconds()
	if t.Logf("99 of 100 ends are on a page within %v, %v without call records: %.2f times", late[true], late[false], ratio); ratio > 1.12 {
		t.Error("they are later by more than the share")
	}
}

func TestOlderRecordsAreReadThoughNewCallsAlwaysEnd(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "a", Recipients: 900, MaxConcurrency: 4, DialEvery: 40 * time.Second, CallLength: 25 * time.Second})
	}, func(w *world) {
		w.refreshFor(time.Minute)
		before := w.values("magpipe_batch_attempted_recipients")["a"] // so many were called before the start, or just now
		if before < 200 {
			t.Fatalf("%v were called before the start: that tests nothing", before)
		}
		w.refreshFor(30 * time.Minute)
		attempted, recorded := w.values("magpipe_batch_attempted_recipients")["a"], w.values("magpipe_batch_recorded_recipients")["a"]
		if attempted < before+100 || recorded < 0.9*attempted {
			t.Errorf("after half an hour, %v of %v have been recorded", recorded, attempted)
		}
	})
}

func TestAnAccountThatDoesNotCallIsNotAskedForRecords(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipient("a", 2, simulator.Recipient{Status: "failed", AttemptedAt: at(0, 59, 0), CompletedAt: at(0, 59, 30)})
	}, func(w *world) {
		w.refreshFor(10 * time.Minute)
		before := w.requests("list_calls")
		w.refreshFor(24 * time.Hour)
		if got := w.requests("list_calls"); got != before || before == 0 {
			t.Errorf("%d requests at first, and %d in a day without a call", before, got-before)
		}
	})
}

func TestCallRecordsThatCannotBeHadAreAskedForOnceAnHour(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden} {
		inWorld(t, func(a *simulator.Account) {
			reminders(a, "a")
			a.Inject(simulator.Fault{Action: "list_calls", Status: status, Times: 4})
		}, func(w *world) {
			for _, asked := range []int{1, 2, 3, 3} {
				page := w.scrapeFor(45 * time.Minute)
				w.has(page, "magpipe_up 1", `magpipe_calls_answered_total 0`, "!magpipe_batch_answered", "!magpipe_batch_recorded", "!magpipe_batch_talk",
					"!magpipe_call_records_refreshed", fmt.Sprintf(`magpipe_exporter_api_requests_total{action="list_calls"} %d`, asked))
			}
			if n := strings.Count(w.logged.String(), "action=list_calls"); n != 1 {
				t.Errorf("%d lines of the log are about call records:\n%s", n, w.logged.String())
			}
			w.has(w.scrapeFor(2*time.Hour), `magpipe_batch_answered_recipients{batch_id="a"} 1`, `magpipe_batch_recorded_recipients{batch_id="a"} 4`)
		})
	}
}

func TestWithoutCallRecordsNothingAsksForThem(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, answered(time.Minute))
		w.has(w.scrapeFor(time.Hour), `magpipe_batch_calls_finished_total{batch_id="a",outcome="completed"} 1`, `magpipe_calls_answered_total 0`,
			"!magpipe_batch_answered", "!magpipe_batch_recorded", "!magpipe_batch_talk", "!magpipe_call_records_refreshed")
		if n := w.requests("list_calls"); n > 0 {
			t.Errorf("%d requests for call records", n)
		}
	}, withConfig(func(c *collector.Config) { c.CallRecords = false }))
}

// TestARecordCountsEvenIfTheRecipientIsCalledAgainBeforeItIsRead keeps records from
// being read while a recipient is called twice and its batch ends.
func TestARecordCountsEvenIfTheRecipientIsCalledAgainBeforeItIsRead(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "list_calls", Status: 500})
		for _, talk := range []time.Duration{20 * time.Second, 30 * time.Second} {
			time.Sleep(time.Minute)
			w.account.SetRecipient("a", 4, answered(talk))
			w.refreshFor(time.Minute)
		}
		mend()
		w.has(w.scrapeFor(15*time.Minute), `magpipe_calls_answered_total 2`, `magpipe_call_talk_seconds_sum 50`,
			`magpipe_batch_calls_answered_total{batch_id="a"} 2`, `magpipe_batch_answered_recipients{batch_id="a"} 2`)
	})
}

func TestARecipientWithoutACallIsNotAnsweredWhateverRecordIsLeftInIt(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		w.has(w.scrapeFor(3*time.Minute), `magpipe_batch_answered_recipients{batch_id="a"} 2`)
		w.account.Retry("a", 4)
		w.has(w.scrapeFor(3*time.Minute), `magpipe_batch_answered_recipients{batch_id="a"} 1`, `magpipe_batch_recorded_recipients{batch_id="a"} 4`)
	})
}

// TestTheRecordOfTheLastCallIsNotThatOfTheNextOne has a recipient that shows the
// record of its last call, which was answered, after the next one was refused.
func TestTheRecordOfTheLastCallIsNotThatOfTheNextOne(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		w.refreshFor(3 * time.Minute)
		w.account.SetRecipientKey("a", 4, "call_record_id", w.account.Calls()[len(w.account.Calls())-1].RecordID)
		w.account.SetRecipient("a", 4, shortCall("failed"))
		w.has(w.scrapeFor(15*time.Minute), `magpipe_calls_answered_total 1`, `magpipe_batch_answered_recipients{batch_id="a"} 1`,
			`magpipe_batch_calls_finished_total{batch_id="a",outcome="failed"} 1`)
	})
}

// TestARecordThatWasReadDuringTheCallIsReadAgainAtItsEnd has a budget that reads
// every record at once.
func TestARecordThatWasReadDuringTheCallIsReadAgainAtItsEnd(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrapeAfter(time.Minute)
		began := time.Now()
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "in_progress", AttemptedAt: began})
		w.has(w.scrapeFor(time.Minute), `magpipe_batch_recorded_recipients{batch_id="a"} 5`, `magpipe_calls_answered_total 0`)
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "completed", AttemptedAt: began, CompletedAt: time.Now(), Talk: 20 * time.Second})
		w.has(w.scrapeFor(30*time.Second), `magpipe_calls_answered_total 1`)
	}, withoutLimits)
}

// TestRecordsAreReadAtOnceHoweverFarTheClockOfTheAPIIsAhead has a call that by the
// local clock has yet to begin.
func TestRecordsAreReadAtOnceHoweverFarTheClockOfTheAPIIsAhead(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrapeAfter(time.Minute)
		ahead := time.Now().Add(time.Hour)
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "completed", AttemptedAt: ahead, CompletedAt: ahead.Add(time.Minute), Talk: 20 * time.Second})
		w.has(w.scrapeFor(2*time.Minute), `magpipe_calls_answered_total 1`)
	})
}

// TestNoFaultOfCallRecordsCostsAnythingElse makes all requests for call records
// fail, with every fault, and lets them succeed again.
func TestNoFaultOfCallRecordsCostsAnythingElse(t *testing.T) {
	faults := everyFault(realErrors(t))
	for i := range faults {
		f := &faults[i]
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var n *network
			inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
				n.fail(f, "list_calls", "")
				w.has(w.scrape(), "magpipe_up 1", `magpipe_batch_attempted_recipients{batch_id="a"} 4`, "!magpipe_batch_answered", "!magpipe_call_records_refreshed")
				w.account.SetRecipient("a", 4, answered(20*time.Second))
				w.has(w.scrapeFor(3*time.Minute), "magpipe_up 1", `magpipe_batch_attempted_recipients{batch_id="a"} 5`, `magpipe_calls_answered_total 0`)
				n.mend()
				w.has(w.scrapeFor(65*time.Minute), `magpipe_calls_answered_total 1`, `magpipe_batch_answered_recipients{batch_id="a"} 2`)
				for line := range strings.Lines(w.page()) {
					counted := strings.HasPrefix(line, "magpipe_exporter_api_request_failures_total{") && !strings.HasSuffix(line, " 0\n")
					if counted && !strings.Contains(line, fmt.Sprintf(`action="list_calls",reason=%q`, f.reason)) {
						t.Errorf("counted: %s", line)
					}
				}
				w.collector.Close()
				n.close(w)
			}, withTransport(func(a *simulator.Account) http.RoundTripper {
				n = newNetwork(a)
				return n
			}))
		})
	}
}

// TestARecordThatTwoCallsShowIsThatOfTheFirst has a recipient that is called again
// before the record of its last call was read, and shows that record still.
func TestARecordThatTwoCallsShowIsThatOfTheFirst(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "list_calls", Status: 500})
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		w.refreshFor(time.Minute)
		last := w.account.Calls()[len(w.account.Calls())-1].RecordID
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "calling", AttemptedAt: time.Now()})
		w.account.SetRecipientKey("a", 4, "call_record_id", last)
		w.refreshFor(5 * time.Minute)
		mend()
		w.has(w.scrapeFor(15*time.Minute), `magpipe_calls_answered_total 1`)
	})
}

func TestAFailedRequestLosesNoRecordOfABatchWithoutRetention(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		completeReminders(w.account, "a")
		w.account.Inject(simulator.Fault{Action: "list_calls", Status: 503, Times: 2})
		w.has(w.scrapeFor(15*time.Minute), `magpipe_calls_answered_total 1`)
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestAnEmptyPageOfRecordsProvesNothingIfThereAreSome(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		time.Sleep(time.Minute)
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		mend := w.account.Inject(simulator.Fault{Action: "list_calls", Status: 200, Body: `{"calls":[],"total":2,"has_more":true}`})
		w.refreshFor(5 * time.Minute)
		mend()
		w.has(w.scrapeFor(15*time.Minute), `magpipe_calls_answered_total 1`)
	})
}

func TestMoreRecordsInASecondThanAPageHoldsAreAllRead(t *testing.T) {
	const calls = 250
	inWorld(t, func(a *simulator.Account) { a.Add(simulator.Campaign{ID: "a", Recipients: calls}) }, func(w *world) {
		w.scrapeAfter(time.Minute)
		for i := range calls {
			time.Sleep(4 * time.Millisecond)
			w.account.SetRecipient("a", i, answered(20*time.Second))
		}
		w.has(w.scrapeFor(30*time.Minute), fmt.Sprint("magpipe_calls_answered_total ", calls))
	})
}
