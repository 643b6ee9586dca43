package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"magpipe_exporter/apiclient"
)

// instruments are the metrics that only ever rise. They live as long as the
// process, while all others are read off a snapshot.
type instruments struct {
	registry      *prometheus.Registry
	callsStarted  *prometheus.CounterVec
	callsFinished *prometheus.CounterVec
	callDuration  *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	failures      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	deferred      *prometheus.CounterVec
	unknownValues *prometheus.CounterVec
}

// newInstruments makes the instruments that the catalogue describes, and every
// series of a closed label set at 0.
func newInstruments(c *catalogue) *instruments {
	i := &instruments{
		registry:      prometheus.NewRegistry(),
		callsStarted:  c.counter("magpipe_calls_started_total"),
		callsFinished: c.counter("magpipe_calls_finished_total"),
		callDuration:  c.histogram("magpipe_call_duration_seconds"),
		requests:      c.counter("magpipe_exporter_api_requests_total"),
		failures:      c.counter("magpipe_exporter_api_request_failures_total"),
		duration:      c.histogram("magpipe_exporter_api_request_duration_seconds"),
		deferred:      c.counter("magpipe_exporter_api_requests_deferred_total"),
		unknownValues: c.counter("magpipe_exporter_unknown_values_total"),
	}
	i.registry.MustRegister(
		i.callsStarted, i.callsFinished, i.callDuration,
		i.requests, i.failures, i.duration, i.deferred, i.unknownValues,
	)
	i.callsStarted.WithLabelValues()
	for _, outcome := range apiclient.Outcomes() {
		i.callsFinished.WithLabelValues(outcome.String())
		i.callDuration.WithLabelValues(outcome.String())
	}
	for _, field := range apiclient.Fields() {
		i.unknownValues.WithLabelValues(string(field))
	}
	for _, action := range apiclient.Actions() {
		i.requests.WithLabelValues(string(action))
		i.duration.WithLabelValues(string(action))
		i.deferred.WithLabelValues(string(action), deferredBudget)
		i.deferred.WithLabelValues(string(action), deferredBackoff)
		for _, reason := range apiclient.Reasons() {
			i.failures.WithLabelValues(string(action), reason)
		}
	}
	return i
}

// Why a request that was due was not sent.
const (
	deferredBudget  = "budget"
	deferredBackoff = "backoff"
)

// exchanged counts a request that was sent.
func (i *instruments) exchanged(e apiclient.Exchange) {
	i.requests.WithLabelValues(string(e.Action)).Inc()
	i.duration.WithLabelValues(string(e.Action)).Observe(e.Duration.Seconds())
	if e.Err != nil {
		i.failures.WithLabelValues(string(e.Action), apiclient.Reason(e.Err)).Inc()
	}
}

// count adds what a read showed for the first time.
func (i *instruments) count(news events) {
	i.callsStarted.WithLabelValues().Add(float64(news.started))
	for _, end := range news.ended {
		i.callsFinished.WithLabelValues(end.outcome.String()).Inc()
		if end.duration >= 0 {
			i.callDuration.WithLabelValues(end.outcome.String()).Observe(end.duration.Seconds())
		}
	}
}

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
