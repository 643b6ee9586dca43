//go:build e2e

package e2e_test

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/internal/acceptance/process"
)

// TestAnIncreaseOverARestartIsTheTruth kills the exporter while calls end, lets more of them end while it is down, and
// starts it again with the same state file. What a real Prometheus says of the increase is what has happened.
func TestAnIncreaseOverARestartIsTheTruth(t *testing.T) {
	account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
	api := httptest.NewServer(account)
	t.Cleanup(api.Close)
	dir, address := t.TempDir(), freeAddress(t)
	t.Setenv("MAGPIPE_API_KEY", "mgp_0123456789abcdef0123456789abcdef01234567")
	serve := func() *process.Process {
		return start(t, find(t, "../../magpipe_exporter"), "--api.url="+api.URL+"/batch-calls", "--web.listen-address="+address,
			"--state.file="+filepath.Join(dir, "state"), "--collector.min-refresh=0s",
			"--api.requests-per-minute=6000", "--api.requests-per-hour=100000")
	}
	exporter := serve()
	config := fmt.Sprintf("scrape_configs: [{job_name: magpipe, scrape_interval: 500ms, scrape_timeout: 500ms, static_configs: [{targets: [%q]}]}]", address)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus := server{start(t, find(t, "../../dist/tools/prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")}
	eventually(t, 20*time.Second, func() string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+prometheus.Address+"/-/ready", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return "Prometheus is not ready"
		}
		return ""
	})
	value := func(expr string) float64 {
		found, err := prometheus.query(t, expr)
		if err != nil || len(found) != 1 {
			return math.NaN()
		}
		n, err := strconv.ParseFloat(fmt.Sprint(found[0].Value[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const finished = "sum(magpipe_calls_finished_total)"
	eventually(t, 20*time.Second, func() string {
		if value(finished) != 0 {
			return "Prometheus has no counter at 0"
		}
		return ""
	})
	id := account.Add(simulator.Campaign{Name: "Renewals", Recipients: 400, MaxConcurrency: 5, DialEvery: 400 * time.Millisecond, CallLength: 300 * time.Millisecond,
		Records: simulator.CallRecords{ZeroTalk: -1}})
	eventually(t, 20*time.Second, func() string {
		if value(finished) < 30 {
			return fmt.Sprintf("30 calls have not ended, but %v; the account has %d", value(finished), len(account.Calls()))
		}
		return ""
	})
	exporter.Kill()
	time.Sleep(4 * time.Second)
	serve()
	time.Sleep(4 * time.Second)
	account.Pause(id)
	time.Sleep(2 * time.Second) // the calls in flight end
	truth := 0.0
	for _, call := range account.Calls() {
		if call.Outcome != "" {
			truth++
		}
	}
	eventually(t, 20*time.Second, func() string {
		if got := value(finished); got != truth {
			return fmt.Sprintf("Prometheus has %v calls, want %v", got, truth)
		}
		return ""
	})
	time.Sleep(2 * time.Second)
	increase := value("sum(increase(magpipe_calls_finished_total[1m]))")
	t.Logf("%v calls ended; over the restart, Prometheus says %.1f", truth, increase)
	if math.Abs(increase/truth-1) > 0.05 { // because it extrapolates to the ends of the minute
		t.Errorf("the increase is %v, want %v", increase, truth)
	}
	if n := value("sum(resets(magpipe_calls_finished_total[1m])) + sum(resets(magpipe_batch_calls_finished_total[1m]))"); n != 0 {
		t.Errorf("counters were reset %v times", n)
	}
	if batch := value("sum(magpipe_batch_calls_finished_total)"); batch != truth {
		t.Errorf("the batch has %v calls, want %v", batch, truth)
	}
}

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
