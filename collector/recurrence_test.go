package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestANewRunIsFoundWhenTheSeriesSaysThatItSpawnedOne(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Name: "Daily", Status: "recurring", Recipients: 1, Recurrence: "daily"})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 0`, `!magpipe_batch_recipients`)
		looks := w.requests()["list_runs"]
		for range 20 {
			w.scrapeAfter(15 * time.Second)
		}
		if got := w.requests()["list_runs"]; got != looks {
			t.Errorf("%d looks at a series without runs in five minutes", got-looks)
		}
		run := w.account.Spawn("s")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 1`,
			fmt.Sprintf(`magpipe_batch_info{batch_id="%s",name="Daily — Run #1",parent_batch_id="s",recurrence="none"} 1`, run),
			fmt.Sprintf(`magpipe_batch_recipients{batch_id="%s",status="pending"} 1`, run))
	})
}

func TestASeriesWhoseCountIsStuckIsStillLookedAtNowAndThen(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Set("s", "recurrence_run_count", 0)
	}, func(w *world) {
		w.scrape()
		w.account.Spawn("s")
		w.has(w.scrapeAfter(5*time.Minute), `magpipe_runs{status="running"} 0`)
		w.has(w.scrapeAfter(5*time.Minute), `magpipe_runs{status="running"} 1`)
	})
}

func TestPagesOfRunsAreReadUntilOneHoldsNoLiveRun(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily", CreatedAt: at(0, 0, 0).Add(-24 * time.Hour)})
		for i := range 20 {
			run := simulator.Campaign{ID: fmt.Sprint("run", i), Parent: "s", Occurrence: i + 1, Recipients: 1, CreatedAt: at(0, i, 0), StartedAt: at(0, i, 0)}
			if i < 14 {
				run.Status, run.CompletedAt = "completed", at(0, i, 30)
			}
			a.Add(run)
		}
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 6`)
		if got := w.requests()["list_runs"]; got != 3 {
			t.Errorf("%d pages of 4 runs were read, want 3: the third holds no live one", got)
		}
	}, withPageCap(4))
}

func TestARunBelongsToTheSeriesThatItWasListedUnder(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "s", Occurrence: 1, Recipients: 1})
		a.Set("r", "parent_batch_id", nil)
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 1`, `magpipe_batches{status="scheduled"} 0`)
	})
}

func TestARunThatIsNotFoundTwiceIsGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 1`)
		w.account.Delete("r")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 1`)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 0`)
	})
}

func TestAScheduledRunThatIsListedNoMoreIsGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "s", Occurrence: 1, Recipients: 1})
		a.Add(simulator.Campaign{ID: "q", Status: "scheduled", Parent: "s", Occurrence: 2, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 2`)
		w.account.Delete("r")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="scheduled"} 2`)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="scheduled"} 1`)
	})
}

func TestRunsGoWithTheirSeries(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 1`)
		w.account.Delete("s")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="scheduled"} 0`, `!magpipe_batch_info`)
	})
}

func TestRunsThatNothingCanReadGoAwayAfterMaxStaleness(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list_runs", Status: 500})
		w.scrapeAfter(time.Minute)
		w.has(w.scrapeAfter(3*time.Minute), `magpipe_runs{status="scheduled"} 1`, `magpipe_batch_target_recipients{batch_id="r"} 1`)
		w.has(w.scrapeAfter(time.Minute), `magpipe_runs{status="scheduled"} 0`, `!magpipe_batch_target_recipients{batch_id="r"}`,
			`magpipe_batch_target_recipients{batch_id="s"} 1`)
	})
}

func TestASeriesThatIsRunLikeAnyBatchShowsRecipientsOnlyWhileItRuns(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 2, Recurrence: "daily"})
	}, func(w *world) {
		w.has(w.scrape(), `!magpipe_batch_recipients`)
		w.account.SetStatus("s", "running")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_recipients{batch_id="s",status="pending"} 2`)
		w.account.SetStatus("s", "recurring")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_recipients`, `magpipe_batch_status{batch_id="s",status="recurring"} 1`)
	})
}

func TestRunsOfASeriesOverTheCapAreStillCounted(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		page := w.scrape()
		w.has(page, `magpipe_runs{status="scheduled"} 1`)
		if strings.Contains(page, "\nmagpipe_batch_") {
			t.Error("a batch has series of its own")
		}
	}, withConfig(func(c *collector.Config) { c.MaxBatches = 0 }))
}
