package collector_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
)

func TestADateHeaderThatJumpsByAnHourChangesNoPage(t *testing.T) {
	var pages []string
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		inWorld(t, func(a *simulator.Account) {
			reminders(a, "a")
			reminders(a, "b")
		}, func(w *world) {
			w.scrape()
			for range 8 {
				w.account.Inject(simulator.Fault{Header: http.Header{"Date": {time.Now().Add(jump).UTC().Format(http.TimeFormat)}}})
				w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
				w.scrapeAfter(15 * time.Second)
			}
			w.end("b")
			w.account.Add(simulator.Campaign{ID: "late", Recipients: 1})
			w.account.SetRecipient("late", 0, simulator.Recipient{Status: "failed", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
			w.scrapeAfter(15 * time.Second)
			pages = append(pages, w.scrapeAfter(15*time.Second))
			w.has(pages[0], `magpipe_calls_started_total 9`, `magpipe_calls_finished_total{outcome="failed"} 1`)
		}, withoutLimits)
	}
	for _, page := range pages[1:] {
		if diff := cmp.Diff(pages[0], page); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAFirstAnswerWithAWrongDateHidesNoCallAndCountsNoOldOne(t *testing.T) {
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour} {
		for _, code := range []int{http.StatusOK, http.StatusBadGateway} {
			inWorld(t, func(a *simulator.Account) {
				reminders(a, "a")
				fault := simulator.Fault{Times: 1, Header: http.Header{"Date": {time.Now().Add(time.Hour + jump).UTC().Format(http.TimeFormat)}}}
				if code != http.StatusOK {
					fault.Status = code
				}
				a.Inject(fault)
			}, func(w *world) {
				w.account.SetRecipient("a", 4, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)})
				w.scrape()
				w.scrapeAfter(15 * time.Second)
				w.has(w.scrapeAfter(15*time.Second), `magpipe_calls_started_total 1`, `magpipe_calls_finished_total{outcome="busy"} 1`)
			})
		}
	}
}
