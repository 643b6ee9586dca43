package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// TestGoldenPages compares whole pages.
func TestGoldenPages(t *testing.T) {
	const b1 = "11111111-0000-4000-8000-000000000001"
	var live string // the live run of the daily batch
	for name, scenario := range map[string]struct {
		arrange func(*simulator.Account)
		act     func(*world) string // nil: one scrape
		setting setting
	}{
		"healthy": { // with the help and the types
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				a.Add(simulator.Campaign{ID: "draft", Status: "draft", Recipients: 1})
				a.Add(simulator.Campaign{ID: "later", Status: "scheduled", Recipients: 3, ScheduledAt: at(9, 0, 0)})
				a.Add(simulator.Campaign{ID: "old", Status: "completed", Recipients: 2, StartedAt: at(0, 0, 0).Add(-48 * time.Hour), CompletedAt: at(0, 0, 0).Add(-47 * time.Hour)})
			},
		},
		"empty_account": {arrange: func(*simulator.Account) {}},
		"list_failed": { // from the start, so that nothing is known
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				a.Inject(simulator.Fault{Action: "list", Status: 500, Body: `{"error":"boom"}`})
			},
		},
		"unauthorized": {
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				a.Inject(simulator.Fault{Status: 401, Body: `{"error":"Unauthorized"}`})
			},
		},
		"partial_failure": { // a batch that cannot be read does not hide the other
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				reminders(a, "22222222")
				a.Inject(simulator.Fault{Action: "get", BatchID: "22222222", NoRecipients: true})
			},
		},
		"budget_short": { // enough for the list at first, and for one of three batches two minutes later
			arrange: func(a *simulator.Account) {
				for i := range 3 {
					reminders(a, fmt.Sprintf("batch-%d", i))
				}
			},
			act: func(w *world) string {
				w.scrape() // the list, and the request that finds its end
				return w.scrapeAfter(2 * time.Minute)
			},
			setting: withLimits(10, 61),
		},
		"cut_recipients": { // the API returns four of six recipients
			arrange: func(a *simulator.Account) { reminders(a, b1) },
			setting: withAccount(func(o *simulator.Options) { o.RecipientCap = 4 }),
		},
		"odd_rows": {arrange: oddRows},
		"recurring": { // a daily batch whose runs have ended, and a paused weekly one with a live run
			arrange: func(a *simulator.Account) {
				a.Add(simulator.Campaign{ID: "daily", Name: "Daily", Status: "recurring", Recipients: 2, Recurrence: "daily", MaxRuns: 10})
				first := a.Spawn("daily")
				live = a.Spawn("daily")
				a.Add(simulator.Campaign{ID: "weekly", Name: "Weekly", Status: "paused", Recipients: 1, Recurrence: "weekly"})
				third := a.Spawn("weekly")
				for _, run := range []string{first, live, third} {
					a.SetRecipient(run, 0, simulator.Recipient{ID: run, Status: "completed", AttemptedAt: at(0, 5, 0), CompletedAt: at(0, 5, 30)})
				}
				a.Complete(first)
				a.Start(live)
				a.Start(third)
			},
			act: func(w *world) string {
				w.scrape()
				w.account.Complete(live)
				return w.scrapeAfter(15 * time.Second)
			},
		},
		"rerun": { // the recipients are pending again; the counters keep the calls
			arrange: func(a *simulator.Account) { reminders(a, b1) },
			act: func(w *world) string {
				w.scrape()
				w.account.SetRecipient(b1, 2, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 59, 0), CompletedAt: at(1, 0, 5)})
				w.scrapeAfter(15 * time.Second)
				w.account.Complete(b1)
				w.scrapeAfter(15 * time.Second)
				w.account.Rerun(b1)
				w.account.SetRecipient(b1, 0, simulator.Recipient{Status: "ringing", AttemptedAt: time.Now()})
				return w.scrapeAfter(15 * time.Second)
			},
		},
		"ended_between_scrapes": { // read once more, and then never again
			arrange: func(a *simulator.Account) { reminders(a, b1) },
			act: func(w *world) string {
				w.scrape()
				w.account.SetRecipient(b1, 2, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: at(1, 0, 9)})
				w.account.SetRecipient(b1, 4, simulator.Recipient{Status: "skipped"})
				w.account.SetRecipient(b1, 5, simulator.Recipient{Status: "skipped"})
				w.account.Complete(b1)
				w.scrapeAfter(15 * time.Second)
				w.scrapeAfter(15 * time.Second)
				return w.scrapeAfter(15 * time.Second)
			},
		},
		"ended_with_calls_in_flight": { // a cancelled batch is read until its last call has ended
			arrange: func(a *simulator.Account) { reminders(a, b1) },
			act: func(w *world) string {
				w.scrape()
				w.account.Cancel(b1)
				w.scrapeAfter(15 * time.Second)
				w.account.SetRecipient(b1, 2, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: at(1, 0, 20)})
				return w.scrapeAfter(15 * time.Second)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if scenario.act == nil {
				scenario.act = func(w *world) string { return w.scrape() }
			}
			if scenario.setting == nil {
				scenario.setting = func(*settings) {}
			}
			inWorld(t, scenario.arrange, func(w *world) { w.golden(name, scenario.act(w)) }, scenario.setting)
		})
	}
}

// oddRows adds batches with everything that the API may return besides what it
// documents.
func oddRows(a *simulator.Account) {
	a.Add(simulator.Campaign{ID: "nulls", Recipients: 2})
	for _, key := range []string{
		"total_recipients", "completed_count", "failed_count", "max_concurrency", "reserved_concurrency", "created_at",
		"updated_at", "recurrence_type", "recurrence_run_count", "send_now", "window_days",
	} {
		a.Set("nulls", key, nil)
	}
	a.Add(simulator.Campaign{ID: "long", Name: strings.Repeat("ä", 5000), Recipients: 1})
	a.Add(simulator.Campaign{ID: "odd", Name: "line\nbreak \\ \"quote\" 🚀", Recipients: 9})
	for key, value := range map[string]any{
		"total_recipients": -3, "completed_count": "many", "failed_count": 1.5,
		"scheduled_at": "infinity", "completed_at": "0044-03-15T00:00:00+00:00 BC", "started_at": "12026-11-22T06:11:13+00:00",
		"window_start_time": "nine", "window_days": []any{1, 9}, "recurrence_max_runs": map[string]any{"a": []int{1}},
	} {
		a.Set("odd", key, value)
	}
	call := simulator.Recipient{Status: "completed", AttemptedAt: at(0, 40, 0), CompletedAt: at(0, 41, 0)}
	for i, status := range []string{"in-progress", "answered", "no-answer", "canceled", "queued", "", "ringing", "completed", "completed"} {
		r := call
		r.ID, r.Status = fmt.Sprintf("odd-%d", i), status
		a.SetRecipient("odd", i, r)
	}
	a.SetRecipientKey("odd", 5, "status", nil)
	a.SetRecipientKey("odd", 7, "completed_at", "2000-01-01T00:39:00+00:00") // before the attempt
	a.SetRecipientKey("odd", 8, "attempted_at", "-infinity")
	a.Add(simulator.Campaign{ID: "never-heard-of", Status: "hibernating", Recipients: 1})
	a.Add(simulator.Campaign{ID: "no-id", Recipients: 1})
	a.Set("no-id", "id", nil)
	a.Add(simulator.Campaign{ID: "twin", Recipients: 1})
	a.Add(simulator.Campaign{ID: "other-twin", Recipients: 1})
	a.Set("other-twin", "id", "twin")
}

func TestTheCallWindowIsEvaluatedAtEachScrapeInTheConfiguredZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin") // an hour ahead
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "w", Recipients: 1, WindowStart: "02:00", WindowEnd: "02:01"})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_call_window_open{batch_id="w"} 0`)
		time.Sleep(time.Minute)
		w.has(w.page(), `magpipe_batch_call_window_open{batch_id="w"} 1`, `magpipe_batch_call_window_closes_timestamp_seconds{batch_id="w"} 9.4668852e+08`)
		time.Sleep(time.Minute)
		w.has(w.page(), `magpipe_batch_call_window_open{batch_id="w"} 0`, `!magpipe_batch_call_window_closes`)
	}, withConfig(func(c *collector.Config) { c.WindowZone = berlin }))
}

func TestAnInvalidWindowIsNotShown(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "odd", Recipients: 1, WindowEnd: "17:00"})
		a.Set("odd", "window_start_time", "25:00")
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_status{batch_id="odd",status="running"} 1`, `!magpipe_batch_call_window_`)
	})
}

func TestTheOldestActiveCallIsShown(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipient("a", 4, simulator.Recipient{Status: "ringing", AttemptedAt: at(0, 58, 0)})
		a.SetRecipient("a", 5, simulator.Recipient{Status: "in_progress", AttemptedAt: at(0, 59, 30)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_oldest_active_call_timestamp_seconds{batch_id="a"} 9.4668828e+08`)
	})
}
