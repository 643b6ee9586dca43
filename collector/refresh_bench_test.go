//go:build unix

package collector_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/beside"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// unpaced is a collector that reads everything at each refresh.
func unpaced(b *testing.B, endpoint string, api apiclient.Config) *collector.Collector {
	b.Helper()
	var err error
	if api.URL, err = apiclient.ParseURL(endpoint, false); err != nil {
		b.Fatal(err)
	}
	if api.Key, err = (apiclient.KeySource{Value: "key"}).Open(); err != nil {
		b.Fatal(err)
	}
	api.Budget = apiclient.NewBudget(apiclient.Limits{PerMinute: 1 << 30, PerHour: 1 << 36})
	c := collector.New(collector.Config{
		API: api, MaxStaleness: time.Hour, FinishedRetention: time.Hour, MaxBatches: 1 << 20, BatchNames: true,
	})
	b.Cleanup(c.Close)
	return c
}

// faraway is the address of an account behind a server that speaks TLS and
// HTTP/2 and is a round trip away. This process trusts it. The server repeats its
// answers, so that what the account takes to make them does not count.
func faraway(b *testing.B, a *simulator.Account, roundTrip time.Duration, asked *atomic.Int64) string {
	b.Helper()
	var (
		answers = map[string][]byte{} // by question
		mu      sync.Mutex
	)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(roundTrip)
		question, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
		}
		mu.Lock()
		if answers[string(question)] == nil {
			r.Body = io.NopCloser(bytes.NewReader(question))
			answer := httptest.NewRecorder()
			a.ServeHTTP(answer, r)
			answers[string(question)] = answer.Body.Bytes()
		}
		answer := answers[string(question)]
		mu.Unlock()
		asked.Add(1)
		if _, err := w.Write(answer); err != nil {
			b.Error(err)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	b.Cleanup(server.Close)
	trusted := filepath.Join(b.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(trusted, certificate, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Setenv("SSL_CERT_FILE", trusted)
	return server.URL
}

// BenchmarkRefresh reads all of an account over warm connections. Its critical
// path is as many rounds of requests as the concurrency needs: what no client can
// be faster than. TestARefreshTakesNoMoreRoundTripsThanItMust holds the same exactly.
func BenchmarkRefresh(b *testing.B) {
	const roundTrip, concurrency = 50 * time.Millisecond, 8
	for _, account := range []struct{ pages, gets, rounds int }{{1, 8, 2}, {2, 20, 3}} {
		b.Run(fmt.Sprintf("pages=%d/gets=%d", account.pages, account.gets), func(b *testing.B) {
			a := simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
			for range account.gets {
				a.Add(simulator.Campaign{Recipients: 500, CreatedAt: time.Now().Add(-time.Hour), DialEvery: 30 * time.Second})
			}
			var asked atomic.Int64
			c := unpaced(b, faraway(b, a, roundTrip, &asked), apiclient.Config{
				PageSize: account.gets / account.pages, Concurrency: concurrency,
			})
			c.Refresh(b.Context()) // opens the connections, and proves where the list ends
			c.Refresh(b.Context())
			asked.Store(0)
			var times []float64
			for b.Loop() {
				start := time.Now()
				c.Refresh(b.Context())
				times = append(times, float64(time.Since(start)))
			}
			if sent, want := int(asked.Load()), b.N*(account.pages+account.gets); sent != want {
				b.Fatalf("%d requests, want %d", sent, want)
			}
			took := beside.Median(times)
			b.ReportMetric(took, "ns/op")
			b.ReportMetric(took/float64(account.rounds)/float64(roundTrip), "÷critical-path")
		})
	}
}
