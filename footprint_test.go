package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// The README tells what many accounts cost, and deploy/ sets limits. Both rest on these.
const (
	seriesOfAnAccount = 183
	seriesOfABatch    = 41 // running, with calls that ended and calls under way
	residentMegabytes = 96 // far below the limits under deploy/, whatever the machine
)

func TestWhatAnAccountCostsInSeriesAndMemory(t *testing.T) {
	t.Parallel()
	for _, running := range []int{1, 10, 50, 200} {
		t.Run(fmt.Sprintf("%d running batches", running), func(t *testing.T) {
			t.Parallel()
			account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
			for i := range running {
				now := time.Now()
				id := account.Add(simulator.Campaign{Name: fmt.Sprintf("Campaign %d", i), Recipients: 500, CreatedAt: now.Add(-time.Duration(i) * time.Minute), StartedAt: now.Add(-time.Minute)})
				account.SetRecipient(id, 0, simulator.Recipient{Status: "completed", AttemptedAt: now.Add(-time.Minute), CompletedAt: now})
				account.SetRecipient(id, 1, simulator.Recipient{Status: "calling", AttemptedAt: now})
			}
			p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+serveAPI(t, account.ServeHTTP),
				"--api.requests-per-minute=100000", "--api.requests-per-hour=1000000", "--collector.min-refresh=0s")
			var page map[string]float64
			for range 10 {
				page = samplesOf(get(t, p.url+"/metrics").body)
			}
			series := 0
			for name := range page {
				if strings.HasPrefix(name, "magpipe_") { // how many go_ and process_ there are is Go's business
					series++
				}
			}
			megabytes := page["process_resident_memory_bytes"] / 1e6
			t.Logf("%3d running: %5d series, %d with those of Go, %.1f MB resident", running, series, len(page), megabytes)
			if want := seriesOfAnAccount + seriesOfABatch*running; series != want {
				t.Errorf("%d series, the README has %d + %d × %d = %d", series, seriesOfAnAccount, seriesOfABatch, running, want)
			}
			if megabytes > residentMegabytes {
				t.Errorf("%.1f MB are resident, want at most %d", megabytes, residentMegabytes)
			}
		})
	}
}
