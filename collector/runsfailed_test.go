package collector_test

import (
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestASeriesWhoseRunsCouldNotBeReadIsAskedForAgainSoonAndThenLessOften(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Recurrence: "daily", Recipients: 1})
		a.Add(simulator.Campaign{ID: "run", Parent: "s", Status: "paused", Recipients: 1})
	}, func(w *world) {
		mend := w.account.Inject(simulator.Fault{Action: "list_runs", Status: 503})
		w.scrape()
		w.scrapeAfter(10 * time.Second)
		if got := w.requests()["list_runs"]; got != 2 {
			t.Errorf("asked %d times within 10 s of a first failure, want 2", got)
		}
		w.scrapeFor(time.Hour)
		if got := w.requests()["list_runs"]; got < 8 || got > 14 {
			t.Errorf("asked %d times in an hour of failures, want ever longer pauses up to ten minutes", got)
		}
		mend()
		w.has(w.scrapeFor(10*time.Minute+15*time.Second), `magpipe_batch_status{batch_id="run",status="paused"} 1`)
	}, withoutLimits)
}
