package collector

import (
	"cmp"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Gather returns what is known now, sorted as a registry sorts it. Nobody may
// change it, for most of it is made once and then given to every scrape until
// something new is known: a registry would check and sort each series again.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	families, err := c.inst.registry.Gather()
	now := time.Now()
	at := &page{snapshot: c.snapshot(), now: now, budget: c.cfg.API.Budget}
	for i := range c.rows.metrics {
		if m := &c.rows.metrics[i]; m.account != nil {
			var samples []*dto.Metric
			m.account(at, c.rows.into(i, &samples))
			slices.SortFunc(samples, byLabels)
			families = m.family(samples, families)
		}
	}
	if !passed(at.listUntil, now) {
		families = append(families, at.stillAt(c.rows, now)...)
		families = c.moving(at, families)
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, err
}

// moving appends what depends on the clock.
func (c *Collector) moving(at *page, families []*dto.MetricFamily) []*dto.MetricFamily {
	now := at.now.In(c.cfg.WindowZone)
	for i := range c.rows.metrics {
		m := &c.rows.metrics[i]
		if m.clock == nil {
			continue
		}
		samples := make([]*dto.Metric, 0, len(at.tracked))
		for _, t := range at.tracked {
			if !passed(t.until, at.now) {
				m.clock(&t.row, now, c.rows.into(i, &samples, t.id))
			}
		}
		families = m.family(samples, families)
	}
	return families
}

// still is what does not depend on the clock, but for when it ends.
type still struct {
	families []*dto.MetricFamily
	until    time.Time // when the first of its series ends; zero: never
}

// stillAt makes a snapshot's still families, unless a scrape before did.
func (s *snapshot) stillAt(rows *catalogue, now time.Time) []*dto.MetricFamily {
	if made := s.still.Load(); made != nil && !passed(made.until, now) {
		return made.families
	}
	made := &still{}
	for i := range rows.metrics {
		m := &rows.metrics[i]
		var samples []*dto.Metric
		for _, t := range s.tracked {
			until := t.until
			if m.reading != nil {
				until = earlier(until, t.readingUntil)
			}
			if !passed(until, now) {
				samples = append(samples, t.samples[i]...)
				made.until = earlier(made.until, until)
			}
		}
		made.families = m.family(samples, made.families)
	}
	s.still.Store(made)
	return made.families
}

// family appends the samples of a row to the families, unless there are none.
func (m *metric) family(samples []*dto.Metric, families []*dto.MetricFamily) []*dto.MetricFamily {
	if len(samples) == 0 {
		return families
	}
	return append(families, &dto.MetricFamily{
		Name: &m.name, Help: &m.help, Type: dto.MetricType_GAUGE.Enum(), Metric: samples,
	})
}
