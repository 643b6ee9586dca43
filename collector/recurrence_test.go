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

func TestAnAnswerAboutASeriesThatIsGoneMeanwhileIsOfNoUse(t *testing.T) {
	for name, answer := range map[string]simulator.Fault{
		"good": {Action: "list_runs", Latency: 5 * time.Second},
		"bad":  {Action: "list_runs", Latency: 5 * time.Second, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(a *simulator.Account) {
				a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
			}, func(w *world) {
				w.scrape()
				mend := w.account.Inject(answer)
				w.account.Inject(simulator.Fault{Action: "list", Body: `{"batches":[]}`, Times: 1})
				w.has(w.scrapeAfter(11*time.Minute), `magpipe_batches{status="recurring"} 0`)
				mend()
				w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="recurring"} 1`)
			})
		})
	}
}

func TestALiveRunIsFoundThoughItsSeriesHasEnded(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		long := at(0, 0, 0).Add(-5 * time.Hour)
		a.Add(simulator.Campaign{ID: "s", Status: "completed", Recipients: 1, Recurrence: "daily", MaxRuns: 1, CreatedAt: long, StartedAt: long, CompletedAt: long.Add(time.Hour), UpdatedAt: long.Add(time.Hour)})
		a.Add(simulator.Campaign{ID: "r", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 1`, `magpipe_batch_recipients{batch_id="r",status="pending"} 1`)
		looks := w.requests()["list_runs"]
		w.scrapeFor(time.Hour)
		if got := w.requests()["list_runs"]; got != looks {
			t.Errorf("%d more looks at a series that has ended", got-looks)
		}
	})
}

func TestTheLastRunOfASeriesIsFoundEvenWithoutRetention(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily", MaxRuns: 1})
	}, func(w *world) {
		w.scrape()
		w.account.Spawn("s")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="completed"} 1`, `magpipe_runs{status="running"} 1`)
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestTheLastCallsOfASeriesThatWasRunLikeAnyBatchCount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Recipients: 1, Recurrence: "daily"})
		a.SetStatus("s", "running")
		a.SetRecipient("s", 0, simulator.Recipient{Status: "calling", AttemptedAt: at(0, 59, 0)})
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", Status: 500, Times: 1})
		w.account.SetStatus("s", "completed") // and its call ends later
		w.scrapeAfter(15 * time.Second)
		w.account.SetRecipient("s", 0, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
		w.has(w.scrapeFor(time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`, `!magpipe_batch_recipients`)
	})
}

func TestARunStaysOneThoughItsOwnAnswerNamesNoParent(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		a.Add(simulator.Campaign{ID: "r", Parent: "s", Occurrence: 1, Recipients: 1})
		a.Set("r", "parent_batch_id", simulator.Omit)
	}, func(w *world) {
		w.has(w.scrapeFor(time.Minute), `magpipe_runs{status="running"} 1`, `magpipe_batches{status="running"} 0`)
	})
}

func TestARunThatRanAgainAfterItsRetentionCountsItsCalls(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "s", Status: "recurring", Recipients: 1, Recurrence: "daily"})
		reminders(a, "other")
		a.Add(simulator.Campaign{ID: "r", Parent: "s", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.scrape()
		w.account.SetRecipient("r", 0, simulator.Recipient{Status: "completed", AttemptedAt: at(1, 0, 0), CompletedAt: at(1, 0, 5)})
		w.account.Complete("r")
		w.scrapeFor(3 * time.Hour)
		w.account.Rerun("r")
		w.account.SetRecipient("r", 0, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
		w.account.Complete("r")
		w.has(w.scrapeFor(11*time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`, `magpipe_calls_finished_total{outcome="busy"} 1`,
			`magpipe_batch_recipients{batch_id="r",status="busy"} 1`)
		gets := 0
		for _, r := range w.account.Requests() {
			if r.BatchID == "r" && r.Action == "get" {
				gets++
			}
		}
		if gets > 4 {
			t.Errorf("%d gets of the run, want few", gets)
		}
	})
}

func TestARunThatIsRunAgainIsSeenWithinItsBound(t *testing.T) {
	for _, account := range []struct {
		name      string
		recurring int
		sibling   bool // a live run beside the one that is run again
	}{{"one recurring batch", 1, false}, {"a live sibling", 1, true}, {"three recurring batches", 3, true}} {
		t.Run(account.name, func(t *testing.T) {
			inWorld(t, func(a *simulator.Account) {
				for i := range 100 { // a round of reads takes 13 minutes
					a.Add(simulator.Campaign{ID: fmt.Sprint("busy", i), Recipients: 1, CreatedAt: at(0, 0, i)})
				}
				for i := range account.recurring {
					id := fmt.Sprint("recurring", i)
					a.Add(simulator.Campaign{ID: id, Status: "recurring", Recipients: 1, Recurrence: "daily", CreatedAt: at(0, 0, 0)})
					a.Add(simulator.Campaign{ID: id + "-over", Status: "completed", Parent: id, Recipients: 1, StartedAt: at(0, 5, 0), CompletedAt: at(0, 6, 0), UpdatedAt: at(0, 6, 0), CreatedAt: at(0, 5, 0)})
					if account.sibling {
						a.Add(simulator.Campaign{ID: id + "-live", Parent: id, Recipients: 1, CreatedAt: at(0, 50, 0)})
						a.Add(simulator.Campaign{ID: id + "-waiting", Parent: id, Status: "scheduled", Recipients: 1, CreatedAt: at(0, 51, 0)})
					}
				}
			}, func(w *world) {
				bound := time.Duration(account.recurring)*79*time.Second + 2*15*time.Second
				for range 5 {
					w.scrapeFor(30 * time.Minute)
					w.account.Rerun("recurring0-over")
					took := time.Duration(0)
					for took <= 2*bound && !strings.Contains(w.page(), `magpipe_batch_recipients{batch_id="recurring0-over",status="pending"} 1`) {
						w.scrapeAfter(15 * time.Second)
						took += 15 * time.Second
					}
					if took > bound {
						t.Errorf("seen after %v, want %v at most", took, bound)
					}
					w.account.SetRecipient("recurring0-over", 0, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
					w.account.Complete("recurring0-over")
					w.scrapeFor(2 * time.Hour)
				}
				w.has(w.page(), `magpipe_calls_finished_total{outcome="busy"} 5`)
			})
		})
	}
}
