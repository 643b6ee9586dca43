//go:build unix

package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"magpipe_exporter/apiclient/beside"
	"magpipe_exporter/apiclient/simulator"
)

// BenchmarkPage answers a scrape of 200 tracked batches as Prometheus asks for
// it, compressed. It is compared with the same page compressed by promhttp, and
// uncompressed.
func BenchmarkPage(b *testing.B) {
	a := simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
	for range 200 {
		a.Add(simulator.Campaign{Recipients: 40, CreatedAt: time.Now().Add(-time.Hour), DialEvery: 10 * time.Minute})
	}
	s := server(b, a)
	handler, err := s.Handler()
	if err != nil {
		b.Fatal(err)
	}
	s.Collector.Refresh(b.Context())
	answer := func(h http.Handler, encoding string) (size int) {
		request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
		request.Header.Set("Accept-Encoding", encoding)
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Body)
		}
		return recorder.Body.Len()
	}
	promhttp := promhttp.HandlerFor(s.Collector, promhttp.HandlerOpts{})
	beside.CPU(b, func() { answer(handler, "gzip") },
		beside.Way{Name: "promhttp", Do: func() { answer(promhttp, "gzip") }},
		beside.Way{Name: "identity", Do: func() { answer(handler, "identity") }},
	)
	b.ReportMetric(float64(answer(handler, "gzip"))/float64(answer(handler, "identity")), "B/B-identity")
}
