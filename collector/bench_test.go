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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient/beside"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// readAtOnce has each refresh read everything.
func readAtOnce(s *settings) {
	withoutLimits(s)
	withoutLog(s)
	s.collector.MinRefresh, s.collector.MaxBatches = 0, 1<<20
}

// tracking returns a collector that has read n running batches.
func tracking(b *testing.B, n int) *collector.Collector {
	b.Helper()
	w := newWorld(b, readAtOnce)
	for range n {
		w.account.Add(simulator.Campaign{
			Name: "Spring offer", Recipients: 40, CreatedAt: time.Now().Add(-time.Hour), Repeat: true,
			DialEvery: 2 * time.Minute, MaxConcurrency: 2, WindowStart: "00:00:00", WindowEnd: "23:59:00",
		})
	}
	w.start()
	w.collector.Refresh(b.Context())
	return w.collector
}

// BenchmarkScrape answers a scrape from a snapshot that is ready, next to a plain
// collector that makes the same series again at each scrape.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 200, 2000} {
		b.Run(fmt.Sprintf("batches=%d", n), func(b *testing.B) {
			c := tracking(b, n)
			families, err := c.Gather()
			if err != nil {
				b.Fatal(err)
			}
			registry := prometheus.NewRegistry()
			registry.MustRegister(newPlain(families))
			beside.CPU(b, scraper(b, c), beside.Way{Name: "MustNewConstMetric", Do: scraper(b, registry)})
			b.ReportMetric(float64(countSeries(families)), "series")
		})
	}
}

// scraper returns a function that scrapes plain text, without compression.
func scraper(b *testing.B, g prometheus.Gatherer) func() {
	b.Helper()
	handler := promhttp.HandlerFor(g, promhttp.HandlerOpts{})
	return func() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Body)
		}
	}
}

func countSeries(families []*dto.MetricFamily) (n int) {
	for _, family := range families {
		n += len(family.Metric)
	}
	return n
}

// plain is a usual collector, which makes each metric at each scrape.
type plain []plainMetric

type plainMetric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  float64
	labels []string
}

func (p plain) Describe(ch chan<- *prometheus.Desc) {
	seen := map[*prometheus.Desc]bool{}
	for _, m := range p {
		if !seen[m.desc] {
			seen[m.desc] = true
			ch <- m.desc
		}
	}
}

func (p plain) Collect(ch chan<- prometheus.Metric) {
	for _, m := range p {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value, m.labels...)
	}
}

// newPlain returns a plain collector of the gauges and counters of some families.
func newPlain(families []*dto.MetricFamily) plain {
	var all plain
	for _, family := range families {
		var desc *prometheus.Desc
		for _, m := range family.Metric {
			var names, values []string
			for _, label := range m.Label {
				names, values = append(names, label.GetName()), append(values, strings.Clone(label.GetValue()))
			}
			if desc == nil {
				desc = prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
			}
			switch {
			case m.Gauge != nil:
				all = append(all, plainMetric{desc, prometheus.GaugeValue, m.Gauge.GetValue(), values})
			case m.Counter != nil:
				all = append(all, plainMetric{desc, prometheus.CounterValue, m.Counter.GetValue(), values})
			}
		}
	}
	return all
}

// serveFarAway serves an account over TLS and HTTP/2, a round trip away, and
// returns the URL. This process trusts the server. It repeats its answers, so
// that the time in which the account makes them does not count.
func serveFarAway(b *testing.B, a *simulator.Account, roundTrip time.Duration, asked *atomic.Int64) string {
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

// BenchmarkRefresh reads a whole account over warm connections. No client can be
// faster than the critical path: as many round trips as the concurrency makes
// necessary. TestARefreshTakesNoMoreRoundTripsThanItMust tests that exactly.
func BenchmarkRefresh(b *testing.B) {
	const roundTrip, concurrency = 50 * time.Millisecond, 8
	for _, account := range []struct{ pages, gets, rounds int }{{1, 8, 2}, {2, 20, 3}} {
		b.Run(fmt.Sprintf("pages=%d/gets=%d", account.pages, account.gets), func(b *testing.B) {
			a := simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
			for range account.gets {
				a.Add(simulator.Campaign{Recipients: 500, CreatedAt: time.Now().Add(-time.Hour), DialEvery: 30 * time.Second})
			}
			var asked atomic.Int64
			w := newWorld(b, readAtOnce, withServer(serveFarAway(b, a, roundTrip, &asked)), withConfig(func(c *collector.Config) {
				c.API.PageSize, c.API.Concurrency, c.CallRecords = account.gets/account.pages, concurrency, false
			}))
			w.start()
			c := w.collector
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
