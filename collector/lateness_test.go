package collector_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// movingAccount is an account in which only some of the running batches call at
// a time, while the others wait for the service's dialer.
type movingAccount struct {
	batches, running, moving int
	zipf                     bool // the paces: 1, 1/2, 1/3 … of the fastest
	dialer                   bool // takes turns among all that run; else the same ones move all the time
	closed                   int  // running batches beside, whose call window is closed
	recipients               int  // of each that moves; 200 an hour are enough
}

func (m movingAccount) fill(a *simulator.Account) {
	for i := range m.batches {
		b := simulator.Campaign{ID: fmt.Sprint("batch", i), Recipients: 10, CreatedAt: at(0, 0, 0).Add(-time.Duration(i) * time.Minute)}
		switch {
		case i >= m.running:
			b.Status, b.StartedAt, b.CompletedAt, b.UpdatedAt = "completed", b.CreatedAt, b.CreatedAt, b.CreatedAt
		case i >= m.running-m.closed:
			b.WindowStart, b.WindowEnd = "20:00", "23:00"
		case i < m.moving || m.dialer:
			b.Recipients, b.MaxConcurrency, b.DialEvery, b.CallLength = m.recipients, 3, 30*time.Second, 30*time.Second
			if m.zipf {
				b.DialEvery = time.Duration(i+1) * 10 * time.Second
			}
		}
		a.Add(b)
	}
}

// TestEndsOfCallsAreSoonOnAPage measures how late the end of a call is on a page
// that could show it, with a scrape every 15 s and the default budget, and
// compares it with a reader that knows which batches have changed.
func TestEndsOfCallsAreSoonOnAPage(t *testing.T) {
	const busy = 163 * time.Second * 112 / 100 // the result of reading in turn if all of 20 batches move, and a tenth of the budget reads call records
	type goal struct {
		account  movingAccount
		most     time.Duration // 99 of 100 ends are on a page by then
		toOracle float64       // and the ratio to the oracle's
	}
	goals := []goal{
		{movingAccount{batches: 20, running: 20, moving: 20}, busy * 105 / 100, math.Inf(1)},
		{movingAccount{batches: 20, running: 20, moving: 10, dialer: true}, 130 * time.Second, math.Inf(1)},
		{movingAccount{batches: 100, running: 100, moving: 10, dialer: true}, 130 * time.Second, 1.4},
		{movingAccount{batches: 100, running: 100, moving: 10}, 130 * time.Second, 1.4},
		{movingAccount{batches: 200, running: 200, moving: 10, dialer: true}, 130 * time.Second, 1.4},
		{movingAccount{batches: 200, running: 200, moving: 10, dialer: true, closed: 150}, 130 * time.Second, 1.4},
		{movingAccount{batches: 200, running: 200, moving: 50, zipf: true}, time.Hour, 1.4},
		{movingAccount{batches: 5000, running: 100, moving: 10, dialer: true}, 205 * time.Second, math.Inf(1)}, // 1.6 × the 129 s of 100: the walk takes a quarter of the budget
	}
	warmUp, measured := time.Hour, 4*time.Hour
	if *soak == "" { // those that differ most, for a shorter time
		goals, warmUp, measured = []goal{goals[0], goals[2]}, 30*time.Minute, 80*time.Minute
	}
	for _, test := range goals {
		t.Run(fmt.Sprintf("%+v", test.account), func(t *testing.T) {
			t.Parallel()
			test.account.recipients = int(200 * (time.Hour + warmUp + measured).Hours())
			inWorld(t, test.account.fill, func(w *world) {
				w.refreshFor(warmUp)
				from := time.Now()
				w.refreshFor(measured)
				ends := w.ends(from)
				late, oracle := percentile(w.lateness(ends), 0.99), percentile(oracleLateness(ends, from), 0.99)
				ratio := late.Seconds() / oracle.Seconds()
				if late > test.most || ratio > test.toOracle {
					t.Errorf("99 of 100 of %d ends are on a page within %v, %.2f of the oracle's %v", len(ends), late, ratio, oracle)
				}
				t.Logf("99 of 100 of %d ends are on a page within %v, %.2f of the oracle's %v; half of them within %v", len(ends), late, ratio, oracle,
					percentile(w.lateness(ends), 0.5))
			}, withAccount(func(o *simulator.Options) {
				if test.account.dialer {
					o.DialBatches, o.DialTurn = test.account.moving, 30*time.Minute
				}
			}))
		})
	}
}

// ends returns the calls that ended after a time and early enough to be on a
// page, in order of their end.
func (w *world) ends(from time.Time) []simulator.Call {
	ends := slices.DeleteFunc(w.account.Calls(), func(c simulator.Call) bool {
		return c.Outcome == "" || c.CompletedAt.Before(from) || c.CompletedAt.After(time.Now().Add(-30*time.Minute))
	})
	slices.SortFunc(ends, func(a, b simulator.Call) int { return a.CompletedAt.Compare(b.CompletedAt) })
	return ends
}

// lateness returns the time from the end of each call to the first read of its batch
// that showed it. On the fake clock, a page shows what was read for it at once.
func (w *world) lateness(ends []simulator.Call) (late []time.Duration) {
	w.Helper()
	reads := map[string][]time.Time{}
	for _, r := range w.account.Requests() {
		if r.Action == "get" && r.Status == http.StatusOK {
			reads[r.BatchID] = append(reads[r.BatchID], r.At)
		}
	}
	for _, end := range ends {
		i, _ := slices.BinarySearchFunc(reads[end.BatchID], end.CompletedAt, time.Time.Compare)
		if i == len(reads[end.BatchID]) {
			w.Errorf("a call of %s that ended at %v is on no page", end.BatchID, end.CompletedAt)
			return late
		}
		late = append(late, reads[end.BatchID][i].Sub(end.CompletedAt))
	}
	return late
}

// oracleLateness returns the lateness of an ideal reader that knows which batches
// have changed. In each round it pays for one list and for these batches, the one
// read longest ago first.
func oracleLateness(ends []simulator.Call, from time.Time) (late []time.Duration) {
	budget := apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500})
	unread, read := map[string][]time.Time{}, map[string]time.Time{}
	var round []string
	tokens := 0.0
	for now := from; len(ends) > 0 || len(unread) > 0; now = now.Add(15 * time.Second) {
		tokens = min(tokens+15*budget.Refill(), float64(budget.Burst()))
		for len(ends) > 0 && !ends[0].CompletedAt.After(now) {
			unread[ends[0].BatchID] = append(unread[ends[0].BatchID], ends[0].CompletedAt)
			ends = ends[1:]
		}
		for ; tokens >= 1; tokens-- {
			if len(round) == 0 {
				if len(unread) == 0 {
					break
				}
				for id := range unread {
					round = append(round, id)
				}
				slices.SortFunc(round, func(a, b string) int { return read[a].Compare(read[b]) })
				continue // the list is paid for
			}
			id := round[0]
			for _, end := range unread[id] {
				late = append(late, now.Sub(end))
			}
			delete(unread, id)
			round, read[id] = round[1:], now
		}
	}
	return late
}

func percentile(durations []time.Duration, q float64) time.Duration {
	slices.Sort(durations)
	return durations[int(q*float64(len(durations)))]
}
