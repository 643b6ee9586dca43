package collector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"magpipe_exporter/apiclient"
)

// counters are the counters and histograms of the account and the exporter. They
// count events as they happen; all other metrics are derived from the store. They
// are not client_golang's, because those cannot go on where another process ended.
type counters struct {
	catalogue *catalogue

	mu      sync.Mutex           // guards all fields below
	series  map[string][]*series // by name, as in the catalogue
	odd     map[uint64]struct{}  // keys of the odd values counted so far
	changes int                  // how many times anything was counted
}

// series is one series of a counter or a histogram.
type series struct {
	Labels    []string
	Since     time.Time          // when it began at 0
	Value     float64            // of a counter
	Histogram *durationHistogram // nil: it is a counter
}

// newCounters makes every counter and histogram of the catalogue that is not of a
// batch, with the series that they expose from the start.
func newCounters(catalogue *catalogue) *counters {
	c := &counters{catalogue: catalogue, series: map[string][]*series{}, odd: map[uint64]struct{}{}}
	now := time.Now()
	for i := range catalogue.metrics {
		m := &catalogue.metrics[i]
		if m.ofBatch() || m.kind == gauge {
			continue
		}
		for _, labels := range m.series {
			s := &series{Labels: labels, Since: now}
			if m.kind == histogram {
				s.Histogram = newHistogram(m.buckets)
			}
			c.series[m.name] = append(c.series[m.name], s)
		}
		slices.SortFunc(c.series[m.name], func(x, y *series) int { return slices.Compare(x.Labels, y.Labels) })
	}
	return c
}

// of returns the series of a metric with some labels. It panics if the catalogue
// does not have it.
func (c *counters) of(name string, labels []string) *series {
	i := slices.IndexFunc(c.series[name], func(s *series) bool { return slices.Equal(s.Labels, labels) })
	return c.series[name][i]
}

// add adds to the counter of a name, as in the catalogue.
func (c *counters) add(n int, name string, labels ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(name, labels).Value += float64(n)
	c.changes++
}

// observe adds a duration to the histogram of a name.
func (c *counters) observe(took time.Duration, name string, labels ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(name, labels).Histogram.observe(took.Seconds())
	c.changes++
}

// progress returns a number that increases with everything that is counted.
func (c *counters) progress() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// families makes the families of all counters and histograms.
func (c *counters) families() []*dto.MetricFamily {
	c.mu.Lock()
	defer c.mu.Unlock()
	var families []*dto.MetricFamily
	for i := range c.catalogue.metrics {
		m := &c.catalogue.metrics[i]
		var samples []*dto.Metric
		for _, s := range c.series[m.name] {
			sample := &dto.Metric{Label: c.catalogue.labels(m, nil, s.Labels)}
			if created := timestamppb.New(s.Since); s.Histogram != nil {
				sample.Histogram = s.Histogram.write()
				sample.Histogram.CreatedTimestamp = created
			} else {
				value := s.Value
				sample.Counter = &dto.Counter{Value: &value, CreatedTimestamp: created}
			}
			samples = append(samples, sample)
		}
		families = m.appendFamily(families, samples)
	}
	return families
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
	if c.firstSeen(o) {
		c.add(1, "magpipe_exporter_unknown_values_total", string(o.field))
	}
}

func (c *counters) firstSeen(o oddValue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := o.key()
	if _, known := c.odd[key]; known || len(c.odd) >= maxOddValues {
		return false
	}
	c.odd[key] = struct{}{}
	return true
}

// key is a hash of 32 bits. It is that short so that it does not tell the value,
// which may be anything, a phone number for instance.
func (o oddValue) key() uint64 {
	return xxhash.Sum64String(fmt.Sprintln(o.field, o.batch, o.recipient, o.hash)) & math.MaxUint32
}

// maxOddValues bounds the memory used if a server sends nothing but odd values.
// Odd values beyond it are not counted.
const maxOddValues = 1 << 17
