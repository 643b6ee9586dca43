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

// large fills an account with drafts, so that a full walk costs ten pages of ten rows.
func large(a *simulator.Account) {
	for i := range 95 {
		a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Second)})
	}
}

// listed counts the pages of the full walk and those of the filter.
func (w *world) listed() (walk, filter int) {
	for _, r := range w.account.Requests() {
		switch {
		case r.Action != "list":
		case r.StatusFilter == "running":
			filter++
		default:
			walk++
		}
	}
	return walk, filter
}

func TestOfALargeAccountTheRunningBatchesAreFoundByTheFilter(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		large(a)
		reminders(a, "b")
	}, func(w *world) {
		w.scrapeFor(5 * time.Minute)
		walk, filter := w.listed()
		w.account.Add(simulator.Campaign{ID: "new", Recipients: 1})
		w.has(w.scrapeFor(time.Minute), `magpipe_batch_recipients{batch_id="new",status="pending"} 1`)
		w.end("b")
		w.has(w.scrapeFor(time.Minute), `magpipe_batch_status{batch_id="b",status="completed"} 1`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		walked, filtered := w.listed()
		if filtered-filter < 3 || walked-walk > 6 {
			t.Errorf("%d filtered reads and %d pages of the walk in two minutes, too few of the one or too many of the other", filtered-filter, walked-walk)
		}
	}, withPageCap(10))
}

func TestALongWalkTakesAtMostAThirdOfTheBudget(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.scrapeFor(4 * time.Hour)
		walk, _ := w.listed()
		if most := 4*500/3 + 20; walk > most || walk < most/2 {
			t.Errorf("%d pages in four hours, want at most %d and not far less", walk, most)
		}
		w.has(w.page(), `magpipe_batches{status="draft"} 95`)
	}, withPageCap(10))
}

func TestAPageOfALongWalkThatFailsIsNotAskedForAgainInTheSameRefresh(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.account.Inject(simulator.Fault{Action: "list", Status: 503})
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list"})
		w.scrapeAfter(15 * time.Second)
		w.account.Inject(simulator.Fault{Action: "list", Status: 503})
		before := len(w.account.Requests())
		w.scrapeAfter(10 * time.Minute)
		if got := len(w.account.Requests()) - before; got > 2 {
			t.Errorf("%d requests in a refresh where each page fails, want the filter and one page", got)
		}
	}, withPageCap(10))
}

func TestAWalkThatMayHaveMissedRowsDeclaresNoBatchGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "a", Status: "scheduled", Recipients: 1})
		a.Add(simulator.Campaign{ID: "b", Status: "scheduled", Recipients: 1})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_list_truncated 0`)
		w.account.Set("a", "id", nil)
		w.has(w.scrapeAfter(15*time.Second), `magpipe_list_truncated 1`, `magpipe_batches{status="scheduled"} 2`)
		w.account.Set("a", "id", simulator.Omit)
		w.account.Delete("a")
		w.has(w.scrapeAfter(15*time.Second), `magpipe_list_truncated 0`, `magpipe_batches{status="scheduled"} 1`)
	})
}

func TestTheListIsReadThoughDetailsAreOlder(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 100 { // a round of reads takes 13 minutes
			a.Add(simulator.Campaign{ID: fmt.Sprint(i), Recipients: 1, CreatedAt: at(0, 0, i)})
		}
	}, func(w *world) {
		w.scrapeFor(time.Hour)
		var last time.Time
		for _, r := range w.account.Requests() {
			if r.Action != "list" {
				continue
			}
			if since := r.At.Sub(last); !last.IsZero() && since > 3*time.Minute {
				t.Errorf("no list for %v before %v", since, r.At)
			}
			last = r.At
		}
	})
}

func TestABatchThatJustLeftRunningIsReadBeforeOlderOnes(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 60 {
			reminders(a, fmt.Sprint("batch", i))
		}
	}, func(w *world) {
		w.scrapeFor(20 * time.Minute)
		w.end("batch7")
		w.has(w.scrapeFor(4*time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`)
	})
}

func TestTheFirstWalkOfALargeAccountIsNotCountedAsDeferred(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.has(w.scrape(), `magpipe_exporter_api_requests_deferred_total{action="list",reason="budget"} 0`, `!magpipe_batches{`)
		if walk, filter := w.listed(); walk != 9 || filter != 1 {
			t.Errorf("%d pages of the walk and %d of the filter, want 9 and 1: all of the first ten requests", walk, filter)
		}
	}, withPageCap(10), func(_ *simulator.Options, _ *collector.Config, l *apiclient.Limits) { l.PerHour = 250 })
}

func TestAPageBehindTheFirstThatFailsTakesAwayWhatRestsOnIt(t *testing.T) {
	for _, batches := range []int{15, 50} {
		t.Run(fmt.Sprint(batches), func(t *testing.T) {
			broken := &brokenPages{status: 502}
			inWorld(t, func(a *simulator.Account) {
				a.Add(simulator.Campaign{ID: "old", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 0, 0).Add(-time.Hour)})
				a.Add(simulator.Campaign{ID: "new", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 59, 0)})
				for i := range batches - 2 {
					a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Second)})
				}
			}, func(w *world) {
				w.scrapeFor(3 * time.Minute)
				w.has(w.page(), `magpipe_batch_status{batch_id="old",status="scheduled"} 1`, `magpipe_up 1`)
				broken.from = 10
				w.account.Cancel("old")
				w.scrapeFor(3 * time.Minute) // the page is asked for, and fails
				for range 4 * 30 {
					w.has(w.scrapeAfter(15*time.Second), `magpipe_up 0`)
				}
				w.has(w.page(), `!magpipe_batch_status{batch_id="old"`, `!magpipe_batches{`)
				broken.from = 0
				w.has(w.scrapeFor(20*time.Minute), `magpipe_up 1`, `magpipe_batch_status{batch_id="old",status="cancelled"} 1`,
					fmt.Sprintf(`magpipe_batches{status="draft"} %d`, batches-2))
			}, withPageCap(10), withTransport(broken))
		})
	}
}

// tied fills an account with drafts that were created at the same moment: no
// walk of several pages is sure to have seen all.
func tied(a *simulator.Account) {
	for i := range 60 {
		a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0)})
	}
}

func TestADeletedBatchIsGoneThoughNoWalkIsSure(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		tied(a)
		a.Add(simulator.Campaign{ID: "scheduled", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 1, 0)})
		a.Add(simulator.Campaign{ID: "recurring", Status: "recurring", Recurrence: "daily", Recipients: 1, CreatedAt: at(0, 2, 0)})
	}, func(w *world) {
		w.has(w.scrapeFor(5*time.Minute), `magpipe_list_truncated 1`, `magpipe_batch_status{batch_id="scheduled",status="scheduled"} 1`,
			`magpipe_batch_status{batch_id="recurring",status="recurring"} 1`)
		w.account.Delete("scheduled")
		w.account.Delete("recurring")
		w.has(w.scrapeFor(5*time.Minute), `magpipe_list_truncated 1`, `!magpipe_batch_status`)
	}, withPageCap(25))
}

func TestABatchThatAnUnsureWalkLacksIsNotGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 60 {
			a.Add(simulator.Campaign{ID: fmt.Sprint("batch", i), Status: "scheduled", Recipients: 1, CreatedAt: at(0, 0, 0)})
		}
	}, func(w *world) {
		w.scrapeFor(10 * time.Minute) // some rows are shown now and then only
		page := w.page()
		shown := strings.Count(page, `status="scheduled"} 1`)
		for range 4 * 30 {
			page = w.scrapeAfter(15 * time.Second)
			if got := strings.Count(page, `status="scheduled"} 1`); got < shown {
				t.Fatalf("%d batches are shown, after %d were", got, shown)
			}
		}
	}, withPageCap(25))
}

func TestWhatLeftRunningIsNotTakenFromAFilterThatMayHaveMissedRows(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		large(a)
		for i := range 30 { // the filter takes three pages, without an order
			a.Add(simulator.Campaign{ID: fmt.Sprint("running", i), Recipients: 1, CreatedAt: at(0, 50, 0)})
		}
	}, func(w *world) {
		w.scrapeFor(10 * time.Minute)
		gets := w.requests()["get"]
		w.scrapeFor(10 * time.Minute)
		listed := 0
		for _, r := range w.account.Requests() {
			if r.Action == "list" && r.At.After(time.Now().Add(-10*time.Minute)) {
				listed++
			}
		}
		if read := w.requests()["get"] - gets; read > 80 {
			t.Errorf("%d gets in ten minutes, of which the budget pays for 76", read)
		}
		if listed < 20 {
			t.Errorf("%d pages of listings in ten minutes: gets of what a page lacked have eaten their share", listed)
		}
	}, withPageCap(10))
}
