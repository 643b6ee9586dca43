package collector_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestConcurrentScrapesShareOneRefresh(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "b")
		a.Inject(simulator.Fault{Latency: 200 * time.Millisecond})
	}, func(w *world) {
		var scrapes sync.WaitGroup
		for range 50 {
			scrapes.Go(func() { w.collector.Refresh(w.Context()) })
		}
		scrapes.Wait()
		if lists, gets := w.requests("list"), w.requests("get"); lists != 2 || gets != 1 {
			t.Errorf("50 scrapes caused %d lists and %d gets, want 2 and 1", lists, gets)
		}
	})
}

func TestDataYoungerThanMinRefreshIsNotReadAgain(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "b") }, func(w *world) {
		w.scrape()
		before := len(w.account.Requests())
		for range 4 {
			w.scrapeAfter(2 * time.Second)
		}
		if got := len(w.account.Requests()); got != before {
			t.Errorf("%d requests within 8 s of a refresh", got-before)
		}
		w.scrapeAfter(2 * time.Second)
		if got := len(w.account.Requests()); got != before+2 {
			t.Errorf("%d requests 10 s after a refresh, want the list and the batch", got-before)
		}
	})
}

func TestARefreshTakesNoMoreRoundTripsThanItMust(t *testing.T) {
	const roundTrip = 50 * time.Millisecond
	for _, account := range []struct{ pages, gets, rounds int }{{1, 7, 1}, {1, 8, 2}, {2, 20, 3}, {2, 5, 2}} {
		inWorld(t, func(a *simulator.Account) {
			for i := range account.gets {
				a.Add(simulator.Campaign{Recipients: 400, CreatedAt: at(0, i, 0), DialEvery: time.Minute})
			}
			a.Inject(simulator.Fault{Latency: roundTrip})
		}, func(w *world) {
			w.scrape() // finds the end of the list
			time.Sleep(time.Minute)
			began := time.Now()
			w.scrape()
			if took := time.Since(began); took != time.Duration(account.rounds)*roundTrip {
				t.Errorf("%d pages and %d gets took %v", account.pages, account.gets, took)
			}
		}, withLimits(6000, 300_000), withConfig(func(c *collector.Config) {
			c.API.PageSize, c.API.Concurrency = (account.gets+account.pages-1)/account.pages, 8
			c.CallRecords = false // they are known to be due only once the recipients have been read
		}))
	}
}

func TestAScrapeReturnsAtItsDeadlineAndTheNextOneShowsTheLateAnswer(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "quick")
		reminders(a, "slow")
		a.Inject(simulator.Fault{Action: "get", BatchID: "slow", Latency: 12 * time.Second})
	}, func(w *world) {
		if took := w.refreshWithin(scrapeTimeout); took != scrapeTimeout {
			t.Errorf("the scrape took %v", took)
		}
		w.has(w.page(), `magpipe_batch_attempted_recipients{batch_id="quick"} 4`, `!magpipe_batch_attempted_recipients{batch_id="slow"}`,
			`magpipe_batch_target_recipients{batch_id="slow"} 6`)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.has(w.page(), `magpipe_batch_attempted_recipients{batch_id="slow"} 4`)
		if got := w.requests("get"); got != 2 {
			t.Errorf("%d gets, want one for each batch", got)
		}
	})
}

func TestABatchThatHangsDelaysOnlyTheScrapesThatReadIt(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "quick")
		reminders(a, "hung")
		a.Inject(simulator.Fault{Action: "get", BatchID: "hung", Hang: true})
	}, func(w *world) {
		began, delayed, gets := time.Now(), 0, 0
		for time.Since(began) < 20*time.Minute {
			scrape := time.Now()
			took := w.refreshWithin(scrapeTimeout)
			w.has(w.page(), refreshedAt("quick", scrape), fmt.Sprintf(`magpipe_list_refreshed_timestamp_seconds %v`, float64(scrape.Unix())))
			sent := w.gets("hung") - gets // since the scrape before
			if (took > 0) != (sent > 0) {
				t.Errorf("%v after the start a scrape took %v, with %d requests for the batch that hangs", scrape.Sub(began), took, sent)
			}
			if took > 0 {
				delayed++
			}
			gets += sent
			time.Sleep(time.Until(scrape.Add(15 * time.Second)))
		}
		if delayed == 0 || delayed > 8 {
			t.Errorf("%d scrapes of 80 were delayed by a batch that hangs, want the few for which it was read", delayed)
		}
	}, withoutLimits)
}

func TestAScrapeWaitsForTheRestOfAWalkThatAnotherHasCaused(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "b", Status: "scheduled"})
		a.Inject(simulator.Fault{Latency: time.Second})
	}, func(w *world) {
		var scrapes sync.WaitGroup
		for range 2 { // the second one comes while the first page is in flight
			scrapes.Go(func() { w.has(w.scrape(), `magpipe_batches{status="scheduled"} 1`) })
			time.Sleep(100 * time.Millisecond)
		}
		scrapes.Wait()
	})
}

func TestAnEmptyAccountIsReadyAsSoonAsItsListCanBeRead(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { a.Inject(simulator.Fault{Status: 502, Times: 1}) }, func(w *world) {
		w.has(w.scrape(), "magpipe_up 0")
		w.has(w.scrapeAfter(15*time.Second), "magpipe_up 1")
		if err := w.collector.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestAScrapeWaitsForARequestThatWasInFlightWhenItCame(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "slow")
		a.Inject(simulator.Fault{Action: "get", Latency: 3 * time.Second})
	}, func(w *world) {
		w.collector.Begin()
		time.Sleep(time.Second)
		if took := w.refreshWithin(scrapeTimeout); took != 2*time.Second {
			t.Errorf("the scrape took %v, want the 2 s until the answer", took)
		}
		w.has(w.page(), `magpipe_batch_attempted_recipients{batch_id="slow"} 4`)
		if got := w.requests("get"); got != 1 {
			t.Errorf("%d gets, want 1", got)
		}
	})
}

func TestAScrapeDoesNotWaitForARequestThatALaterScrapeCaused(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "slow")
		reminders(a, "other")
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", BatchID: "slow", Latency: 15 * time.Second, Times: 1})
		time.Sleep(15 * time.Second)
		began := time.Now()
		first := w.collector.Begin()
		time.Sleep(11 * time.Second) // the other batch is due again
		w.account.Inject(simulator.Fault{Action: "get", BatchID: "other", Latency: 8 * time.Second})
		second := w.collector.Begin()
		<-first
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("the first scrape took %v, want 15 s, as the slow batch", took)
		}
		<-second
		if took := time.Since(began); took != 19*time.Second {
			t.Errorf("the second scrape ended after %v, want 19 s, as the other batch", took)
		}
	})
}

func TestAScrapeDoesNotWaitForARequestThatAnotherHasGivenUp(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "hung")
		a.Inject(simulator.Fault{Action: "get", BatchID: "hung", Hang: true})
	}, func(w *world) {
		var first sync.WaitGroup
		first.Go(func() { w.refreshWithin(5 * time.Second) })
		time.Sleep(time.Second)
		if took := w.refreshWithin(scrapeTimeout); took != 4*time.Second {
			t.Errorf("the second scrape took %v, want the 4 s until the first one gave up", took)
		}
		first.Wait()
	})
}

func TestCloseEndsTheRequestsInFlightAndCountsNoFailure(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { a.Inject(simulator.Fault{Hang: true}) }, func(w *world) {
		done := w.collector.Begin()
		synctest.Wait()
		began := time.Now()
		w.collector.Close()
		<-done
		<-w.collector.Begin() // sends nothing
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %v", took)
		}
		if got := len(w.account.Requests()); got != 1 {
			t.Errorf("%d requests, want only the one that hung", got)
		}
		w.has(w.page(), `magpipe_exporter_api_request_failures_total{action="list",reason="network"} 0`)
		if logged := w.logged.String(); strings.Contains(logged, "failed") {
			t.Errorf("the end of the process was logged as a failure: %s", logged)
		}
	})
}

func TestTheExporterIsReadyOnceAPageOfTheListWasRead(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		if w.collector.Ready() == nil {
			t.Error("ready before anything was read")
		}
		w.scrape()
		if err := w.collector.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestUnreadCountsTheRunningBatchesWithSeriesThatHaveNotBeenRead(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "scheduled", Status: "scheduled", Recipients: 1})
		for i, id := range []string{"without series", "read", "failing", "failing too"} {
			a.Add(simulator.Campaign{ID: id, Recipients: 1, CreatedAt: at(0, i, 0)})
		}
	}, func(w *world) {
		mend := w.account.Inject(simulator.Fault{Action: "get", BatchID: "failing", Status: 500})
		w.account.Inject(simulator.Fault{Action: "get", BatchID: "failing too", Status: 500})
		for _, want := range []int{2, 1} {
			w.scrapeAfter(15 * time.Second)
			if got := w.collector.Unread(); got != want {
				t.Errorf("%d batches are unread, want %d", got, want)
			}
			mend()
		}
	}, withConfig(func(c *collector.Config) { c.MaxBatches = 3 }))
}

func TestFailingReadsKeepTheLastValuesUntilMaxStaleness(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "get", BatchID: "a", Status: 503})
		w.scrapeAfter(time.Minute)
		w.has(w.scrapeAfter(4*time.Minute-time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 4`, refreshedAt("a", at(1, 0, 0)))
		time.Sleep(time.Second)
		w.has(w.page(), `!magpipe_batch_attempted_recipients{batch_id="a"}`, `!magpipe_batch_refreshed_timestamp_seconds{batch_id="a"}`,
			`magpipe_batch_target_recipients{batch_id="a"} 6`, `magpipe_batch_attempted_recipients{batch_id="b"} 4`)
		mend()
		w.has(w.scrapeAfter(30*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
	})
}

func TestAListThatKeepsFailingRemovesWhatComesFromItsRowsButNotTheCounters(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(1, 0, 0), CompletedAt: at(1, 0, 10)})
		w.scrapeAfter(15 * time.Second)
		mend := w.account.Inject(simulator.Fault{Action: "list", Status: 500})
		w.scrapeAfter(time.Minute)
		w.has(w.scrapeAfter(time.Minute), `magpipe_up 0`, `magpipe_batches{status="running"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 5`)
		w.has(w.scrapeAfter(3*time.Minute), `magpipe_up 0`, `!magpipe_batches{`, `!magpipe_runs{`, `!magpipe_batch_`,
			`magpipe_list_refreshed_timestamp_seconds 9.46688415e+08`, `magpipe_calls_finished_total{outcome="busy"} 1`)
		mend()
		w.has(w.scrapeAfter(15*time.Second), `magpipe_up 1`, `magpipe_batches{status="running"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 5`)
	})
}

func TestOneFailedReadRemovesNothingHoweverOldTheLastGoodOneIs(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", Status: 503})
		w.has(w.scrapeAfter(time.Hour), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_attempted_recipients`, `magpipe_batch_target_recipients{batch_id="a"} 6`)
	})
}

func TestAGetThatKeepsFailingBacksOffToTenMinutesAndIsLoggedWhenThatBeginsAndEnds(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "get", BatchID: "a", NoRecipients: true})
		gets := w.gets("a")
		w.refreshFor(10 * time.Minute)
		if got := w.gets("a") - gets; got < 4 || got > 8 {
			t.Errorf("%d gets in ten minutes, want about six", got)
		}
		gets = w.gets("a")
		w.refreshFor(time.Hour)
		if got := w.gets("a") - gets; got < 5 || got > 7 {
			t.Errorf("%d gets in an hour, want one in ten minutes", got)
		}
		mend()
		w.has(w.scrapeFor(11*time.Minute), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		if lines := strings.Count(w.logged.String(), "action=get"); lines != 2 {
			t.Errorf("%d lines about gets, want one when they begin to fail and one when they succeed again:\n%s", lines, &w.logged)
		}
	})
}

func TestAGetThatSucceededBacksOffAnew(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "get", Status: 500})
		w.refreshFor(time.Hour)
		mend()
		w.has(w.scrapeFor(11*time.Minute), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		w.account.Inject(simulator.Fault{Action: "get", Status: 500})
		gets := w.gets("a")
		w.refreshFor(2 * time.Minute)
		if got := w.gets("a") - gets; got < 3 || got > 5 {
			t.Errorf("%d gets in the two minutes after the first failure, want about four", got)
		}
	})
}

func TestTheLogTellsWhenTheListCanBeRead(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list", Status: 500, Times: 2})
		w.refreshFor(5 * time.Minute)
		var infos []string
		for line := range strings.Lines(w.logged.String()) {
			if strings.HasPrefix(line, "level=info") {
				infos = append(infos, line)
			}
		}
		want := []string{
			"level=info msg=\"read a page of the batch list\" batches=0\n",
			"level=info msg=\"request succeeds again\" action=list failures=2\n",
		}
		if diff := cmp.Diff(want, infos); diff != "" {
			t.Error(diff)
		}
	})
}

// callingLogger calls the collector back with each line.
type callingLogger struct{ collector *collector.Collector }

func (l *callingLogger) Log(...any) error {
	l.collector.Unread()
	return nil
}

func TestALoggerMayCallTheCollector(t *testing.T) {
	logger := &callingLogger{}
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		logger.collector = w.collector
		w.scrape()
		w.account.Inject(simulator.Fault{Status: 500, Times: 2})
		w.has(w.scrapeAfter(15*time.Second), "magpipe_up 0")
		w.has(w.scrapeAfter(time.Minute), "magpipe_up 1")
	}, withConfig(func(c *collector.Config) { c.Logger = logger }))
}
