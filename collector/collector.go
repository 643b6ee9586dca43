// Package collector turns what it reads through apiclient into Prometheus
// metrics. A refresh reads what has grown old, stalest first, as far as the
// request budget goes; scrapes share it, and each answers with what is known by
// its own deadline.
//
//	bytes → apiclient.Batch and Recipient → snapshot → a row of the catalogue → sample
package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	now := time.Now()
	at := &page{snapshot: c.snapshot(), now: now, budget: c.cfg.API.Budget}
	var samples []prometheus.Metric
	for i := range c.rows.metrics {
		if m := &c.rows.metrics[i]; m.account != nil {
			m.account(at, m.into(&samples))
		}
	}
	if !passed(at.listUntil, now) {
		for _, t := range at.tracked {
			samples = c.collectBatch(t, now, samples)
		}
	}
	for _, sample := range samples {
		ch <- sample
	}
	for _, instrument := range c.inst.all() {
		instrument.Collect(ch)
	}
}

func (c *Collector) collectBatch(t tracked, now time.Time, samples []prometheus.Metric) []prometheus.Metric {
	if passed(t.until, now) {
		return samples
	}
	samples = append(samples, t.ofRow...)
	if !passed(t.readingUntil, now) {
		samples = append(samples, t.ofReading...)
	}
	for i := range c.rows.metrics {
		if m := &c.rows.metrics[i]; m.clock != nil {
			m.clock(&t.row, now.In(c.cfg.WindowZone), m.into(&samples, t.row.ID))
		}
	}
	return samples
}
