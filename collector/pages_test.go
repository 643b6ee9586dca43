package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// reminders is a running batch of six: two calls ended, one of them two
// minutes long and one of one minute, one is under way, one failed, two wait.
func reminders(a *simulator.Account, id string) {
	a.Add(simulator.Campaign{
		ID: id, Name: "Appointment \"Reminders\"", Recipients: 6, StartedAt: at(0, 0, 5), MaxConcurrency: 5,
		WindowStart: "00:30", WindowEnd: "17:00:00", WindowDays: []int{0, 6},
	})
	a.SetRecipients(id, []simulator.Recipient{
		{ID: id + "-1", Status: "completed", AttemptedAt: at(0, 10, 0), CompletedAt: at(0, 12, 0)},
		{ID: id + "-2", Status: "no_answer", AttemptedAt: at(0, 20, 0), CompletedAt: at(0, 21, 0)},
		{ID: id + "-3", Status: "calling", AttemptedAt: at(0, 59, 0)},
		{ID: id + "-4", Status: "failed", AttemptedAt: at(0, 30, 0), CompletedAt: at(0, 30, 3)},
		{ID: id + "-5"}, {ID: id + "-6"},
	})
}

// TestGoldenPages compares whole pages. What each is for stands beside it.
func TestGoldenPages(t *testing.T) {
	const b1 = "11111111-0000-4000-8000-000000000001"
	var live string // the live run of the daily series
	for name, scenario := range map[string]struct {
		arrange func(*simulator.Account)
		act     func(*world) string // nil: one scrape
		setting setting
	}{
		"healthy": { // a batch in each state that the demo world knows
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				a.Add(simulator.Campaign{ID: "draft", Status: "draft", Recipients: 1})
				a.Add(simulator.Campaign{ID: "later", Status: "scheduled", Recipients: 3, ScheduledAt: at(9, 0, 0)})
				a.Add(simulator.Campaign{ID: "old", Status: "completed", Recipients: 2, StartedAt: at(0, 0, 0).Add(-48 * time.Hour), CompletedAt: at(0, 0, 0).Add(-47 * time.Hour)})
			},
		},
		"empty_account": {arrange: func(*simulator.Account) {}},
		"list_failed": { // from the start: nothing is known, and nothing is made up
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
		"partial_failure": { // one batch that can't be read does not hide the other
			arrange: func(a *simulator.Account) {
				reminders(a, b1)
				reminders(a, "22222222")
				a.Inject(simulator.Fault{Action: "get", BatchID: "22222222", NoRecipients: true})
			},
		},
		"budget_short": { // a first fill of two requests goes to the list; later one of three batches can be read
			arrange: func(a *simulator.Account) {
				for i := range 3 {
					reminders(a, fmt.Sprintf("batch-%d", i))
				}
			},
			act: func(w *world) string {
				w.scrape() // the list, and the request that proves its end
				return w.scrapeAfter(2 * time.Minute)
			},
			setting: func(_ *simulator.Options, _ *collector.Config, l *apiclient.Limits) {
				*l = apiclient.Limits{PerMinute: 10, PerHour: 61}
			},
		},
		"cut_recipients": { // six recipients, of which the API hands out four
			arrange: func(a *simulator.Account) { reminders(a, b1) },
			setting: func(o *simulator.Options, _ *collector.Config, _ *apiclient.Limits) { o.RecipientCap = 4 },
		},
		"odd_rows": {arrange: oddRows},
		"recurring": { // a daily series whose runs have ended, and a paused one with a live run
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
		"rerun": { // counts fall to zero; the counters keep what was
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
		"ended_between_scrapes": { // its last calls are read once more, and then it costs nothing
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
				scenario.setting = func(*simulator.Options, *collector.Config, *apiclient.Limits) {}
			}
			inWorld(t, scenario.arrange, func(w *world) { w.golden(name, scenario.act(w)) }, scenario.setting)
		})
	}
}

// oddRows is everything that the API may say beside what it documents.
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
