package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestAFinishedBatchKeepsItsSeriesForTheRetention(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		completeReminders(w.account, "a")
		w.scrapeAfter(15 * time.Second) // its end is seen now
		w.has(w.scrapeAfter(time.Hour-time.Second), `magpipe_batch_status{batch_id="a",status="completed"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_`, `magpipe_batches{status="completed"} 1`)
	})
}

func TestWithoutRetentionTheLastCallsStillCount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		completeReminders(w.account, "a")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		gets := w.requests("get")
		w.scrapeAfter(15 * time.Second)
		if got := w.requests("get"); got != gets {
			t.Errorf("%d gets of a batch that has ended", got-gets)
		}
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestABatchThatReturnsCountsOnlyWhatIsNew(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		completeReminders(w.account, "a")
		w.scrapeAfter(15 * time.Second)
		w.has(w.scrapeAfter(2*time.Hour), `!magpipe_batch_`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		w.account.Retry("a", 4)
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(5 * time.Second)})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 5`,
			`magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="completed"} 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestABatchThatRanAgainAndEndedBetweenTwoReadsIsShownAgain(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		completeReminders(w.account, "a")
		w.scrapeAfter(15 * time.Second)
		w.scrapeAfter(3 * time.Hour) // its retention is over
		w.account.Rerun("a")
		w.account.SetRecipient("a", 0, shortCall("failed"))
		w.account.Complete("a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 1`, `magpipe_calls_finished_total{outcome="failed"} 1`)
	})
}

func TestABatchFirstSeenEndedIsReadOnlyIfItEndedAfterTheStart(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "before", Status: "completed", Recipients: 2, StartedAt: at(0, 0, 0), CompletedAt: at(0, 30, 0)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_status{batch_id="before",status="completed"} 1`, `!magpipe_batch_recipients`)
		time.Sleep(time.Minute)
		w.account.Add(simulator.Campaign{ID: "after", Status: "completed", Recipients: 2, CreatedAt: at(1, 0, 10), StartedAt: at(1, 0, 10), CompletedAt: at(1, 0, 50)})
		page := w.scrape()
		w.has(page, `magpipe_batch_recipients{batch_id="after",status="pending"} 0`, `!magpipe_batch_recipients{batch_id="before"`)
		w.has(page, fmt.Sprintf("magpipe_calls_started_total %d", len(w.account.Calls())-2))
	})
}

func TestAPausedBatchIsReadOnceAndAgainWhenItsRowChanges(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "p", Status: "paused", Recipients: 2})
	}, func(w *world) {
		w.scrape()
		w.scrapeAfter(time.Minute)
		if got := w.requests("get"); got != 1 {
			t.Errorf("%d gets of a paused batch, want 1", got)
		}
		w.account.SetRecipient("p", 0, simulator.Recipient{Status: "failed", AttemptedAt: at(1, 1, 0), CompletedAt: at(1, 1, 1)})
		w.has(w.scrapeAfter(time.Minute), `magpipe_batch_recipients{batch_id="p",status="failed"} 1`)
		w.scrapeAfter(time.Minute)
		if got := w.requests("get"); got != 2 {
			t.Errorf("%d gets of a paused batch that changed once, want 2", got)
		}
	})
}

func TestOfMoreThanMaxBatchesRunningOnesComeFirstThenNewerOnes(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i, status := range []string{"scheduled", "paused", "running", "running", "scheduled", "paused"} {
			a.Add(simulator.Campaign{ID: fmt.Sprint(status, i), Status: status, Recipients: 1, CreatedAt: at(0, i, 0)})
		}
	}, func(w *world) {
		page := w.scrape()
		for _, id := range []string{"running2", "running3", "paused5"} {
			w.has(page, fmt.Sprintf(`magpipe_batch_target_recipients{batch_id="%s"} 1`, id))
		}
		if got := strings.Count(page, "\nmagpipe_batch_target_recipients{"); got != 3 {
			t.Errorf("%d batches have series, want 3", got)
		}
		w.has(page, `magpipe_batches{status="scheduled"} 2`)
	}, withConfig(func(c *collector.Config) { c.MaxBatches = 3 }))
}

func TestADeletedBatchIsGoneAtOnceIfTheListIsOnePage(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		w.account.Delete("a")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_target_recipients{batch_id="a"}`, `magpipe_batches{status="running"} 1`)
	})
}

func TestADeletedBatchIsGoneAfterTwo404sIfTheListHasSeveralPages(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 10 {
			a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, i, 0)})
		}
		a.Add(simulator.Campaign{ID: "gone", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 20, 0)})
	}, func(w *world) {
		w.scrape()
		w.scrapeAfter(15 * time.Second)
		w.account.Delete("gone")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_target_recipients{batch_id="gone"} 1`)
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_target_recipients{batch_id="gone"}`)
	}, withPageCap(6))
}

func TestADeletedBatchIsGoneEvenIfTheListHasARowWithoutID(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.Add(simulator.Campaign{ID: "no-id", Recipients: 1})
		a.Set("no-id", "id", nil)
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_list_truncated 1`, `magpipe_batches{status="running"} 1`)
		w.account.Delete("a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batches{status="running"} 1`)
		w.has(w.scrapeFor(time.Minute), `magpipe_batches{status="running"} 0`, `!magpipe_batch_status`)
	})
}

func TestABatchThatReturnsWithinItsRetentionShowsItsRecipients(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		completeReminders(w.account, "a")
		w.scrapeAfter(15 * time.Second)
		w.account.Inject(simulator.Fault{Action: "list", Body: `{"batches":[]}`, Times: 1})
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_status`)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_recipients{batch_id="a",status="completed"} 2`, `magpipe_calls_finished_total{outcome="completed"} 1`)
	})
}

func TestAnEndedBatchThatCannotBeReadIsTriedOnceAnHour(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", NoRecipients: true})
		completeReminders(w.account, "a")
		w.refreshFor(6 * time.Hour)
		gets := w.requests("get")
		w.refreshFor(6 * time.Hour)
		if got := w.requests("get") - gets; got < 3 || got > 7 {
			t.Errorf("%d gets in six hours, want about one an hour", got)
		}
	})
}

func TestWithoutRetentionABatchThatHasJustCompletedIsNeverShown(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { a.Add(simulator.Campaign{ID: "other", Status: "draft"}) }, func(w *world) {
		w.scrape()
		time.Sleep(15*time.Second + 900*time.Millisecond) // the API's clock has whole seconds
		w.account.Add(simulator.Campaign{ID: "b", Status: "completed", Recipients: 1, StartedAt: time.Now().Add(-10 * time.Second), CompletedAt: time.Now(), UpdatedAt: time.Now()})
		w.has(w.scrape(), `magpipe_batches{status="completed"} 1`, `!magpipe_batch_`)
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_`)
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestABatchFirstSeenEndedIsDatedByItsRow(t *testing.T) {
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

func TestACallInFlightIsFollowedEvenIfTheRowDoesNotChange(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Cancel("a")
		for key, value := range map[string]any{"updated_at": "2000-01-01T01:00:00+00:00", "completed_count": 1, "failed_count": 2} {
			w.account.Set("a", key, value)
		}
		w.scrapeAfter(15 * time.Second)
		w.account.SetRecipient("a", 2, simulator.Recipient{Status: "busy", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_finished_total{outcome="busy"} 1`)
		gets := w.requests("get")
		w.scrapeAfter(15 * time.Second)
		if got := w.requests("get"); got != gets {
			t.Errorf("%d gets of a batch whose calls have ended", got-gets)
		}
	})
}

func TestACallThatNeverEndsIsNotFollowedForEver(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Pause("a")
		w.scrapeAfter(15 * time.Second)
		w.scrapeAfter(time.Hour)
		gets := w.requests("get")
		w.scrapeAfter(time.Minute)
		if got := w.requests("get"); got != gets {
			t.Errorf("%d gets of a paused batch with a stuck call, an hour after it stopped running", got-gets)
		}
		w.has(w.page(), `magpipe_batch_recipients{batch_id="a",status="calling"} 1`)
	})
}

func TestAListWithFewerKeysThanTheGetKeepsWhatTheGetTold(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.Add(simulator.Campaign{ID: "never", Recipients: 3, WindowDays: []int{}, StartedAt: at(0, 1, 0)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_call_window_valid{batch_id="never"} 0`, `magpipe_batch_started_timestamp_seconds{batch_id="never"} 9.4668486e+08`)
		w.account.Inject(simulator.Fault{Action: "get", BatchID: "never", Status: 500})
		completeReminders(w.account, "a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_call_window_valid{batch_id="never"} 0`, `magpipe_batch_started_timestamp_seconds{batch_id="never"} 9.4668486e+08`,
			`magpipe_batch_started_timestamp_seconds{batch_id="a"} 9.46684805e+08`, `magpipe_batch_max_concurrency{batch_id="a"} 5`)
		gets := w.gets("a")
		w.refreshFor(10 * time.Minute)
		if got := w.gets("a"); got != gets {
			t.Errorf("%d gets of a batch that has ended", got-gets)
		}
		w.has(w.scrapeFor(time.Hour), `!magpipe_batch_status{batch_id="a"`)
	}, withAccount(func(o *simulator.Options) { o.AsDocumented = true }))
}

func TestAStartThatTheListDoesNotTellIsNotANewOne(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		w.scrapeAfter(time.Minute)
		w.account.Add(simulator.Campaign{ID: "a", Status: "completed", Recipients: 1, CreatedAt: at(1, 0, 5), StartedAt: at(1, 0, 10), CompletedAt: at(1, 0, 40)})
		w.has(w.scrapeAfter(30*time.Minute), `magpipe_batch_started_timestamp_seconds{batch_id="a"} 9.4668841e+08`)
		time.Sleep(29*time.Minute + 39*time.Second)
		w.has(w.page(), `magpipe_batch_status{batch_id="a",status="completed"} 1`)
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_status`) // an hour after it completed
	}, withAccount(func(o *simulator.Options) { o.AsDocumented = true }))
}

func TestAGetWithFewerKeysThanTheListKeepsWhatTheListTold(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "p", Status: "paused", Recipients: 3, UpdatedAt: at(0, 10, 0)})
		a.Inject(simulator.Fault{Action: "get", Body: `{"batch":{"id":"p","status":"paused"},"recipients":[{"id":"r","status":"pending"}]}`})
	}, func(w *world) {
		w.has(w.scrapeFor(2*time.Minute), `magpipe_batch_recipients{batch_id="p",status="pending"} 1`, `magpipe_batch_recipients{batch_id="p",status="unknown"} 2`)
		if got := w.requests("get"); got != 1 {
			t.Errorf("%d gets of a paused batch that does not change, want 1", got)
		}
	})
}
