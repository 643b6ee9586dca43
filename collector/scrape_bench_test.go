//go:build unix

package collector_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/beside"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// tracking is a collector that has read an account of n running batches.
func tracking(b *testing.B, n int) *collector.Collector {
	b.Helper()
	a := simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
	for range n {
		a.Add(simulator.Campaign{
			Name: "Spring offer", Recipients: 40, CreatedAt: time.Now().Add(-time.Hour), Repeat: true,
			DialEvery: 2 * time.Minute, MaxConcurrency: 2, WindowStart: "00:00:00", WindowEnd: "23:59:00",
		})
	}
	c := unpaced(b, "https://magpipe.example/", apiclient.Config{Transport: a.Client().Transport})
	c.Refresh(b.Context())
	return c
}

// BenchmarkScrape answers a scrape from a snapshot that is ready, beside a plain
// collector that makes the same series anew at each scrape.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 200, 2000} {
		b.Run(fmt.Sprintf("batches=%d", n), func(b *testing.B) {
			c := tracking(b, n)
			families, err := c.Gather()
			if err != nil {
				b.Fatal(err)
			}
			anew := prometheus.NewRegistry()
			anew.MustRegister(plainly(families))
			beside.CPU(b, scraper(b, c), beside.Way{Name: "MustNewConstMetric", Do: scraper(b, anew)})
			b.ReportMetric(float64(series(families)), "series")
		})
	}
}

// scraper scrapes text that is not compressed; BenchmarkPage tells what that costs.
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

func series(families []*dto.MetricFamily) (n int) {
	for _, family := range families {
		n += len(family.Metric)
	}
	return n
}

// plain is a collector as exporters have them: it makes each metric at each scrape.
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

// plainly makes a plain collector of the gauges and counters of some families.
func plainly(families []*dto.MetricFamily) plain {
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
