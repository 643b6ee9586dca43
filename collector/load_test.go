package collector_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestFiftyScrapersCostTheAPIWhatOneDoes(t *testing.T) {
	const rounds = 40 // ten minutes: the budget is spent in the first of them
	var asked [2]map[string]int
	for i, scrapers := range []int{1, 50} {
		inWorld(t, func(a *simulator.Account) {
			for i := range 12 {
				reminders(a, fmt.Sprint("batch", i))
			}
			a.Inject(simulator.Fault{Latency: 300 * time.Millisecond})
		}, func(w *world) {
			for range rounds {
				time.Sleep(15 * time.Second)
				var scrapes sync.WaitGroup
				for range scrapers {
					scrapes.Go(func() { w.collector.Refresh(w.Context()) })
				}
				scrapes.Wait()
			}
			asked[i] = w.requests()
		})
	}
	if diff := cmp.Diff(asked[0], asked[1]); diff != "" || asked[0]["get"] < 50 {
		t.Errorf("what one scraper asks for, and fifty (-one +fifty): %s\n%v", diff, asked[0])
	}
}

func TestThousandsOfBatchesShowNoMoreThanMaxBatches(t *testing.T) {
	const batches, most = 3000, 500
	inWorld(t, func(a *simulator.Account) {
		for i := range batches {
			a.Add(simulator.Campaign{ID: fmt.Sprintf("batch-%04d", i), Name: strings.Repeat("n", 300), Recipients: 20, CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Millisecond)})
		}
	}, func(w *world) {
		page := w.scrapeEach(time.Minute, 10)
		w.has(page, fmt.Sprintf(`magpipe_batches{status="running"} %d`, batches), `magpipe_list_truncated 0`)
		series := map[string]int{}
		for line := range strings.Lines(page) {
			if _, rest, ok := strings.Cut(line, `{batch_id="`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				series[id]++
			}
		}
		if len(series) != most {
			t.Errorf("%d batches have series, want %d", len(series), most)
		}
		for id, n := range series {
			if n > seriesEach || id < fmt.Sprintf("batch-%04d", batches-most) {
				t.Errorf("%s has %d series", id, n)
			}
		}
		if lines := strings.Count(page, "\n"); lines > most*seriesEach+seriesAtMost+200 {
			t.Errorf("the page has %d lines", lines)
		}
		read := map[string]bool{}
		for _, r := range w.account.Requests() {
			if r.Action == "get" {
				read[r.BatchID] = true
			}
		}
		if len(read) == 0 || len(read) > most {
			t.Errorf("%d batches were read, want some and none without series", len(read))
		}
		if got := len(w.account.Requests()); got > 20+600*500/3600+1 {
			t.Errorf("%d requests in ten minutes", got)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w.scrapeEach(time.Minute, 10)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if after.HeapAlloc > before.HeapAlloc+8<<20 {
			t.Errorf("%d KiB are held after ten minutes more, %d before", after.HeapAlloc>>10, before.HeapAlloc>>10)
		}
	}, func(_ *simulator.Options, cfg *collector.Config, _ *apiclient.Limits) { cfg.MaxBatches = most })
}

// scrapeEach scrapes a number of times and returns the last page.
func (w *world) scrapeEach(interval time.Duration, times int) string {
	w.Helper()
	for range times {
		time.Sleep(interval)
		w.collector.Refresh(w.Context())
	}
	return w.page()
}
