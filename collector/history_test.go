package collector_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// campaigns are batches that move fast: a call every few seconds each.
func campaigns(a *simulator.Account, n int) (ids []string) {
	for i := range n {
		ids = append(ids, a.Add(simulator.Campaign{
			ID: fmt.Sprint("campaign-", i), Recipients: 40, MaxConcurrency: 3, DialEvery: 8 * time.Second, CallLength: 20 * time.Second,
			CreatedAt: time.Now().Add(59 * time.Minute),
		}))
	}
	return ids
}

// TestEveryEndingCountsOnceAcrossRerunsAndRetries plays a random history in
// which nothing is erased before it was read, and compares the counters with
// the account's own record of its calls.
func TestEveryEndingCountsOnceAcrossRerunsAndRetries(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			var ids []string
			inWorld(t, func(a *simulator.Account) { ids = campaigns(a, 4) }, func(w *world) {
				began := time.Now()
				w.scrape()
				random := rand.New(rand.NewPCG(seed, 1))
				for range 4 * 75 {
					before := w.finished()
					page := w.scrapeAfter(15 * time.Second)
					for outcome, n := range w.finished() {
						if n < before[outcome] {
							t.Fatalf("calls_finished %s fell from %v to %v", outcome, before[outcome], n)
						}
					}
					w.meddle(page, ids, random)
				}
				w.settle(ids)
				w.compare(began)
			}, withoutLimits)
		})
	}
}

// meddle runs batches again that are over, or calls one of their recipients again.
func (w *world) meddle(page string, ids []string, random *rand.Rand) {
	for _, id := range ids {
		over := strings.Contains(page, fmt.Sprintf("\nmagpipe_batch_status{batch_id=%q,status=\"completed\"} 1\n", id))
		switch {
		case !over:
		case random.IntN(3) == 0:
			w.account.Rerun(id)
		default:
			w.account.Retry(id, random.IntN(40))
		}
	}
}

// settle lets all calls end, and reads the last of them.
func (w *world) settle(ids []string) {
	for _, id := range ids {
		w.account.Pause(id)
	}
	for range 10 {
		w.scrapeAfter(time.Minute)
	}
	synctest.Wait()
}

// finished are the counters of calls, by outcome, and of calls started.
func (w *world) finished() map[string]float64 {
	w.Helper()
	counts := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(w.page()))
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		name, label, _ := strings.Cut(series, `{outcome="`)
		if name != "magpipe_calls_finished_total" && name != "magpipe_calls_started_total" {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue // a comment
		}
		counts[strings.TrimSuffix(label, `"}`)] = n
	}
	return counts
}

// compare holds the counters against the calls that the account knows of.
func (w *world) compare(began time.Time) {
	w.Helper()
	want := map[string]float64{"": 0, "completed": 0, "failed": 0, "busy": 0, "no_answer": 0}
	for _, call := range w.account.Calls() {
		if !call.AttemptedAt.Before(began) {
			want[""]++
		}
		if call.Outcome != "" && !call.CompletedAt.Before(began) {
			want[call.Outcome]++
		}
	}
	for outcome, n := range w.finished() {
		if n != want[outcome] {
			w.Errorf("outcome %q: counted %v, the account had %v", outcome, n, want[outcome])
		}
	}
	if want[""] < 500 {
		w.Errorf("only %v calls: the history is too short to tell anything", want[""])
	}
}
