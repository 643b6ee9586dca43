package collector_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// TestNoFaultLeavesASocketOrAGoroutineBehind has the exporter's own connections meet the faults that a server can cause,
// in every action at once, where the matrix has a network in memory.
func TestNoFaultLeavesASocketOrAGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, f := range everyFault(nil) {
		if f.answer == nil || f.reason == "too_large" && f.name != "a gzip bomb" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
			account.Add(simulator.Campaign{ID: "a", Recipients: 1})
			account.Add(simulator.Campaign{ID: "s", Recurrence: "daily", Recipients: 1})
			var broken atomic.Bool
			var open atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !broken.Load() {
					account.ServeHTTP(w, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has left
				f.answer(w, r)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					open.Add(1)
				case http.StateClosed, http.StateHijacked:
					open.Add(-1)
				}
			}
			server.Start()
			defer server.Close()
			survive(t, server.URL, &broken, f)
			for late := time.Now().Add(10 * time.Second); open.Load() != 0; {
				if time.Now().After(late) {
					t.Fatalf("%d connections are open after the end", open.Load())
				}
				<-time.After(time.Millisecond)
			}
		})
	}
	goleak.VerifyNone(t, before)
}

// survive reads an account before a fault, in it and after it.
func survive(t *testing.T, url string, broken *atomic.Bool, f fault) {
	t.Helper()
	w := &world{T: t}
	cfg := collector.Config{MaxStaleness: time.Minute, FinishedRetention: time.Hour, MaxBatches: 500}
	if f.lasts {
		cfg.API.Timeout = time.Second
	}
	w.startAt(url, cfg, apiclient.Limits{PerMinute: 100_000, PerHour: 1_000_000})
	defer w.collector.Close()
	good := []string{"magpipe_up 1", `magpipe_batch_attempted_recipients{batch_id="a"} 0`}
	w.has(w.scrape(), good...)
	broken.Store(true)
	w.has(w.scrape(), "magpipe_up 0", good[1], fmt.Sprintf(`magpipe_exporter_api_request_failures_total{action="list",reason=%q} 1`, f.reason))
	broken.Store(false)
	if f.pause == 0 {
		w.has(w.scrape(), good...)
	}
}
