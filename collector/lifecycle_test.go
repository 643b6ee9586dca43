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

func withConfig(change func(*collector.Config)) setting {
	return func(_ *simulator.Options, cfg *collector.Config, _ *apiclient.Limits) { change(cfg) }
}

func withPageCap(rows int) setting {
	return func(o *simulator.Options, _ *collector.Config, _ *apiclient.Limits) { o.PageCap = rows }
}

// end completes a batch of reminders, with the call that was under way.
func (w *world) end(id string) {
	w.account.SetRecipient(id, 2, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
	w.account.Complete(id)
}

func TestAFinishedBatchKeepsItsSeriesForTheRetention(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.end("a")
		w.scrapeAfter(15 * time.Second) // its end is seen now
		w.has(w.scrapeAfter(time.Hour-time.Second), `magpipe_batch_status{batch_id="a",status="completed"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_`, `magpipe_batches{status="completed"} 1`)
	})
}

func TestWithoutRetentionTheLastCallsStillCount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.end("a")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		gets := w.requests()["get"]
		w.scrapeAfter(15 * time.Second)
		if got := w.requests()["get"]; got != gets {
			t.Errorf("%d gets of a batch that is over", got-gets)
		}
	}, withConfig(func(c *collector.Config) { c.FinishedRetention = 0 }))
}

func TestABatchThatReturnsCountsOnlyWhatIsNew(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.end("a")
		w.scrapeAfter(15 * time.Second)
		w.has(w.scrapeAfter(2*time.Hour), `!magpipe_batch_`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		w.account.Retry("a", 4)
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(5 * time.Second)})
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 5`,
			`magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="completed"} 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
	})
}

func TestABatchThatRanAndEndedBetweenTwoLooksHasEndedAnew(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.end("a")
		w.scrapeAfter(15 * time.Second)
		w.scrapeAfter(3 * time.Hour) // its retention is over
		w.account.Rerun("a")
		w.account.SetRecipient("a", 0, simulator.Recipient{Status: "failed", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
		w.account.Complete("a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 1`, `magpipe_calls_finished_total{outcome="failed"} 1`)
	})
}

func TestABatchFirstSeenEndedIsReadOnlyIfItEndedSinceTheStart(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "before", Status: "completed", Recipients: 2, StartedAt: at(0, 0, 0), CompletedAt: at(0, 30, 0)})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_status{batch_id="before",status="completed"} 1`, `!magpipe_batch_recipients`)
		time.Sleep(time.Minute)
		w.account.Add(simulator.Campaign{ID: "since", Status: "completed", Recipients: 2, CreatedAt: at(1, 0, 10), StartedAt: at(1, 0, 10), CompletedAt: at(1, 0, 50)})
		page := w.scrape()
		w.has(page, `magpipe_batch_recipients{batch_id="since",status="pending"} 0`, `!magpipe_batch_recipients{batch_id="before"`)
		w.has(page, fmt.Sprintf("magpipe_calls_started_total %d", len(w.account.Calls())-2))
	})
}

func TestAPausedBatchIsReadOnceAndAgainWhenItsRowChanges(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "p", Status: "paused", Recipients: 2})
	}, func(w *world) {
		w.scrape()
		w.scrapeAfter(time.Minute)
		if got := w.requests()["get"]; got != 1 {
			t.Errorf("%d gets of a paused batch, want 1", got)
		}
		w.account.SetRecipient("p", 0, simulator.Recipient{Status: "failed", AttemptedAt: at(1, 1, 0), CompletedAt: at(1, 1, 1)})
		w.has(w.scrapeAfter(time.Minute), `magpipe_batch_recipients{batch_id="p",status="failed"} 1`)
		w.scrapeAfter(time.Minute)
		if got := w.requests()["get"]; got != 2 {
			t.Errorf("%d gets of a paused batch that changed once, want 2", got)
		}
	})
}

func TestOverTheCapRunningBatchesComeFirstAndNewerOnesBeforeOlder(t *testing.T) {
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

func TestADeletedBatchIsGoneAtOnceWhereOnePageHoldsAll(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		w.account.Delete("a")
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_target_recipients{batch_id="a"}`, `magpipe_batches{status="running"} 1`)
	})
}

func TestADeletedBatchIsGoneAfterTwoWalksOfSeveralPages(t *testing.T) {
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

func TestNamesCanBeLeftOut(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		if page := w.scrape(); strings.Contains(page, "Appointment") {
			t.Error("the page has the name")
		}
	}, withConfig(func(c *collector.Config) { c.BatchNames = false }))
}

func TestAnUnknownValueCountsOnce(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		a.SetRecipientKey("a", 5, "status", "queued")
	}, func(w *world) {
		w.scrape()
		w.has(w.scrapeAfter(15*time.Second), `magpipe_exporter_unknown_values_total{field="recipient_status"} 1`)
		w.account.SetRecipientKey("a", 5, "status", "teleported")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_exporter_unknown_values_total{field="recipient_status"} 2`)
	})
}

func TestABatchThatIsNotFoundIsGoneThoughWalksAreNeverSure(t *testing.T) {
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
		w.end("a")
		w.scrapeAfter(15 * time.Second)
		w.account.Inject(simulator.Fault{Action: "list", Body: `{"batches":[]}`, Times: 1})
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_status`)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_batch_recipients{batch_id="a",status="completed"} 2`, `magpipe_calls_finished_total{outcome="completed"} 1`)
	})
}

func TestABatchWhoseLastReadKeepsFailingIsAskedForEverMoreRarely(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", NoRecipients: true})
		w.end("a")
		w.scrapeFor(6 * time.Hour)
		gets := w.requests()["get"]
		w.scrapeFor(6 * time.Hour)
		if got := w.requests()["get"] - gets; got < 3 || got > 7 {
			t.Errorf("%d gets in six hours, want one an hour or so", got)
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

func TestABatchWhoseRecipientsAreNotHandedOutIsAskedForEverMoreRarelyWithOneLineAtEachEnd(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		gets := func() (n int) {
			for _, r := range w.account.Requests() {
				if r.Action == "get" && r.BatchID == "a" {
					n++
				}
			}
			return n
		}
		mend := w.account.Inject(simulator.Fault{Action: "get", BatchID: "a", NoRecipients: true})
		before := gets()
		w.scrapeFor(10 * time.Minute)
		if got := gets() - before; got < 4 || got > 8 {
			t.Errorf("%d gets in ten minutes, want about six", got)
		}
		before = gets()
		w.scrapeFor(time.Hour)
		if got := gets() - before; got < 5 || got > 7 {
			t.Errorf("%d gets in an hour, want one in ten minutes", got)
		}
		mend()
		w.has(w.scrapeFor(11*time.Minute), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		if lines := strings.Count(w.logged.String(), "action=get"); lines != 2 {
			t.Errorf("%d lines about gets, want one when they begin to fail and one when they succeed again:\n%s", lines, w.logged)
		}
	})
}
