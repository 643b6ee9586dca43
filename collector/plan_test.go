package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestABatchThatCannotCallRestsUntilItCanOrItsRowMoves(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "closed", Recipients: 2, WindowStart: "03:30", WindowEnd: "23:00", CreatedAt: at(0, 0, 1)})
		a.Add(simulator.Campaign{ID: "done", Recipients: 1, CreatedAt: at(0, 0, 2)})
		a.SetRecipient("done", 0, simulator.Recipient{Status: "failed", AttemptedAt: at(0, 30, 0), CompletedAt: at(0, 31, 0)})
		a.Add(simulator.Campaign{ID: "open", Recipients: 1, CreatedAt: at(0, 0, 3)})
	}, func(w *world) {
		w.scrapeFor(59 * time.Minute)
		if closed, done, open := w.gets("closed"), w.gets("done"), w.gets("open"); closed != 1 || done != 1 || open < 200 {
			t.Errorf("%d, %d and %d gets, want 1 of what cannot call, and one of the other at each scrape", closed, done, open)
		}
		w.scrapeFor(2 * time.Minute)
		if closed, done := w.gets("closed"), w.gets("done"); closed != 2 || done != 2 {
			t.Errorf("%d and %d gets after an hour, want 2 of each", closed, done)
		}
		w.account.SetRecipient("closed", 0, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now()})
		w.has(w.scrapeFor(30*time.Second), `magpipe_batch_recipients{batch_id="closed",status="busy"} 1`)
		w.scrapeFor(time.Until(at(3, 31, 0)))
		before := w.gets("closed")
		w.scrapeFor(time.Minute)
		if got := w.gets("closed") - before; got < 3 {
			t.Errorf("%d gets in the minute after the window has opened, want one at each scrape", got)
		}
	}, withoutLimits)
}

func TestACallThatHangsIsFoundInTurnThoughItMovesNoRow(t *testing.T) {
	const silent = 20
	inWorld(t, func(a *simulator.Account) {
		movingAccount{batches: 30, running: 30, moving: 30, recipients: 500}.fill(a) // more than the budget pays for
		for i := range silent {
			a.Add(simulator.Campaign{ID: fmt.Sprint("silent", i), Recipients: 1, CreatedAt: at(0, 0, i), UpdatedAt: at(0, 1, 0)})
		}
	}, func(w *world) {
		w.refreshFor(30 * time.Minute)
		w.account.SetRecipient("silent7", 0, simulator.Recipient{Status: "calling", AttemptedAt: time.Now()})
		w.account.Set("silent7", "updated_at", "2000-01-01T00:01:00+00:00")
		bound := silent*79*time.Second + 30*time.Second
		for took := time.Duration(0); !strings.Contains(w.page(), `magpipe_batch_oldest_active_call_timestamp_seconds{batch_id="silent7"}`); took += 15 * time.Second {
			if took > bound {
				t.Fatalf("not found within %v", bound)
			}
			w.scrapeAfter(15 * time.Second)
		}
	})
}

func TestAPageSaysSinceWhenRecipientsAreOutdated(t *testing.T) {
	const outdated = `magpipe_batch_outdated_since_timestamp_seconds{batch_id="b"}`
	inWorld(t, func(a *simulator.Account) { a.Add(simulator.Campaign{ID: "b", Recipients: 2}) }, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_recipients{batch_id="b",status="pending"} 2`, "!"+outdated)
		mend := w.account.Inject(simulator.Fault{Action: "get", Status: 503})
		w.account.SetRecipient("b", 0, simulator.Recipient{Status: "busy", AttemptedAt: time.Now(), CompletedAt: time.Now()})
		shown := fmt.Sprint(outdated, " ", float64(time.Now().Add(15*time.Second).Unix()))
		w.has(w.scrapeAfter(15*time.Second), shown, `magpipe_batch_recipients{batch_id="b",status="pending"} 2`)
		w.has(w.scrapeAfter(15*time.Second), shown)
		mend()
		w.has(w.scrapeAfter(time.Minute), "!"+outdated, `magpipe_batch_recipients{batch_id="b",status="busy"} 1`)
	})
}

func TestTheListIsReadOnceAMinuteWhileNoRowMoves(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		movingAccount{batches: 100, running: 100}.fill(a)
	}, func(w *world) {
		w.scrapeFor(time.Hour)
		lists, gets := w.requests("list"), w.requests("get")
		w.scrapeFor(time.Hour)
		lists, gets = w.requests("list")-lists, w.requests("get")-gets
		if lists < 55 || lists > 65 || gets < 385 {
			t.Errorf("%d lists and %d gets in an hour, want 60 lists and the rest for what may have changed", lists, gets)
		}
	})
}
