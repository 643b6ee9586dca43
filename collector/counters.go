package collector

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"magpipe_exporter/apiclient"
)

// counters are the metrics that only ever rise. They count events as they
// happen, while all others are read off the store.
type counters struct {
	registry      *prometheus.Registry
	callsStarted  *prometheus.CounterVec
	callsFinished *prometheus.CounterVec
	callDuration  *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	failures      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	deferred      *prometheus.CounterVec
	unknownValues *prometheus.CounterVec

	seed maphash.Seed
	odd  map[uint64]struct{} // odd values that were counted
}

// newCounters makes the counters that the catalogue describes, and every
// series of a closed label set at 0.
func newCounters(catalogue *catalogue) *counters {
	c := &counters{
		seed:          maphash.MakeSeed(),
		odd:           map[uint64]struct{}{},
		registry:      prometheus.NewRegistry(),
		callsStarted:  catalogue.counter("magpipe_calls_started_total"),
		callsFinished: catalogue.counter("magpipe_calls_finished_total"),
		callDuration:  catalogue.histogram("magpipe_call_duration_seconds"),
		requests:      catalogue.counter("magpipe_exporter_api_requests_total"),
		failures:      catalogue.counter("magpipe_exporter_api_request_failures_total"),
		duration:      catalogue.histogram("magpipe_exporter_api_request_duration_seconds"),
		deferred:      catalogue.counter("magpipe_exporter_api_requests_deferred_total"),
		unknownValues: catalogue.counter("magpipe_exporter_unknown_values_total"),
	}
	c.registry.MustRegister(
		c.callsStarted, c.callsFinished, c.callDuration,
		c.requests, c.failures, c.duration, c.deferred, c.unknownValues,
	)
	c.callsStarted.WithLabelValues()
	for _, outcome := range apiclient.Outcomes() {
		c.callsFinished.WithLabelValues(outcome.String())
		c.callDuration.WithLabelValues(outcome.String())
	}
	for _, field := range apiclient.Fields() {
		c.unknownValues.WithLabelValues(string(field))
	}
	for _, action := range apiclient.Actions() {
		c.requests.WithLabelValues(string(action))
		c.duration.WithLabelValues(string(action))
		c.deferred.WithLabelValues(string(action), deferredBudget)
		c.deferred.WithLabelValues(string(action), deferredBackoff)
		for _, reason := range apiclient.Reasons() {
			c.failures.WithLabelValues(string(action), reason)
		}
	}
	return c
}

// Why a request that was due was not sent.
const (
	deferredBudget  = "budget"
	deferredBackoff = "backoff"
)

// exchanged counts a request that was sent.
func (c *counters) exchanged(e apiclient.Exchange) {
	c.requests.WithLabelValues(string(e.Action)).Inc()
	c.duration.WithLabelValues(string(e.Action)).Observe(e.Duration.Seconds())
	if e.Err != nil && !errors.Is(e.Err, context.Canceled) { // the end of the process is no failure
		c.failures.WithLabelValues(string(e.Action), apiclient.Reason(e.Err)).Inc()
	}
}

// countCalls adds what a read shows for the first time.
func (c *counters) countCalls(events callEvents) {
	c.callsStarted.WithLabelValues().Add(float64(events.started))
	for _, call := range events.ended {
		c.callsFinished.WithLabelValues(call.status.String()).Inc()
		if took := call.duration(); took >= 0 {
			c.callDuration.WithLabelValues(call.status.String()).Observe(took.Seconds())
		}
	}
}

// countOdd counts an odd value, unless it was counted before.
func (c *counters) countOdd(o oddValue) {
	hash := maphash.Comparable(c.seed, o)
	if _, known := c.odd[hash]; known || len(c.odd) >= maxOddValues {
		return
	}
	c.odd[hash] = struct{}{}
	c.unknownValues.WithLabelValues(string(o.field)).Inc()
}

// maxOddValues bounds the memory that a server which sends nothing but odd
// values can claim; beyond it, they are not counted.
const maxOddValues = 1 << 17

// counter makes the counter that the catalogue's row of this name describes.
func (c *catalogue) counter(name string) *prometheus.CounterVec {
	m := c.row(name)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name, Help: m.help}, m.labels)
}

// histogram makes a histogram with the row's classic buckets and native ones.
func (c *catalogue) histogram(name string) *prometheus.HistogramVec {
	m := c.row(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.name, Help: m.help, Buckets: m.buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		NativeHistogramMinResetDuration: time.Hour,
	}, m.labels)
}
