package collector_test

import (
	"fmt"
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
