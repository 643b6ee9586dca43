package collector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"

	"magpipe_exporter/apiclient"
)

// counters are the counters and histograms. They count events as they happen;
// all other metrics are derived from the store.
type counters struct {
	registry   *prometheus.Registry
	counters   map[string]*prometheus.CounterVec // by name, as in the catalogue
	histograms map[string]*prometheus.HistogramVec

	odd map[uint64]struct{} // keys of the odd values counted so far
}

// newCounters makes every counter and histogram of the catalogue that is not of a
// batch, with the series that they expose from the start.
func newCounters(catalogue *catalogue) *counters {
	c := &counters{
		registry: prometheus.NewRegistry(), counters: map[string]*prometheus.CounterVec{}, histograms: map[string]*prometheus.HistogramVec{},
		odd: map[uint64]struct{}{},
	}
	for i := range catalogue.metrics {
		switch m := &catalogue.metrics[i]; {
		case m.ofBatch(): // made from the store
		case m.kind == counter:
			c.counters[m.name] = prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name, Help: m.help}, m.labels)
			c.registry.MustRegister(c.counters[m.name])
			for _, values := range m.series {
				c.counters[m.name].WithLabelValues(values...)
			}
		case m.kind == histogram: // classic and native
			c.histograms[m.name] = prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: m.name, Help: m.help, Buckets: m.buckets,
				NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
				NativeHistogramMinResetDuration: time.Hour,
			}, m.labels)
			c.registry.MustRegister(c.histograms[m.name])
			for _, values := range m.series {
				c.histograms[m.name].WithLabelValues(values...)
			}
		}
	}
	return c
}

// add adds to the counter of a name, as in the catalogue.
func (c *counters) add(n int, name string, labels ...string) {
	c.counters[name].WithLabelValues(labels...).Add(float64(n))
}

// observe adds a duration to the histogram of a name.
func (c *counters) observe(took time.Duration, name string, labels ...string) {
	c.histograms[name].WithLabelValues(labels...).Observe(took.Seconds())
}

// Why a request that was due was not sent.
const (
	deferredBudget  = "budget"
	deferredBackoff = "backoff"
)

// exchanged counts a request that was sent.
func (c *counters) exchanged(e apiclient.Exchange) {
	action := string(e.Action)
	c.add(1, "magpipe_exporter_api_requests_total", action)
	c.observe(e.Duration, "magpipe_exporter_api_request_duration_seconds", action)
	if e.Err != nil && !errors.Is(e.Err, context.Canceled) { // the end of the process is no failure
		c.add(1, "magpipe_exporter_api_request_failures_total", action, apiclient.Reason(e.Err))
	}
}

// deferred counts a request that was due and was not sent.
func (c *counters) deferred(r request, reason string) {
	c.add(1, "magpipe_exporter_api_requests_deferred_total", string(r.action), reason)
}

// countCalls adds what a read shows for the first time.
func (c *counters) countCalls(events callEvents) {
	c.add(events.started, "magpipe_calls_started_total")
	c.add(len(events.talks), "magpipe_calls_answered_total")
	for _, talk := range events.talks {
		c.observe(talk, "magpipe_call_talk_seconds")
	}
	for _, call := range events.ended {
		c.add(1, "magpipe_calls_finished_total", call.status.String())
		if took := call.duration(); took >= 0 {
			c.observe(took, "magpipe_call_duration_seconds", call.status.String())
		}
	}
}

// countOdd counts an odd value, unless it was counted before.
func (c *counters) countOdd(o oddValue) {
	hash := o.key()
	if _, known := c.odd[hash]; known || len(c.odd) >= maxOddValues {
		return
	}
	c.odd[hash] = struct{}{}
	c.add(1, "magpipe_exporter_unknown_values_total", string(o.field))
}

// key is a hash of 32 bits. It is that short so that it does not tell the value,
// which may be anything, a phone number for instance.
func (o oddValue) key() uint64 {
	return xxhash.Sum64String(fmt.Sprintln(o.field, o.batch, o.recipient, o.hash)) & math.MaxUint32
}

// maxOddValues bounds the memory used if a server sends nothing but odd values.
// Odd values beyond it are not counted.
const maxOddValues = 1 << 17
