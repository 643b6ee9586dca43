package collector_test

import (
	"fmt"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// addDaily adds a recurring batch without runs.
func addDaily(a *simulator.Account) {
	a.Add(simulator.Campaign{ID: "daily", Name: "Daily", Status: "recurring", Recipients: 1, Recurrence: "daily"})
}

func TestANewRunIsFoundOnceTheNumberOfRunsRises(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 0`, `!magpipe_batch_recipients`)
		lists := w.requests("list_runs")
		w.refreshFor(5 * time.Minute)
		if got := w.requests("list_runs"); got != lists {
			t.Errorf("the runs were listed %d times in five minutes, although there are none", got-lists)
		}
		run := w.account.Spawn("daily")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 1`,
			fmt.Sprintf(`magpipe_batch_info{batch_id="%s",name="Daily — Run #1",parent_batch_id="daily",recurrence="none"} 1`, run),
			fmt.Sprintf(`magpipe_batch_recipients{batch_id="%s",status="pending"} 1`, run))
	})
}

func TestANewRunIsFoundWithinTenMinutesEvenIfTheNumberOfRunsStaysTheSame(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Set("daily", "recurrence_run_count", 0)
	}, func(w *world) {
		w.scrape()
		w.account.Spawn("daily")
		w.has(w.scrapeAfter(5*time.Minute), `magpipe_runs{status="running"} 0`)
		w.has(w.scrapeAfter(5*time.Minute), `magpipe_runs{status="running"} 1`)
	})
}

func TestPagesOfRunsAreReadUntilOneHoldsNoLiveRun(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "daily", Status: "recurring", Recipients: 1, Recurrence: "daily", CreatedAt: at(0, 0, 0).Add(-24 * time.Hour)})
		for i := range 20 {
			run := simulator.Campaign{ID: fmt.Sprint("run", i), Parent: "daily", Occurrence: i + 1, Recipients: 1, CreatedAt: at(0, i, 0), StartedAt: at(0, i, 0)}
			if i < 14 {
				run.Status, run.CompletedAt = "completed", at(0, i, 30)
			}
			a.Add(run)
		}
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 6`)
		if got := w.requests("list_runs"); got != 3 {
			t.Errorf("%d pages of 4 runs were read, want 3: the third holds no live one", got)
		}
	}, withPageCap(4))
}

func TestARunBelongsToTheBatchThatItIsListedUnder(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "daily", Occurrence: 1, Recipients: 1})
		a.Set("r", "parent_batch_id", nil)
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 1`, `magpipe_batches{status="scheduled"} 0`)
	})
}

func TestARunThatIsNotFoundTwiceIsGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 1`)
		w.account.Delete("r")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 1`)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="running"} 0`)
	})
}

func TestAScheduledRunThatIsNoLongerListedIsGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "daily", Occurrence: 1, Recipients: 1})
		a.Add(simulator.Campaign{ID: "q", Status: "scheduled", Parent: "daily", Occurrence: 2, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 2`)
		w.account.Delete("r")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="scheduled"} 1`)
	})
}

func TestRunsAreGoneWithTheirRecurringBatch(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 1`)
		w.account.Delete("daily")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_runs{status="scheduled"} 0`, `!magpipe_batch_info`)
	})
}

func TestRunsAreNotListedOnceTheirRecurringBatchIsNotFound(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "run", Parent: "daily", Status: "paused", Recipients: 1})
		a.Add(simulator.Campaign{ID: "no-id", Status: "draft"})
		a.Set("no-id", "id", nil) // so that only two 404s prove that a batch is gone
	}, func(w *world) {
		w.scrape()
		w.account.Delete("daily")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="recurring"} 1`, `magpipe_runs{status="paused"} 1`)
		lists := w.requests("list_runs")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="recurring"} 0`, `magpipe_runs{status="paused"} 0`)
		if got := w.requests("list_runs"); got != lists {
			t.Errorf("the runs were listed %d times after the batch was not found", got-lists)
		}
	}, withConfig(func(c *collector.Config) { c.API.Concurrency = 1 })) // the get is answered before the list is sent
}

func TestRunsThatCannotBeReadAreGoneAfterMaxStaleness(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list_runs", Status: 500})
		w.scrapeAfter(time.Minute)
		w.has(w.scrapeAfter(3*time.Minute), `magpipe_runs{status="scheduled"} 1`, `magpipe_batch_target_recipients{batch_id="r"} 1`)
		w.has(w.scrapeAfter(time.Minute), `magpipe_runs{status="scheduled"} 0`, `!magpipe_batch_target_recipients{batch_id="r"}`,
			`magpipe_batch_target_recipients{batch_id="daily"} 1`)
	})
}

func TestARecurringBatchShowsRecipientsOnlyWhileItRunsItself(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "daily", Status: "recurring", Recipients: 2, Recurrence: "daily"})
	}, func(w *world) {
		w.has(w.scrape(), `!magpipe_batch_recipients`)
		w.account.SetStatus("daily", "running")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_recipients{batch_id="daily",status="pending"} 2`)
		w.account.SetStatus("daily", "recurring")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_recipients`, `magpipe_batch_status{batch_id="daily",status="recurring"} 1`)
	})
}

func TestRunsCountEvenIfTheirRecurringBatchHasNoSeries(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Status: "scheduled", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="scheduled"} 1`, `!magpipe_batch_`)
	}, withConfig(func(c *collector.Config) { c.MaxBatches = 0 }))
}

func TestALateListOfRunsIsIgnoredIfTheirRecurringBatchIsGone(t *testing.T) {
	for name, answer := range map[string]simulator.Fault{
		"good": {Action: "list_runs", Latency: 5 * time.Second},
		"bad":  {Action: "list_runs", Latency: 5 * time.Second, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(a *simulator.Account) {
				addDaily(a)
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

func TestALiveRunIsFoundEvenIfItsRecurringBatchHasEnded(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		long := at(0, 0, 0).Add(-5 * time.Hour)
		a.Add(simulator.Campaign{ID: "daily", Status: "completed", Recipients: 1, Recurrence: "daily", MaxRuns: 1, CreatedAt: long, StartedAt: long, CompletedAt: long.Add(time.Hour), UpdatedAt: long.Add(time.Hour)})
		a.Add(simulator.Campaign{ID: "r", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_runs{status="running"} 1`, `magpipe_batch_recipients{batch_id="r",status="pending"} 1`)
		lists := w.requests("list_runs")
		w.refreshFor(time.Hour)
		if got := w.requests("list_runs"); got != lists {
			t.Errorf("the runs were listed %d more times, though the recurring batch has ended", got-lists)
		}
	})
}

func TestTheLastRunIsFoundEvenWithoutRetention(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "daily", Status: "recurring", Recipients: 1, Recurrence: "daily", MaxRuns: 1})
	}, func(w *world) {
		w.scrape()
		w.account.Spawn("daily")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="completed"} 1`, `magpipe_runs{status="running"} 1`)
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestTheLastCallsOfARecurringBatchThatRanItselfCount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "daily", Recipients: 1, Recurrence: "daily"})
		a.SetStatus("daily", "running")
		a.SetRecipient("daily", 0, simulator.Recipient{Status: "calling", AttemptedAt: at(0, 59, 0)})
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", Status: 500, Times: 1})
		w.account.SetStatus("daily", "completed") // its call ends later
		w.scrapeAfter(15 * time.Second)
		w.account.SetRecipient("daily", 0, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
		w.has(w.scrapeFor(time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`, `!magpipe_batch_recipients`)
	})
}

func TestARunStaysARunEvenIfItsGetNamesNoParent(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "r", Parent: "daily", Occurrence: 1, Recipients: 1})
		a.Set("r", "parent_batch_id", simulator.Omit)
	}, func(w *world) {
		w.has(w.scrapeFor(time.Minute), `magpipe_runs{status="running"} 1`, `magpipe_batches{status="running"} 0`)
	})
}

func TestARunThatRanAgainAfterItsRetentionCountsItsCalls(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		reminders(a, "other")
		a.Add(simulator.Campaign{ID: "r", Parent: "daily", Occurrence: 1, Recipients: 1})
	}, func(w *world) {
		w.scrape()
		w.account.SetRecipient("r", 0, simulator.Recipient{Status: "completed", AttemptedAt: at(1, 0, 0), CompletedAt: at(1, 0, 5)})
		w.account.Complete("r")
		w.refreshFor(3 * time.Hour)
		w.account.Rerun("r")
		w.account.SetRecipient("r", 0, shortCall("busy"))
		w.account.Complete("r")
		w.has(w.scrapeFor(11*time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`, `magpipe_calls_finished_total{outcome="busy"} 1`,
			`magpipe_batch_recipients{batch_id="r",status="busy"} 1`)
		if gets := w.gets("r"); gets > 4 {
			t.Errorf("%d gets of the run, want at most 4", gets)
		}
	})
}

func TestAPausedRunThatGoesOnIsSeenAtTheNextScrape(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "run", Parent: "daily", Status: "paused", Recipients: 1})
	}, func(w *world) {
		w.has(w.scrapeFor(5*time.Minute), `magpipe_runs{status="paused"} 1`)
		w.account.Resume("run")
		w.has(w.scrapeAfter(scrapeInterval), `magpipe_runs{status="running"} 1`, `magpipe_batch_status{batch_id="run",status="running"} 1`)
	})
}

// TestARunThatIsRunAgainIsSeenWithinItsBound runs a run again right after the runs
// were listed, when it takes longest to be noticed. The runs of all recurring
// batches share a tenth of the refill, and may all be due at once. A round of
// reads takes seven minutes.
func TestARunThatIsRunAgainIsSeenWithinItsBound(t *testing.T) {
	const (
		retention  = 10 * time.Minute
		running    = `magpipe_batch_status{batch_id="recurring0-ended",status="running"} 1`
		recipients = `magpipe_batch_recipients{batch_id="recurring0-ended",status="pending"} 1`
	)
	for _, account := range []struct {
		name      string
		recurring int
		siblings  bool // further live runs besides the one that is run again
	}{{"one recurring batch", 1, false}, {"live siblings", 1, true}, {"three recurring batches", 3, true}} {
		t.Run(account.name, func(t *testing.T) {
			t.Parallel()
			bound := time.Duration(account.recurring)*(79+8)*time.Second + 2*scrapeInterval
			inWorld(t, func(a *simulator.Account) {
				for i := range 50 {
					a.Add(simulator.Campaign{ID: fmt.Sprint("busy", i), Recipients: 1, CreatedAt: at(0, 0, i)})
				}
				for i := range account.recurring {
					id := fmt.Sprint("recurring", i)
					a.Add(simulator.Campaign{ID: id, Status: "recurring", Recipients: 1, Recurrence: "daily", CreatedAt: at(0, 0, 0)})
					a.Add(simulator.Campaign{ID: id + "-ended", Status: "completed", Parent: id, Recipients: 1, StartedAt: at(0, 5, 0), CompletedAt: at(0, 6, 0), UpdatedAt: at(0, 6, 0), CreatedAt: at(0, 5, 0)})
					if account.siblings {
						a.Add(simulator.Campaign{ID: id + "-live", Parent: id, Recipients: 1, CreatedAt: at(0, 50, 0)})
						a.Add(simulator.Campaign{ID: id + "-waiting", Parent: id, Status: "scheduled", Recipients: 1, CreatedAt: at(0, 51, 0)})
					}
				}
			}, func(w *world) {
				w.refreshFor(15 * time.Minute)
				for _, again := range []struct {
					ended time.Duration // before it is run again
					lines []string      // that are to be shown within the bound
				}{{0, []string{running, recipients}}, {2 * retention, []string{running, recipients}}, {retention / 2, []string{running, recipients}}} {
					w.refreshFor(again.ended)
					w.refreshUntil(func(r simulator.Request) bool { return r.Action == "list_runs" && r.BatchID == "recurring0" })
					w.account.Rerun("recurring0-ended")
					if took := w.scrapeUntilShown(2*bound, again.lines...); took > bound {
						t.Errorf("%v after its end, seen after %v, want %v at most", again.ended, took, bound)
					}
					w.account.SetRecipient("recurring0-ended", 0, shortCall("busy"))
					w.account.Complete("recurring0-ended")
				}
				w.has(w.scrapeFor(5*time.Minute), `magpipe_calls_finished_total{outcome="busy"} 3`)
			}, withConfig(func(c *collector.Config) { c.FinishedRetention = retention }))
		})
	}
}

func TestRunsThatCannotBeReadAreTriedAgainSoonAndThenLessOften(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		addDaily(a)
		a.Add(simulator.Campaign{ID: "run", Parent: "daily", Status: "paused", Recipients: 1})
	}, func(w *world) {
		mend := w.account.Inject(simulator.Fault{Action: "list_runs", Status: 503})
		w.scrape()
		w.scrapeAfter(10 * time.Second)
		if got := w.requests("list_runs"); got != 2 {
			t.Errorf("%d requests within 10 s of a first failure, want 2", got)
		}
		w.refreshFor(time.Hour)
		if got := w.requests("list_runs"); got < 8 || got > 14 {
			t.Errorf("%d requests in an hour of failures, want ever longer pauses up to ten minutes", got)
		}
		mend()
		w.has(w.scrapeFor(10*time.Minute+15*time.Second), `magpipe_batch_status{batch_id="run",status="paused"} 1`)
	}, withoutLimits)
}
