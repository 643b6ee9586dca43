package collector

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
)

// metric is one row of the catalogue. A gauge has one function, which tells
// where its samples come from; a counter has none, and a histogram has buckets
// instead, for instruments count these.
type metric struct {
	name, help string
	labels     []string // in alphabetical order; of a batch: after batch_id
	buckets    []float64

	account func(*page, emit)                       // of the account and the exporter, at each scrape
	row     func(*apiclient.Batch, emit)            // of a batch, from its row
	reading func(*reading, emit)                    // of a batch, from its recipients
	clock   func(*apiclient.Batch, time.Time, emit) // of a batch, from its row and the time, at each scrape

	desc *prometheus.Desc
}

func (m *metric) ofBatch() bool { return m.row != nil || m.reading != nil || m.clock != nil }

// emit makes one sample of the row at hand.
type emit func(value float64, labels ...string)

// page is what one scrape is answered from.
type page struct {
	*snapshot
	now    time.Time
	budget *apiclient.Budget
}

// liveRuns counts the runs that are live, or whose retention has not ended.
func (s *page) liveRuns() map[apiclient.BatchStatus]int {
	counts := map[apiclient.BatchStatus]int{}
	for _, run := range s.runs {
		if !passed(run.until, s.now) {
			counts[run.status]++
		}
	}
	return counts
}

// catalogue is the rows with their descriptors.
type catalogue struct {
	metrics []metric
	pairs   map[label]*dto.LabelPair // of the closed label sets, which every batch shares
}

type label struct{ name, value string }

func newCatalogue(names bool) *catalogue {
	c := &catalogue{metrics: metricRows(names), pairs: map[label]*dto.LabelPair{}}
	for i := range c.metrics {
		m := &c.metrics[i]
		labels := m.labels
		if m.ofBatch() {
			labels = append([]string{batchID}, labels...)
		}
		m.desc = prometheus.NewDesc(m.name, m.help, labels, nil)
	}
	for _, status := range apiclient.BatchStatuses() {
		c.share(label{"status", status.String()})
	}
	for _, status := range apiclient.RecipientStatuses() {
		c.share(label{"status", status.String()})
	}
	for _, statistic := range []string{"p50", "p90", "p99", "mean", "max"} {
		c.share(label{"statistic", statistic})
	}
	return c
}

const batchID = "batch_id"

func (c *catalogue) share(l label) { c.pairs[l] = l.pair() }

func (l label) pair() *dto.LabelPair { return &dto.LabelPair{Name: &l.name, Value: &l.value} }

// row finds a row by its metric's name, which must be in the catalogue.
func (c *catalogue) row(name string) *metric {
	for i := range c.metrics {
		if c.metrics[i].name == name {
			return &c.metrics[i]
		}
	}
	return nil
}

// view makes what scrapes expose of a batch until its row or its recipients change.
func (c *catalogue) view(b *batch) *view {
	v := &view{row: b.row, id: label{batchID, b.row.ID}.pair(), samples: make([][]*dto.Metric, len(c.metrics))}
	if !template(&v.row) {
		v.read = b.reading
	}
	for i := range c.metrics {
		m, emit := &c.metrics[i], c.into(i, &v.samples[i], v.id)
		switch {
		case m.row != nil:
			m.row(&v.row, emit)
		case m.reading != nil && v.read != nil:
			m.reading(v.read, emit)
		}
		slices.SortFunc(v.samples[i], byLabels)
	}
	return v
}

// into returns an emit that appends samples of the i-th row, of the batch with this id, if any.
func (c *catalogue) into(i int, samples *[]*dto.Metric, id ...*dto.LabelPair) emit {
	names := c.metrics[i].labels
	return func(value float64, values ...string) {
		g := &gauge{value: value}
		g.of.Value, g.metric.Gauge, g.metric.Label = &g.value, &g.of, slices.Grow(id, len(values))
		for i, value := range values {
			l := label{names[i], value}
			pair := c.pairs[l]
			if pair == nil {
				pair = l.pair()
			}
			g.metric.Label = append(g.metric.Label, pair)
		}
		*samples = append(*samples, &g.metric)
	}
}

// gauge is a sample in one piece of memory.
type gauge struct {
	metric dto.Metric
	of     dto.Gauge
	value  float64
}

// byLabels orders the samples of one metric as a registry does.
func byLabels(a, b *dto.Metric) int {
	return slices.CompareFunc(a.Label, b.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
}

func emitTime(t time.Time, emit emit) {
	if !t.IsZero() {
		emit(float64(t.UnixMicro()) / 1e6)
	}
}

func emitCount(c apiclient.Count, emit emit) {
	if c.Known {
		emit(float64(c.N))
	}
}

func (s statistics) emit(emit emit) {
	if s.calls == 0 {
		return
	}
	emit(s.p50, "p50")
	emit(s.p90, "p90")
	emit(s.p99, "p99")
	emit(s.mean, "mean")
	emit(s.max, "max")
}

func zeroOrOne(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func statesIf(known bool) []apiclient.BatchStatus {
	if known {
		return apiclient.BatchStatuses()
	}
	return nil
}

func ifRecurring(b *apiclient.Batch, c apiclient.Count) apiclient.Count {
	c.Known = c.Known && recurring(b)
	return c
}

func limited(s *page, n int) apiclient.Count {
	return apiclient.Count{N: int64(n), Known: s.rateLimit.Limit > 0}
}

const longestLabel = 256

// cut shortens a label that the API's users wrote to 256 characters.
func cut(label string) string {
	if runes := []rune(label); len(runes) > longestLabel {
		return string(runes[:longestLabel])
	}
	return label
}

func shownName(name string, shown bool) string {
	if !shown {
		return ""
	}
	return cut(name)
}
