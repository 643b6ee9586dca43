package collector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// TestEachChangeIsNoticedWithinItsBound holds the bounds that the README
// states, on busy accounts scraped every 15 s, where a round of reads takes 13
// minutes.
func TestEachChangeIsNoticedWithinItsBound(t *testing.T) {
	const (
		scrape = 15 * time.Second
		list   = 157*time.Second + 2*scrape // the list's guaranteed share, and a get after that
		page   = 32 * time.Second           // the share of a long walk
	)
	busy := func(a *simulator.Account) {
		for i := range 100 {
			a.Add(simulator.Campaign{ID: fmt.Sprint("busy", i), Recipients: 2, CreatedAt: at(0, 0, i)})
		}
		a.Add(simulator.Campaign{ID: "b", Recipients: 2, CreatedAt: at(0, 5, 0)})
		a.Add(simulator.Campaign{ID: "waiting", Status: "scheduled", Recipients: 2, CreatedAt: at(0, 6, 0)})
		a.Add(simulator.Campaign{ID: "over", Status: "completed", Recipients: 2, CreatedAt: at(0, 7, 0), StartedAt: at(0, 8, 0), CompletedAt: at(0, 9, 0)})
		a.Add(simulator.Campaign{ID: "series", Status: "recurring", Recipients: 2, Recurrence: "daily", CreatedAt: at(0, 4, 0)})
	}
	changes := []struct {
		name       string
		act        func(*simulator.Account)
		shown      string        // a line of the page, or with "!" what is there no more
		small      time.Duration // bound where the list has one page
		largeWalks int           // bound elsewhere, in walks; 0: as small, by the filter
		readAsWell string        // a line that needs the recipients, by the same bound
	}{
		{name: "starts", act: func(a *simulator.Account) { a.Start("waiting") },
			shown: `magpipe_batch_status{batch_id="waiting",status="running"} 1`, small: list, readAsWell: `magpipe_batch_recipients{batch_id="waiting",status="pending"} 2`},
		{name: "ends", act: func(a *simulator.Account) { a.Complete("b") },
			shown: `magpipe_batch_status{batch_id="b",status="completed"} 1`, small: list},
		{name: "is cancelled", act: func(a *simulator.Account) { a.Cancel("b") },
			shown: `magpipe_batch_status{batch_id="b",status="cancelled"} 1`, small: list, readAsWell: `magpipe_batch_recipients{batch_id="b",status="skipped"} 2`},
		{name: "is run again", act: func(a *simulator.Account) { a.Rerun("over") },
			shown: `magpipe_batch_status{batch_id="over",status="running"} 1`, small: list, readAsWell: `magpipe_batch_recipients{batch_id="over",status="pending"} 2`},
		{name: "is created running", act: func(a *simulator.Account) { a.Add(simulator.Campaign{ID: "new", Recipients: 3}) },
			shown: `magpipe_batch_status{batch_id="new",status="running"} 1`, small: list, readAsWell: `magpipe_batch_recipients{batch_id="new",status="pending"} 3`},
		{name: "is created scheduled", act: func(a *simulator.Account) {
			a.Add(simulator.Campaign{ID: "new", Status: "scheduled", Recipients: 3, ScheduledAt: time.Now()})
		}, shown: `magpipe_batch_status{batch_id="new",status="scheduled"} 1`, small: list, largeWalks: 1},
		{name: "is deleted", act: func(a *simulator.Account) { a.Delete("waiting") },
			shown: `!magpipe_batch_status{batch_id="waiting"`, small: list, largeWalks: 3},
		{name: "spawns a run", act: func(a *simulator.Account) { a.Spawn("series") },
			shown: `magpipe_runs{status="running"} 1`, small: list, largeWalks: 1},
	}
	for _, account := range []struct {
		name  string
		pages int // of a full walk
		set   setting
	}{
		{"one page", 1, func(*simulator.Options, *collector.Config, *apiclient.Limits) {}},
		{"six pages", 6, withPageCap(120)},
	} {
		for _, change := range changes {
			t.Run(account.name+", a batch "+change.name, func(t *testing.T) {
				t.Parallel()
				bound := change.small
				if account.pages > 1 && change.largeWalks > 0 {
					bound = time.Duration(change.largeWalks*account.pages)*page + 2*scrape
				}
				inWorld(t, func(a *simulator.Account) {
					for i := range (account.pages - 1) * 116 {
						a.Add(simulator.Campaign{Status: "draft", CreatedAt: at(0, 0, 0).Add(-time.Duration(i) * time.Second)})
					}
					busy(a)
				}, func(w *world) {
					w.scrapeFor(40 * time.Minute)
					w.scrapeUntilListed(account.pages > 1 && change.largeWalks == 0)
					change.act(w.account)
					wanted := slices.DeleteFunc([]string{change.shown, change.readAsWell}, func(s string) bool { return s == "" })
					took := time.Duration(0)
					for page := w.page(); !w.shows(page, wanted); page = w.scrapeAfter(scrape) {
						if took += scrape; took > 2*bound {
							break
						}
					}
					if took > bound {
						t.Errorf("noticed after %v, want %v at most", took, bound)
					}
					t.Logf("noticed after %v of %v", took, bound)
				}, account.set)
			})
		}
	}
}

// scrapeUntilListed scrapes until the list, or its filter, has just been read
// from its start: then it takes longest until that is read again.
func (w *world) scrapeUntilListed(filtered bool) {
	for range 1000 {
		before := time.Now()
		w.scrapeAfter(15 * time.Second)
		for _, r := range w.account.Requests() {
			if r.At.After(before) && r.Action == "list" && r.Offset == 0 && (r.StatusFilter != "") == filtered {
				return
			}
		}
	}
	w.Fatal("the list is read no more")
}

// shows tells whether the page has every line.
func (w *world) shows(page string, lines []string) bool {
	return !slices.ContainsFunc(lines, func(line string) bool {
		if absent, ok := strings.CutPrefix(line, "!"); ok {
			return strings.Contains(page, "\n"+absent)
		}
		return !strings.Contains(page, "\n"+line+"\n")
	})
}
