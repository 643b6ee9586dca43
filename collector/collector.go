// Package collector turns what it reads through apiclient into Prometheus
// metrics. A refresh reads what has grown old, stalest first, as far as the
// request budget goes; scrapes share it, and each answers with what is known by
// its own deadline.
//
//	bytes → apiclient.Batch and Recipient → snapshot → a row of the catalogue → sample
package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Describe sends the descriptor of every metric in the catalogue.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.rows.metrics {
		ch <- c.rows.metrics[i].desc
	}
}

// Collect sends what is known now. It sends no request and waits for none:
// Refresh does, before the scrape.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	families, err := c.Gather()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.rows.metrics[0].desc, err)
	}
	for _, family := range families {
		desc := c.rows.row(family.GetName()).desc
		for _, metric := range family.Metric {
			ch <- sample{desc, metric}
		}
	}
}

// sample is a sample that was gathered.
type sample struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

// Desc returns the descriptor of the sample's metric.
func (s sample) Desc() *prometheus.Desc { return s.desc }

// Write shows the sample; it never fails.
func (s sample) Write(out *dto.Metric) error {
	out.Label, out.Gauge, out.Counter, out.Histogram = s.metric.Label, s.metric.Gauge, s.metric.Counter, s.metric.Histogram
	return nil
}
