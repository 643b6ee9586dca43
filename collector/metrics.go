package collector

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"magpipe_exporter/apiclient"
)

// metric is one row of the catalogue. A gauge has exactly one function that
// emits its samples, and so has a counter of a batch. Other counters and
// histograms have none, because they count events as they happen.
type metric struct {
	name, help string
	kind       dto.MetricType
	labels     []string   // in alphabetical order; of a batch: after batch_id
	buckets    []float64  // of a histogram
	series     [][]string // label values of a counter or a histogram that are exposed from the start

	account    func(*snapshot, emit)         // samples of the account
	batch      func(*trackedBatch, emit)     // samples of a batch, from its row
	recipients func(*recipientStats, emit)   // samples of a batch, from its recipients
	talk       func(*talkStats, emit)        // samples of a batch, from the call records of its recipients
	budget     func(*apiclient.Budget, emit) // samples of the budget, made at each scrape
	state      func(*State, emit)            // samples of the state file, made at each scrape

	desc *prometheus.Desc
}

// emit adds one sample with the values of the row's labels.
type emit func(value float64, labels ...string)

const (
	gauge     = dto.MetricType_GAUGE
	counter   = dto.MetricType_COUNTER
	histogram = dto.MetricType_HISTOGRAM
)

// metrics is the catalogue. To add a gauge is to add a row. A counter or a
// histogram is a row, too, and is counted by its name where its events happen.
func metrics(names bool) []metric {
	return slices.Concat(accountMetrics(), batchMetrics(names), exporterMetrics())
}

func accountMetrics() []metric {
	outcomes := stateNames(apiclient.Outcomes())
	return []metric{
		{name: "magpipe_up", kind: gauge, help: "Whether the batch list can be read; waiting for budget is not a failure.",
			account: func(s *snapshot, emit emit) { emit(zeroOrOne(s.up)) }},
		{name: "magpipe_list_refreshed_timestamp_seconds", kind: gauge, help: "Start of the last full walk of the batch list.",
			account: func(s *snapshot, emit emit) { emitTime(s.list.WholeAt, emit) }},
		{name: "magpipe_list_truncated", kind: gauge, help: "Whether the last walk may have missed batches, so that the counts by state are lower bounds.",
			account: func(s *snapshot, emit emit) {
				if !s.list.WholeAt.IsZero() {
					emit(zeroOrOne(s.list.Truncated))
				}
			}},
		{name: "magpipe_batches", kind: gauge, help: "Batches by state, as list reports them.", labels: []string{"status"},
			account: func(s *snapshot, emit emit) {
				for _, status := range statesIf(s.counted) {
					emit(float64(s.batches[status]), status.String())
				}
			}},
		{name: "magpipe_runs", kind: gauge, help: "Runs of recurring batches by state, as far as they have been read: live runs, and those that ended within the retention.", labels: []string{"status"},
			account: func(s *snapshot, emit emit) {
				for _, status := range statesIf(s.counted) {
					emit(float64(s.runs[status]), status.String())
				}
			}},
		{name: "magpipe_calls_started_total", kind: counter, help: "Dial attempts seen since the exporter started.", series: [][]string{{}}},
		{name: "magpipe_calls_finished_total", kind: counter, help: "Calls seen to end since the exporter started, by outcome.", labels: []string{"outcome"}, series: each(outcomes)},
		{name: "magpipe_calls_answered_total", kind: counter, help: "Answered calls, of those seen to end since the exporter started: their call record has a talk time above 0.", series: [][]string{{}}},
		{name: "magpipe_call_talk_seconds", kind: histogram, help: "Talk time of the answered calls, according to their call records.", series: [][]string{{}},
			buckets: []float64{5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600}},
		{name: "magpipe_call_records_refreshed_timestamp_seconds", kind: gauge, help: "When call records were last read.",
			account: func(s *snapshot, emit emit) {
				if s.records != nil {
					emitTime(s.records.ReadAt, emit)
				}
			}},
		{name: "magpipe_call_duration_seconds", kind: histogram, help: "Time from dial attempt to end of the calls seen to end, including ringing.", labels: []string{"outcome"},
			series:  each(outcomes),
			buckets: []float64{1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600}},
	}
}

func batchMetrics(names bool) []metric {
	return []metric{
		{name: "magpipe_batch_info", kind: gauge, help: "Properties of a batch that never change; always 1.", labels: []string{"name", "parent_batch_id", "recurrence"},
			batch: func(b *trackedBatch, emit emit) {
				emit(1, nameIf(names, b.row.Name), shorten(b.row.ParentID), shorten(recurrence(b.row)))
			}},
		{name: "magpipe_batch_status", kind: gauge, help: "Whether the batch is in this state.", labels: []string{"status"},
			batch: func(b *trackedBatch, emit emit) {
				for _, status := range apiclient.BatchStatuses() {
					emit(zeroOrOne(b.row.Status == status), status.String())
				}
			}},
		{name: "magpipe_batch_refreshed_timestamp_seconds", kind: gauge, help: "When the recipients of the batch were last read.",
			recipients: func(r *recipientStats, emit emit) { emitTime(r.ReadAt, emit) }},
		{name: "magpipe_batch_outdated_since_timestamp_seconds", kind: gauge, help: "When the batch's row first showed that the recipients exposed here are outdated; absent while they are up to date.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.outdatedSince, emit) }},
		{name: "magpipe_batch_recipients", kind: gauge, help: "Recipients by status; those that the API did not return are unknown.", labels: []string{"status"},
			recipients: func(r *recipientStats, emit emit) {
				for _, status := range apiclient.RecipientStatuses() {
					emit(float64(r.Counts[status]), status.String())
				}
			}},
		{name: "magpipe_batch_target_recipients", kind: gauge, help: "Number of recipients according to the API.",
			batch: func(b *trackedBatch, emit emit) { emitCount(b.row.TotalRecipients, emit) }},
		{name: "magpipe_batch_attempted_recipients", kind: gauge, help: "Recipients who were dialled at least once.",
			recipients: func(r *recipientStats, emit emit) { emit(float64(r.Attempted)) }},
		{name: "magpipe_batch_reported_completed_recipients", kind: gauge, help: "The API's own completed_count, which drifts.",
			batch: func(b *trackedBatch, emit emit) { emitCount(b.row.CompletedCount, emit) }},
		{name: "magpipe_batch_reported_failed_recipients", kind: gauge, help: "The API's own failed_count, which drifts and includes busy and no_answer.",
			batch: func(b *trackedBatch, emit emit) { emitCount(b.row.FailedCount, emit) }},
		{name: "magpipe_batch_calls_started_total", kind: counter, help: "Dial attempts of the batch since the exporter first saw it.",
			batch: func(b *trackedBatch, emit emit) { emit(float64(b.calls.Started)) }},
		{name: "magpipe_batch_calls_finished_total", kind: counter, help: "Calls of the batch seen to end since the exporter first saw it, by outcome.", labels: []string{"outcome"},
			batch: func(b *trackedBatch, emit emit) {
				for _, outcome := range apiclient.Outcomes() {
					emit(float64(b.calls.Finished[outcome]), outcome.String())
				}
			}},
		{name: "magpipe_batch_calls_answered_total", kind: counter, help: "Answered calls of the batch, of those seen to end since the exporter first saw it.",
			batch: func(b *trackedBatch, emit emit) { emit(float64(b.calls.Answered)) }},
		{name: "magpipe_batch_answered_recipients", kind: gauge, help: "Recipients whose latest call has a record with a talk time above 0.",
			talk: func(t *talkStats, emit emit) { emit(float64(t.answered)) }},
		{name: "magpipe_batch_recorded_recipients", kind: gauge, help: "Recipients for whose latest call the record was read.",
			talk: func(t *talkStats, emit emit) { emit(float64(t.recorded)) }},
		{name: "magpipe_batch_talk_seconds", kind: gauge, help: "Exact statistics of the talk time, over the recipients' latest calls that somebody answered.", labels: []string{"statistic"},
			talk: func(t *talkStats, emit emit) {
				t.talk.emit(emit)
				if t.answered > 0 {
					emit(t.talk.Sum, "sum")
				}
			}},
		{name: "magpipe_batch_call_duration_seconds", kind: gauge, help: "Exact statistics of the time from dial attempt to end, over the recipients' calls that have ended.", labels: []string{"statistic"},
			recipients: func(r *recipientStats, emit emit) { r.Durations.emit(emit) }},
		{name: "magpipe_batch_max_concurrency", kind: gauge, help: "Maximum number of calls of the batch that may be active at once.",
			batch: func(b *trackedBatch, emit emit) { emitCount(b.row.MaxConcurrency, emit) }},
		{name: "magpipe_batch_reserved_concurrency", kind: gauge, help: "The API's reserved_concurrency, which has no effect on dialling.",
			batch: func(b *trackedBatch, emit emit) { emitCount(b.row.ReservedConcurrency, emit) }},
		{name: "magpipe_batch_call_window_open", kind: gauge, help: "Whether the call window allows dialling now, whatever the state.",
			batch: func(b *trackedBatch, emit emit) {
				if !b.row.Window.Unknown {
					emit(zeroOrOne(b.row.Window.Open(b.now)))
				}
			}},
		{name: "magpipe_batch_call_window_opened_timestamp_seconds", kind: gauge, help: "Since when the call window has been open; absent while it is closed, and if it has always been open.",
			batch: func(b *trackedBatch, emit emit) {
				if !b.row.Window.Unknown {
					emitTime(b.row.Window.Opened(b.now), emit)
				}
			}},
		{name: "magpipe_batch_call_window_opens_timestamp_seconds", kind: gauge, help: "When the closed call window next opens; absent while it is open, and if it never opens.",
			batch: func(b *trackedBatch, emit emit) {
				if !b.row.Window.Unknown {
					emitTime(b.row.Window.Opens(b.now), emit)
				}
			}},
		{name: "magpipe_batch_call_window_closes_timestamp_seconds", kind: gauge, help: "When the open call window closes; absent while it is closed, and if it never closes.",
			batch: func(b *trackedBatch, emit emit) {
				if !b.row.Window.Unknown {
					emitTime(b.row.Window.Closes(b.now), emit)
				}
			}},
		{name: "magpipe_batch_call_window_valid", kind: gauge, help: "Whether the call window can ever open.",
			batch: func(b *trackedBatch, emit emit) {
				if !b.row.Window.Unknown {
					emit(zeroOrOne(b.row.Window.Valid()))
				}
			}},
		{name: "magpipe_batch_created_timestamp_seconds", kind: gauge, help: "When the batch was created.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.row.CreatedAt, emit) }},
		{name: "magpipe_batch_scheduled_timestamp_seconds", kind: gauge, help: "When the batch is scheduled to start.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.row.ScheduledAt, emit) }},
		{name: "magpipe_batch_started_timestamp_seconds", kind: gauge, help: "When the batch started; after a re-run, the latest start.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.row.StartedAt, emit) }},
		{name: "magpipe_batch_updated_timestamp_seconds", kind: gauge, help: "When the batch's row last changed.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.row.UpdatedAt, emit) }},
		{name: "magpipe_batch_completed_timestamp_seconds", kind: gauge, help: "When the batch completed; during a re-run, the end of the run before.",
			batch: func(b *trackedBatch, emit emit) { emitTime(b.row.CompletedAt, emit) }},
		{name: "magpipe_batch_last_attempt_timestamp_seconds", kind: gauge, help: "Newest dial attempt among the recipients.",
			recipients: func(r *recipientStats, emit emit) { emitTime(r.LastAttempt, emit) }},
		{name: "magpipe_batch_last_completion_timestamp_seconds", kind: gauge, help: "Newest end of a call among the recipients.",
			recipients: func(r *recipientStats, emit emit) { emitTime(r.LastEnd, emit) }},
		{name: "magpipe_batch_oldest_active_call_timestamp_seconds", kind: gauge, help: "Oldest dial attempt among the recipients whose call is active.",
			recipients: func(r *recipientStats, emit emit) { emitTime(r.OldestActive, emit) }},
		{name: "magpipe_batch_recurrence_runs", kind: gauge, help: "Runs that a recurring batch has spawned.",
			batch: func(b *trackedBatch, emit emit) { emitCount(ifRecurring(b.row, b.row.RecurrenceRuns), emit) }},
		{name: "magpipe_batch_recurrence_max_runs", kind: gauge, help: "Maximum number of runs that a recurring batch will spawn.",
			batch: func(b *trackedBatch, emit emit) { emitCount(ifRecurring(b.row, b.row.RecurrenceMaxRuns), emit) }},
	}
}

func exporterMetrics() []metric {
	actions := words(apiclient.Actions())
	return []metric{
		{name: "magpipe_exporter_api_requests_total", kind: counter, help: "Requests sent to the API.", labels: []string{"action"}, series: each(actions)},
		{name: "magpipe_exporter_api_request_failures_total", kind: counter, help: "Requests to the API that failed, by reason.", labels: []string{"action", "reason"}, series: each(actions, apiclient.Reasons())},
		{name: "magpipe_exporter_api_request_duration_seconds", kind: histogram, help: "Time from sending a request to the end of its answer.", labels: []string{"action"},
			series:  each(actions),
			buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}},
		{name: "magpipe_exporter_api_requests_deferred_total", kind: counter, help: "Requests that were due in a refresh but not sent, counted again in each refresh, by reason.", labels: []string{"action", "reason"}, series: each(actions, []string{deferredBudget, deferredBackoff})},
		{name: "magpipe_exporter_api_budget_requests", kind: gauge, help: "The configured budget: the maximum number of requests in any minute and in any hour.", labels: []string{"window"},
			budget: func(b *apiclient.Budget, emit emit) {
				emit(float64(b.Limits().PerMinute), "minute")
				emit(float64(b.Limits().PerHour), "hour")
			}},
		{name: "magpipe_exporter_api_budget_remaining_requests", kind: gauge, help: "Requests that could be sent right now.",
			budget: func(b *apiclient.Budget, emit emit) { emit(float64(b.Remaining())) }},
		{name: "magpipe_exporter_api_rate_limit_requests", kind: gauge, help: "The API's own X-RateLimit-Limit.",
			budget: func(b *apiclient.Budget, emit emit) { emitRateLimit(b.RateLimit().Limit, b, emit) }},
		{name: "magpipe_exporter_api_rate_limit_remaining_requests", kind: gauge, help: "The API's own X-RateLimit-Remaining.",
			budget: func(b *apiclient.Budget, emit emit) { emitRateLimit(b.RateLimit().Remaining, b, emit) }},
		{name: "magpipe_exporter_state_saved_timestamp_seconds", kind: gauge, help: "When the state file was last written.",
			state: func(s *State, emit emit) { emitTime(s.savedAt, emit) }},
		{name: "magpipe_exporter_state_save_failures_total", kind: counter, help: "Writes of the state file that failed since the exporter started.",
			state: func(s *State, emit emit) { emit(float64(s.failures)) }},
		{name: "magpipe_exporter_unknown_values_total", kind: counter, help: "Unknown or impossible values from the API, each counted once.", labels: []string{"field"}, series: each(words(apiclient.Fields()))},
	}
}

// each combines the values of a metric's labels.
func each(labels ...[]string) [][]string {
	series := [][]string{{}}
	for _, values := range labels {
		var longer [][]string
		for _, begun := range series {
			for _, value := range values {
				longer = append(longer, append(slices.Clone(begun), value))
			}
		}
		series = longer
	}
	return series
}

func words[T ~string](of []T) (words []string) {
	for _, word := range of {
		words = append(words, string(word))
	}
	return words
}

func stateNames(of []apiclient.RecipientStatus) (names []string) {
	for _, status := range of {
		names = append(names, status.String())
	}
	return names
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

func emitRateLimit(n int, b *apiclient.Budget, emit emit) {
	if b.RateLimit().Limit > 0 {
		emit(float64(n))
	}
}

func (d distribution) emit(emit emit) {
	if d.Calls == 0 {
		return
	}
	emit(d.P50, "p50")
	emit(d.P90, "p90")
	emit(d.P99, "p99")
	emit(d.Mean, "mean")
	emit(d.Max, "max")
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
	c.Known = c.Known && isRecurring(b)
	return c
}

// shorten cuts a label that the API's users wrote to 256 characters.
func shorten(label string) string {
	const longest = 256
	if runes := []rune(label); len(runes) > longest {
		return string(runes[:longest])
	}
	return label
}

func nameIf(shown bool, name string) string {
	if !shown {
		return ""
	}
	return shorten(name)
}

// catalogue makes samples of the metrics.
type catalogue struct {
	metrics []metric
	pairs   map[[2]string]*dto.LabelPair // of labels with a fixed set of values; shared by all batches
}

const batchID = "batch_id"

func newCatalogue(names bool) *catalogue {
	c := &catalogue{metrics: metrics(names), pairs: map[[2]string]*dto.LabelPair{}}
	for i := range c.metrics {
		m := &c.metrics[i]
		labels := m.labels
		if m.ofBatch() {
			labels = append([]string{batchID}, labels...)
		}
		m.desc = prometheus.NewDesc(m.name, m.help, labels, nil)
	}
	for _, status := range apiclient.BatchStatuses() {
		c.share("status", status.String())
	}
	for _, status := range apiclient.RecipientStatuses() {
		c.share("status", status.String())
	}
	for _, outcome := range apiclient.Outcomes() {
		c.share("outcome", outcome.String())
	}
	for _, statistic := range []string{"p50", "p90", "p99", "mean", "max", "sum"} {
		c.share("statistic", statistic)
	}
	return c
}

func (c *catalogue) share(name, value string) {
	c.pairs[[2]string{name, value}] = newLabelPair(name, value)
}

func newLabelPair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}

// ofBatch reports whether each tracked batch has samples of the metric.
func (m *metric) ofBatch() bool { return m.batch != nil || m.recipients != nil || m.talk != nil }

// row returns the metric of this name, which must be in the catalogue.
func (c *catalogue) row(name string) *metric {
	for i := range c.metrics {
		if c.metrics[i].name == name {
			return &c.metrics[i]
		}
	}
	return nil
}

// families makes the families of the account and its batches.
func (c *catalogue) families(s *snapshot) []*dto.MetricFamily {
	var families []*dto.MetricFamily
	for i := range c.metrics {
		m := &c.metrics[i]
		var samples []*dto.Metric
		switch {
		case m.account != nil:
			c.add(&samples, m, nil, func(emit emit) { m.account(s, emit) })
		case m.ofBatch():
			for i := range s.tracked {
				b := &s.tracked[i]
				c.add(&samples, m, b, func(emit emit) {
					switch {
					case m.batch != nil:
						m.batch(b, emit)
					case m.recipients != nil && b.recipients != nil:
						m.recipients(b.recipients, emit)
					case m.talk != nil && b.talk != nil:
						m.talk(b.talk, emit)
					}
				})
			}
		}
		families = m.appendFamily(families, samples)
	}
	return families
}

// currentFamilies makes the families of the budget and of the state file; state is
// nil without one. They are not part of a snapshot because they change all the time.
func (c *catalogue) currentFamilies(b *apiclient.Budget, state *State) []*dto.MetricFamily {
	var families []*dto.MetricFamily
	for i := range c.metrics {
		m := &c.metrics[i]
		var samples []*dto.Metric
		switch {
		case m.budget != nil:
			c.add(&samples, m, nil, func(emit emit) { m.budget(b, emit) })
		case m.state != nil && state != nil:
			state.mu.Lock()
			c.add(&samples, m, nil, func(emit emit) { m.state(state, emit) })
			state.mu.Unlock()
		}
		families = m.appendFamily(families, samples)
	}
	return families
}

// add appends the samples that values emits, sorted as a registry sorts them; b is
// nil unless they are a batch's.
func (c *catalogue) add(samples *[]*dto.Metric, m *metric, b *trackedBatch, values func(emit)) {
	first := len(*samples)
	values(func(value float64, labels ...string) {
		sample := &dto.Metric{Label: c.labels(m, b, labels)}
		if m.kind == counter {
			sample.Counter = &dto.Counter{Value: &value}
			if b != nil {
				sample.Counter.CreatedTimestamp = timestamppb.New(b.calls.Since)
			}
		} else {
			sample.Gauge = &dto.Gauge{Value: &value}
		}
		*samples = append(*samples, sample)
	})
	slices.SortFunc((*samples)[first:], func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.Label, b.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
}

// labels returns the labels of a sample with some values; b is nil unless it is a
// batch's.
func (c *catalogue) labels(m *metric, b *trackedBatch, values []string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 0, len(values)+1)
	if b != nil {
		pairs = append(pairs, b.id)
	}
	for i, value := range values {
		pair := c.pairs[[2]string{m.labels[i], value}]
		if pair == nil {
			pair = newLabelPair(m.labels[i], value)
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

// appendFamily appends the family of a metric, unless it has no samples.
func (m *metric) appendFamily(families []*dto.MetricFamily, samples []*dto.Metric) []*dto.MetricFamily {
	if len(samples) == 0 {
		return families
	}
	return append(families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: m.kind.Enum(), Metric: samples})
}
