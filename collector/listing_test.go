package collector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// large fills an account with drafts, so that a walk of all batches has ten pages
// of ten rows.
func large(a *simulator.Account) {
	for i := range 95 {
		a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Second)})
	}
}

// listPages returns how many pages of all batches, and of the running ones only,
// were requested from the account.
func (w *world) listPages() (walk, filter int) {
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

func TestTheFilterKeepsUpWithTheRunningBatchesOfALargeAccount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		large(a)
		reminders(a, "b")
	}, func(w *world) {
		w.refreshFor(5 * time.Minute)
		walk, filter := w.listPages()
		w.account.Add(simulator.Campaign{ID: "new", Recipients: 1})
		w.has(w.scrapeFor(time.Minute), `magpipe_batch_recipients{batch_id="new",status="pending"} 1`)
		completeReminders(w.account, "b")
		w.has(w.scrapeFor(time.Minute), `magpipe_batch_status{batch_id="b",status="completed"} 1`, `magpipe_calls_finished_total{outcome="completed"} 1`)
		walked, filtered := w.listPages()
		if filtered-filter < 3 || walked-walk > 6 {
			t.Errorf("%d filtered reads and %d pages of the walk in two minutes, too few of the one or too many of the other", filtered-filter, walked-walk)
		}
	}, withPageCap(10))
}

func TestALongWalkTakesAtMostAThirdOfTheBudget(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.refreshFor(4 * time.Hour)
		walk, _ := w.listPages()
		if most := 4*500/3 + 20; walk > most || walk < most/2 {
			t.Errorf("%d pages in four hours, want at most %d and not far less", walk, most)
		}
		w.has(w.page(), `magpipe_batches{status="draft"} 95`)
	}, withPageCap(10))
}

func TestAFailedPageOfALongWalkIsNotReadAgainInTheSameRefresh(t *testing.T) {
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

func TestATruncatedWalkRemovesNoBatch(t *testing.T) {
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

func TestTheListIsReadEveryThreeMinutesHoweverManyBatchesWait(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 100 { // a round of reads takes 13 minutes
			a.Add(simulator.Campaign{ID: fmt.Sprint(i), Recipients: 1, CreatedAt: at(0, 0, i)})
		}
	}, func(w *world) {
		w.refreshFor(time.Hour)
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

func TestABatchThatJustStoppedRunningIsReadBeforeOthers(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 60 {
			reminders(a, fmt.Sprint("batch", i))
		}
	}, func(w *world) {
		w.refreshFor(20 * time.Minute)
		completeReminders(w.account, "batch7")
		w.has(w.scrapeFor(4*time.Minute), `magpipe_calls_finished_total{outcome="completed"} 1`)
	})
}

func TestTheFirstWalkOfALargeAccountIsNotCountedAsDeferred(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.has(w.scrape(), `magpipe_exporter_api_requests_deferred_total{action="list",reason="budget"} 0`, `!magpipe_batches{`)
		if walk, filter := w.listPages(); walk != 9 || filter != 1 {
			t.Errorf("%d pages of the walk and %d of the filter, want 9 and 1: all of the first ten requests", walk, filter)
		}
	}, withPageCap(10), withLimits(50, 250))
}

// brokenPages answers 502 to requests for the pages of a list that begin at some
// offset or after it.
type brokenPages struct {
	http.RoundTripper     // to the account
	from              int // 0: no page fails
	failed            int // requests
}

func (b *brokenPages) before(a *simulator.Account) http.RoundTripper {
	b.RoundTripper = a.Client().Transport
	return b
}

// RoundTrip sends a request to the account, or fails.
func (b *brokenPages) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked struct{ Offset int }
	r, err := withBody(r, &asked)
	if err != nil {
		return nil, err
	}
	if b.from == 0 || asked.Offset < b.from {
		return b.RoundTripper.RoundTrip(r)
	}
	b.failed++
	return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestALaterPageThatKeepsFailingRemovesWhatRestsOnIt(t *testing.T) {
	for _, batches := range []int{15, 50} {
		t.Run(fmt.Sprint(batches), func(t *testing.T) {
			broken := &brokenPages{}
			inWorld(t, func(a *simulator.Account) {
				a.Add(simulator.Campaign{ID: "old", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 0, 0).Add(-time.Hour)})
				a.Add(simulator.Campaign{ID: "new", Status: "scheduled", Recipients: 1, CreatedAt: at(0, 59, 0)})
				for i := range batches - 2 {
					a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Second)})
				}
			}, func(w *world) {
				w.has(w.scrapeFor(3*time.Minute), `magpipe_batch_status{batch_id="old",status="scheduled"} 1`, `magpipe_up 1`)
				broken.from = 10
				w.account.Cancel("old")
				w.refreshFor(3 * time.Minute) // until the page is read, and fails
				for range 4 * 30 {
					w.has(w.scrapeAfter(15*time.Second), `magpipe_up 0`)
				}
				w.has(w.page(), `!magpipe_batch_status{batch_id="old"`, `!magpipe_batches{`)
				broken.from = 0
				w.has(w.scrapeFor(20*time.Minute), `magpipe_up 1`, `magpipe_batch_status{batch_id="old",status="cancelled"} 1`,
					fmt.Sprintf(`magpipe_batches{status="draft"} %d`, batches-2))
			}, withPageCap(10), withTransport(broken.before))
		})
	}
}

func TestAWalkWhosePageFailsThreeTimesInARowBeginsAnew(t *testing.T) {
	broken := &brokenPages{}
	inWorld(t, large, func(w *world) {
		w.has(w.scrapeFor(5*time.Minute), `magpipe_batches{status="draft"} 95`)
		broken.from = 50
		for range 100 {
			if w.refreshFor(scrapeInterval); broken.failed > 0 {
				break
			}
		}
		for i := range 60 { // so that the page is past the end, which the service may answer with an error
			w.account.Delete(fmt.Sprint("draft", i))
		}
		w.has(w.scrapeFor(20*time.Minute), "magpipe_up 1", `magpipe_batches{status="draft"} 35`)
		if broken.failed != 3 {
			t.Errorf("the page was asked for %d times, want 3", broken.failed)
		}
	}, withPageCap(10), withTransport(broken.before))
}

func TestBeforeTheFirstWalkEndsTheExporterIsUpFromTheFirstGoodPageOn(t *testing.T) {
	inWorld(t, large, func(w *world) {
		w.has(w.page(), "magpipe_up 0")
		w.has(w.scrape(), "magpipe_up 1", "!magpipe_batches{")
		for range 4 * 10 {
			w.has(w.scrapeAfter(scrapeInterval), "magpipe_up 1")
		}
		w.has(w.page(), `magpipe_batches{status="draft"} 95`)
	}, withPageCap(10), withLimits(50, 250))
}

func TestBeforeTheFirstWalkEndsTheExporterIsDownWhileAPageFails(t *testing.T) {
	broken := &brokenPages{from: 30}
	inWorld(t, large, func(w *world) {
		for range 4 * 20 {
			w.has(w.scrapeAfter(scrapeInterval), "magpipe_up 0")
		}
		if broken.failed < 6 {
			t.Errorf("the page was asked for %d times, want at least two walks", broken.failed)
		}
		broken.from = 0
		if took := w.scrapeUntilShown(time.Hour, "magpipe_up 1"); took > 5*time.Minute {
			t.Errorf("up %v after the page could be read again", took)
		}
		for range 4 * 20 {
			w.has(w.scrapeAfter(scrapeInterval), "magpipe_up 1")
		}
		w.has(w.page(), `magpipe_batches{status="draft"} 95`)
	}, withPageCap(10), withTransport(broken.before))
}

// tied fills an account with drafts that were created at the same moment, so that
// a walk of several pages may miss some.
func tied(a *simulator.Account) {
	for i := range 60 {
		a.Add(simulator.Campaign{ID: fmt.Sprint("draft", i), Status: "draft", CreatedAt: at(0, 0, 0)})
	}
}

func TestADeletedBatchIsGoneEvenIfEveryWalkIsTruncated(t *testing.T) {
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

func TestABatchThatATruncatedWalkLacksIsNotGone(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 60 {
			a.Add(simulator.Campaign{ID: fmt.Sprint("batch", i), Status: "scheduled", Recipients: 1, CreatedAt: at(0, 0, 0)})
		}
	}, func(w *world) {
		shown := strings.Count(w.scrapeFor(10*time.Minute), `status="scheduled"} 1`) // some are only on some pages
		for range 4 * 30 {
			page := w.scrapeAfter(15 * time.Second)
			if got := strings.Count(page, `status="scheduled"} 1`); got < shown {
				t.Fatalf("%d batches are shown, after %d were", got, shown)
			}
		}
	}, withPageCap(25))
}

func TestATruncatedFilterCausesNoNeedlessGets(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		large(a)
		for i := range 30 { // three pages of the filter, in no order
			a.Add(simulator.Campaign{ID: fmt.Sprint("running", i), Recipients: 1, CreatedAt: at(0, 50, 0)})
		}
	}, func(w *world) {
		w.refreshFor(10 * time.Minute)
		gets := w.requests("get")
		w.refreshFor(10 * time.Minute)
		listed := 0
		for _, r := range w.account.Requests() {
			if r.Action == "list" && r.At.After(time.Now().Add(-10*time.Minute)) {
				listed++
			}
		}
		if read := w.requests("get") - gets; read > 80 {
			t.Errorf("%d gets in ten minutes, in which the budget allows 76", read)
		}
		if listed < 20 {
			t.Errorf("%d pages of lists in ten minutes: gets of what a page lacked took their share", listed)
		}
	}, withPageCap(10))
}

// TestEachChangeIsNoticedWithinItsBound tests the documented bounds on busy
// accounts, where a round of reads takes seven minutes.
func TestEachChangeIsNoticedWithinItsBound(t *testing.T) {
	const (
		perList = 157 * time.Second // the list's guaranteed share
		perPage = 32 * time.Second  // the share of a long walk
	)
	for _, account := range []struct {
		name  string
		pages int // of a walk of all batches
	}{{"one page", 1}, {"six pages", 6}} {
		for _, change := range changes() {
			t.Run(account.name+", a batch "+change.name, func(t *testing.T) {
				t.Parallel()
				bound, byFilter := perList+2*scrapeInterval, account.pages > 1
				if account.pages > 1 && change.walks > 0 {
					bound, byFilter = time.Duration(change.walks*account.pages)*perPage+2*scrapeInterval, false
				}
				inWorld(t, func(a *simulator.Account) {
					for i := range (account.pages - 1) * 58 {
						a.Add(simulator.Campaign{Status: "draft", CreatedAt: at(0, 0, 0).Add(-time.Duration(i) * time.Second)})
					}
					addBusyBatches(a)
				}, func(w *world) {
					w.refreshFor(15 * time.Minute)
					w.refreshUntil(func(r simulator.Request) bool { // then it takes longest until the next
						return r.Action == "list" && r.Offset == 0 && (r.StatusFilter != "") == byFilter
					})
					change.act(w.account)
					took := w.scrapeUntilShown(2*bound, change.lines...)
					if took > bound {
						t.Errorf("noticed after %v, want %v at most", took, bound)
					}
					t.Logf("noticed after %v of %v", took, bound)
				}, withPageCap(60))
			})
		}
	}
}

// addBusyBatches adds fifty running batches, and those that changes change.
func addBusyBatches(a *simulator.Account) {
	for i := range 50 {
		a.Add(simulator.Campaign{ID: fmt.Sprint("busy", i), Recipients: 2, CreatedAt: at(0, 0, i)})
	}
	a.Add(simulator.Campaign{ID: "b", Recipients: 2, CreatedAt: at(0, 5, 0)})
	a.Add(simulator.Campaign{ID: "waiting", Status: "scheduled", Recipients: 2, CreatedAt: at(0, 6, 0)})
	a.Add(simulator.Campaign{ID: "over", Status: "completed", Recipients: 2, CreatedAt: at(0, 7, 0), StartedAt: at(0, 8, 0), CompletedAt: at(0, 9, 0)})
	a.Add(simulator.Campaign{ID: "recurring", Status: "recurring", Recipients: 2, Recurrence: "daily", CreatedAt: at(0, 4, 0)})
}

// change is something that happens to a batch.
type change struct {
	name  string
	act   func(*simulator.Account)
	lines []string // of the page that shows it
	walks int      // of all batches until it is noticed, if they are long; 0: the filter shows it
}

func changes() []change {
	status := func(id, status string) string {
		return fmt.Sprintf(`magpipe_batch_status{batch_id=%q,status=%q} 1`, id, status)
	}
	recipients := func(id, status string, n int) string {
		return fmt.Sprintf(`magpipe_batch_recipients{batch_id=%q,status=%q} %d`, id, status, n)
	}
	return []change{
		{name: "starts", act: func(a *simulator.Account) { a.Start("waiting") },
			lines: []string{status("waiting", "running"), recipients("waiting", "pending", 2)}},
		{name: "ends", act: func(a *simulator.Account) { a.Complete("b") },
			lines: []string{status("b", "completed")}},
		{name: "is cancelled", act: func(a *simulator.Account) { a.Cancel("b") },
			lines: []string{status("b", "cancelled"), recipients("b", "skipped", 2)}},
		{name: "is run again", act: func(a *simulator.Account) { a.Rerun("over") },
			lines: []string{status("over", "running"), recipients("over", "pending", 2)}},
		{name: "is created running", act: func(a *simulator.Account) { a.Add(simulator.Campaign{ID: "new", Recipients: 3}) },
			lines: []string{status("new", "running"), recipients("new", "pending", 3)}},
		{name: "is created scheduled", act: func(a *simulator.Account) {
			a.Add(simulator.Campaign{ID: "new", Status: "scheduled", Recipients: 3, ScheduledAt: time.Now()})
		}, lines: []string{status("new", "scheduled")}, walks: 1},
		{name: "is deleted", act: func(a *simulator.Account) { a.Delete("waiting") },
			lines: []string{`!magpipe_batch_status{batch_id="waiting"`}, walks: 3},
		{name: "spawns a run", act: func(a *simulator.Account) { a.Spawn("recurring") },
			lines: []string{`magpipe_runs{status="running"} 1`}, walks: 1},
	}
}

func TestAListThatFailedIsReadAgainSoonHoweverManyBatchesWait(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 50 { // a round of reads takes seven minutes
			reminders(a, fmt.Sprint("batch", i))
		}
	}, func(w *world) {
		w.refreshFor(20 * time.Minute)
		w.account.Inject(simulator.Fault{Action: "list", Status: 503, Times: 1})
		w.scrapeUntilShown(5*time.Minute, "magpipe_up 0")
		w.has(w.page(), "magpipe_up 0")
		w.has(w.scrapeFor(time.Minute), "magpipe_up 1") // two pages: batches of one age prove no end
	})
}
