package collector_test

import (
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestARowFirstSeenEndedIsDatedByWhatItTells(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		// Run again after it had completed, and cancelled: the old completed_at stays.
		a.Add(simulator.Campaign{ID: "again", Status: "cancelled", Recipients: 1, StartedAt: at(0, 30, 0), CompletedAt: at(0, 0, 0).Add(-time.Hour), UpdatedAt: at(0, 40, 0)})
		a.Add(simulator.Campaign{ID: "undated", Status: "cancelled", Recipients: 1})
		a.Set("undated", "updated_at", nil)
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_status{batch_id="again",status="cancelled"} 1`, `!magpipe_batch_status{batch_id="undated"`,
			`magpipe_batches{status="cancelled"} 2`)
		time.Sleep(40*time.Minute - time.Second)
		w.has(w.page(), `magpipe_batch_status{batch_id="again",status="cancelled"} 1`)
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_status`)
	})
}

func TestACallInFlightIsFollowedThoughTheRowDoesNotChange(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Cancel("a")
		for key, value := range map[string]any{"updated_at": "2000-01-01T01:00:00+00:00", "completed_count": 1, "failed_count": 2} {
			w.account.Set("a", key, value)
		}
		w.scrapeAfter(15 * time.Second)
		w.account.SetRecipient("a", 2, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_finished_total{outcome="busy"} 1`)
		gets := w.requests()["get"]
		w.scrapeAfter(15 * time.Second)
		if got := w.requests()["get"]; got != gets {
			t.Errorf("%d gets of a batch that is still", got-gets)
		}
	})
}

func TestACallThatNeverEndsIsNotFollowedForEver(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Pause("a")
		w.scrapeAfter(15 * time.Second)
		w.scrapeAfter(time.Hour)
		gets := w.requests()["get"]
		w.scrapeAfter(time.Minute)
		if got := w.requests()["get"]; got != gets {
			t.Errorf("%d gets of a paused batch with a stuck call, an hour after it left running", got-gets)
		}
		w.has(w.page(), `magpipe_batch_recipients{batch_id="a",status="calling"} 1`)
	})
}

func TestTheOldestActiveCallIsTold(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipient("a", 4, simulator.Recipient{Status: "ringing", AttemptedAt: at(0, 58, 0)})
		a.SetRecipient("a", 5, simulator.Recipient{Status: "in_progress", AttemptedAt: at(0, 59, 30)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_oldest_active_call_timestamp_seconds{batch_id="a"} 9.4668828e+08`)
	})
}

func TestACallOfImpossibleLengthCountsAsFinishedButNotInTheHistogram(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "failed", AttemptedAt: at(1, 0, 10), CompletedAt: at(1, 0, 5)})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_finished_total{outcome="failed"} 1`, `magpipe_call_duration_seconds_count{outcome="failed"} 0`,
			`magpipe_exporter_unknown_values_total{field="duration"} 1`)
	})
}

func TestTheStartIsTakenByTheClockOfTheAPI(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		// By the API's clock it is 00:50, and this call ended a minute ago.
		a.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 48, 0), CompletedAt: at(0, 49, 0)})
		a.SetRecipient("a", 5, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 51, 0), CompletedAt: at(0, 52, 0)})
		a.Inject(simulator.Fault{Header: map[string][]string{"Date": {"Sat, 01 Jan 2000 00:50:00 GMT"}}})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_calls_started_total 2`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestAPageHasEachSeriesOnce(t *testing.T) {
	inWorld(t, oddRows, func(w *world) {
		seen := map[string]bool{}
		for line := range strings.Lines(w.scrape()) {
			series, _, _ := strings.Cut(line, " ")
			if !strings.HasPrefix(line, "#") && seen[series] {
				t.Errorf("%s stands twice", series)
			}
			seen[series] = true
		}
	})
}

func TestRowsWithFewerKeysInTheListThanInTheGetAreOneBatch(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.Add(simulator.Campaign{ID: "never", Recipients: 3, WindowDays: []int{}, StartedAt: at(0, 1, 0)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_call_window_valid{batch_id="never"} 0`, `magpipe_batch_started_timestamp_seconds{batch_id="never"} 9.4668486e+08`)
		w.account.Inject(simulator.Fault{Action: "get", BatchID: "never", Status: 500})
		w.end("a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_call_window_valid{batch_id="never"} 0`, `magpipe_batch_started_timestamp_seconds{batch_id="never"} 9.4668486e+08`,
			`magpipe_batch_started_timestamp_seconds{batch_id="a"} 9.46684805e+08`, `magpipe_batch_max_concurrency{batch_id="a"} 5`)
		gets := func() (n int) {
			for _, r := range w.account.Requests() {
				if r.BatchID == "a" {
					n++
				}
			}
			return n
		}
		before := gets()
		w.scrapeFor(10 * time.Minute)
		if got := gets(); got != before {
			t.Errorf("%d gets of a batch that is over", got-before)
		}
		w.has(w.scrapeFor(time.Hour), `!magpipe_batch_status{batch_id="a"`)
	}, func(o *simulator.Options, _ *collector.Config, _ *apiclient.Limits) { o.AsDocumented = true })
}

func TestACallThatEndsBeforeItBeginsIsDatedByItsBegin(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(1, 0, 10), CompletedAt: at(0, 59, 50)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestAStartThatTheListDoesNotTellIsNoNewRun(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		w.scrapeAfter(time.Minute)
		w.account.Add(simulator.Campaign{ID: "a", Status: "completed", Recipients: 1, CreatedAt: at(1, 0, 5), StartedAt: at(1, 0, 10), CompletedAt: at(1, 0, 40)})
		w.has(w.scrapeAfter(30*time.Minute), `magpipe_batch_started_timestamp_seconds{batch_id="a"} 9.4668841e+08`)
		time.Sleep(29*time.Minute + 39*time.Second)
		w.has(w.page(), `magpipe_batch_status{batch_id="a",status="completed"} 1`)
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_status`) // an hour after it completed
	}, func(o *simulator.Options, _ *collector.Config, _ *apiclient.Limits) { o.AsDocumented = true })
}

func TestAGetWithFewerKeysThanTheListIsReadWithWhatTheListTold(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "p", Status: "paused", Recipients: 3, UpdatedAt: at(0, 10, 0)})
		a.Inject(simulator.Fault{Action: "get", Body: `{"batch":{"id":"p","status":"paused"},"recipients":[{"id":"r","status":"pending"}]}`})
	}, func(w *world) {
		w.has(w.scrapeFor(2*time.Minute), `magpipe_batch_recipients{batch_id="p",status="pending"} 1`, `magpipe_batch_recipients{batch_id="p",status="unknown"} 2`)
		if got := w.requests()["get"]; got != 1 {
			t.Errorf("%d gets of a paused batch that does not change, want 1", got)
		}
	})
}
