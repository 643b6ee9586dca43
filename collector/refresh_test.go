package collector_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// withoutLimits lets every refresh read all there is.
func withoutLimits(o *simulator.Options, _ *collector.Config, l *apiclient.Limits) {
	o.PerMinute, o.PerHour = -1, -1
	*l = apiclient.Limits{PerMinute: 100_000, PerHour: 1_000_000}
}

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
		if got := w.requests(); got["list"] != 2 || got["get"] != 1 {
			t.Errorf("50 scrapes cost %v, want 2 pages of the list and 1 get", got)
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

func TestAScrapeAnswersAtItsDeadlineAndTheRefreshFeedsTheNext(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "quick")
		reminders(a, "slow")
		a.Inject(simulator.Fault{Action: "get", BatchID: "slow", Latency: 12 * time.Second})
	}, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), 9500*time.Millisecond)
		defer cancel()
		began := time.Now()
		w.collector.Refresh(ctx)
		if waited := time.Since(began); waited != 9500*time.Millisecond {
			t.Errorf("the scrape waited for %v", waited)
		}
		w.has(w.page(), `magpipe_batch_attempted_recipients{batch_id="quick"} 4`, `!magpipe_batch_attempted_recipients{batch_id="slow"}`,
			`magpipe_batch_target_recipients{batch_id="slow"} 6`)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.has(w.page(), `magpipe_batch_attempted_recipients{batch_id="slow"} 4`)
		if got := w.requests()["get"]; got != 2 {
			t.Errorf("%d gets, want 2: what came late was paid for", got)
		}
	})
}

func TestABatchThatHangsHoldsUpOnlyTheScrapesThatAskForIt(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "quick")
		reminders(a, "hung")
		a.Inject(simulator.Fault{Action: "get", BatchID: "hung", Hang: true})
	}, func(w *world) {
		began, waited, gets := time.Now(), 0, 0
		for time.Since(began) < 20*time.Minute {
			ctx, cancel := context.WithTimeout(w.Context(), 9500*time.Millisecond)
			before := time.Now()
			w.collector.Refresh(ctx)
			cancel()
			w.has(w.page(), fmt.Sprintf(`magpipe_batch_refreshed_timestamp_seconds{batch_id="quick"} %v`, float64(before.Unix())),
				fmt.Sprintf(`magpipe_list_refreshed_timestamp_seconds %v`, float64(before.Unix())))
			asked := 0
			for _, r := range w.account.Requests() {
				if r.BatchID == "hung" && r.Action == "get" {
					asked++
				}
			}
			if took := time.Since(before); (took > 0) != (asked > gets) {
				t.Errorf("%v after the start a scrape took %v, with %d requests for the batch that hangs", before.Sub(began), took, asked-gets)
			} else if took > 0 {
				waited++
			}
			gets = asked
			time.Sleep(time.Until(before.Add(15 * time.Second)))
		}
		if waited == 0 || waited > 8 {
			t.Errorf("%d scrapes of 80 waited for a batch that hangs, want the few that ask for it", waited)
		}
	}, withoutLimits)
}

func TestAScrapeThatComesLaterIsNotHeldUpByWhatAnotherHasGivenUp(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "hung")
		a.Inject(simulator.Fault{Action: "get", BatchID: "hung", Hang: true})
	}, func(w *world) {
		var scrapes sync.WaitGroup
		scrapes.Go(func() {
			ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
			defer cancel()
			w.collector.Refresh(ctx)
		})
		time.Sleep(time.Second)
		began := time.Now()
		w.collector.Refresh(w.Context()) // waits for it as well, until the other gives it up
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("the second scrape took %v, want 4 s", took)
		}
		scrapes.Wait()
	})
}

func TestCloseEndsTheRefreshUnderWay(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { a.Inject(simulator.Fault{Hang: true}) }, func(w *world) {
		done := w.collector.Begin()
		synctest.Wait()
		began := time.Now()
		w.collector.Close()
		<-done
		<-w.collector.Begin() // no other begins
		if waited := time.Since(began); waited != 0 {
			t.Errorf("closing took %v", waited)
		}
		if got := len(w.account.Requests()); got != 1 {
			t.Errorf("%d requests, want the hung one alone", got)
		}
		if page := w.page(); strings.Contains(page, `reason="network"} 1`) {
			t.Error("the end of the process was counted as a failure of the network")
		}
		if strings.Contains(w.logged.String(), "failed") {
			t.Errorf("the end of the process was logged as a failure: %s", w.logged)
		}
	})
}

func TestReadyOnceAPageOfTheListWasRead(t *testing.T) {
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

func TestFailingReadsKeepTheLastValuesUntilMaxStaleness(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Action: "get", BatchID: "a", Status: 503})
		w.scrapeAfter(time.Minute)
		kept := w.scrapeAfter(4*time.Minute - time.Second)
		w.has(kept, `magpipe_batch_attempted_recipients{batch_id="a"} 4`,
			`magpipe_batch_refreshed_timestamp_seconds{batch_id="a"} 9.466884e+08`)
		time.Sleep(time.Second)
		gone := w.page()
		w.has(gone, `!magpipe_batch_attempted_recipients{batch_id="a"}`, `!magpipe_batch_refreshed_timestamp_seconds{batch_id="a"}`,
			`magpipe_batch_target_recipients{batch_id="a"} 6`, `magpipe_batch_attempted_recipients{batch_id="b"} 4`)
		mend()
		w.has(w.scrapeAfter(30*time.Second), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
	})
}

func TestAFailingListTakesAllThatComesFromItsRowsButNotTheCounters(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: at(1, 0, 0), CompletedAt: at(1, 0, 10)})
		w.scrapeAfter(15 * time.Second)
		mend := w.account.Inject(simulator.Fault{Action: "list", Status: 500})
		w.scrapeAfter(time.Minute)
		kept := w.scrapeAfter(time.Minute)
		w.has(kept, `magpipe_up 0`, `magpipe_batches{status="running"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 5`)
		gone := w.scrapeAfter(3 * time.Minute)
		w.has(gone, `magpipe_up 0`, `!magpipe_batches{`, `!magpipe_runs{`, `!magpipe_batch_`,
			`magpipe_list_refreshed_timestamp_seconds 9.46688415e+08`, `magpipe_calls_finished_total{outcome="busy"} 1`)
		mend()
		w.has(w.scrapeAfter(15*time.Second), `magpipe_up 1`, `magpipe_batches{status="running"} 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 5`)
	})
}

func TestOneFailedReadDropsNothingHoweverOldTheLastGoodOneIs(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "get", Status: 503})
		w.has(w.scrapeAfter(time.Hour), `magpipe_batch_attempted_recipients{batch_id="a"} 4`)
		w.has(w.scrapeAfter(15*time.Second), `!magpipe_batch_attempted_recipients`, `magpipe_batch_target_recipients{batch_id="a"} 6`)
	})
}

func TestAListThatFailedIsAskedForAgainSoonThoughDetailsWait(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 50 { // a round of reads takes seven minutes
			reminders(a, fmt.Sprint("batch", i))
		}
	}, func(w *world) {
		w.scrapeFor(20 * time.Minute)
		w.account.Inject(simulator.Fault{Action: "list", Status: 503, Times: 1})
		for w.scrapeAfter(15 * time.Second); !strings.Contains(w.page(), "\nmagpipe_up 0\n"); w.scrapeAfter(15 * time.Second) {
			continue // the list is not due yet
		}
		w.has(w.scrapeFor(time.Minute), "magpipe_up 1") // two pages, for batches of one age are no proof of the end
	})
}

func TestWaitingForBudgetDropsNothingAndIsNoFailure(t *testing.T) {
	const batches = 30
	inWorld(t, func(a *simulator.Account) {
		for i := range batches {
			reminders(a, fmt.Sprint("batch-", i))
		}
	}, func(w *world) {
		for range 40 { // ten minutes, of which the budget pays for 76 requests
			w.has(w.scrapeAfter(15*time.Second), "magpipe_up 1")
		}
		page := w.page()
		if got := strings.Count(page, "\nmagpipe_batch_attempted_recipients{"); got != batches {
			t.Errorf("%d of %d batches show recipients", got, batches)
		}
		if strings.Contains(page, `magpipe_exporter_api_requests_deferred_total{action="get",reason="budget"} 0`) {
			t.Error("nothing was deferred, though the budget is short")
		}
	})
}

func TestA429StopsEveryActionUntilRetryAfterHasPassed(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list", Status: 429, Header: map[string][]string{"Retry-After": {"90"}}, Times: 1})
		w.scrapeAfter(15 * time.Second)
		before := len(w.account.Requests())
		for range 5 {
			w.scrapeAfter(15 * time.Second)
		}
		if got := len(w.account.Requests()); got != before {
			t.Errorf("%d requests in the pause", got-before)
		}
		w.has(w.page(), `magpipe_exporter_api_request_failures_total{action="list",reason="rate_limited"} 1`,
			`magpipe_exporter_api_requests_deferred_total{action="list",reason="backoff"} 5`, "magpipe_exporter_api_budget_remaining_requests 0")
		w.has(w.scrapeAfter(15*time.Second), "magpipe_up 1")
	})
}

func TestDetailsYieldWhenOthersHaveNearlySpentTheAccountsWindow(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		spent := map[string][]string{
			"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"7"}, "X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(time.Minute).Unix())},
		}
		mend := w.account.Inject(simulator.Fault{Header: spent})
		w.scrapeAfter(15 * time.Second) // learns it from the list's answer
		gets := w.requests()["get"]
		page := w.scrapeAfter(15 * time.Second)
		if got := w.requests()["get"]; got != gets {
			t.Errorf("%d gets while the window is nearly spent", got-gets)
		}
		w.has(page, "magpipe_exporter_api_rate_limit_requests 100", "magpipe_exporter_api_rate_limit_remaining_requests 7",
			`magpipe_exporter_api_requests_deferred_total{action="get",reason="budget"} 1`)
		mend()
		w.scrapeAfter(time.Minute) // its reset has passed
		if got := w.requests()["get"]; got != gets+1 {
			t.Errorf("%d gets after the reset, want 1", got-gets)
		}
	})
}

func TestLogsNameNoOneAndRepeatNoAnswer(t *testing.T) {
	const secret = "+14155550123 Jane Doe"
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "a", Name: secret, Recipients: 1})
		a.Inject(simulator.Fault{Action: "get", Status: 500, Body: `{"error":{"code":"` + secret + `","message":"` + secret + `"}}`})
	}, func(w *world) {
		w.scrape()
		if got := w.logged.String(); !strings.Contains(got, "server_error") || strings.Contains(got, "Jane") || strings.Contains(got, "mgp_test") {
			t.Errorf("logged: %s", got)
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
			w.scrape() // proves where the list ends
			time.Sleep(time.Minute)
			began := time.Now()
			w.scrape()
			if took := time.Since(began); took != time.Duration(account.rounds)*roundTrip {
				t.Errorf("%d pages and %d gets took %v", account.pages, account.gets, took)
			}
		}, func(_ *simulator.Options, c *collector.Config, l *apiclient.Limits) {
			c.API.PageSize, c.API.Concurrency = (account.gets+account.pages-1)/account.pages, 8
			*l = apiclient.Limits{PerMinute: 6000, PerHour: 300_000}
		})
	}
}

func TestTheLogTellsWhenTheListCanBeRead(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list", Status: 500, Times: 2})
		w.scrapeFor(5 * time.Minute)
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
