package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

// metricRows is the catalogue: every metric of the collector is one row, and
// this is all there is to adding one.
func metricRows(names bool) []metric {
	list := func(s *page) bool { return !passed(s.listUntil, s.now) && !s.list.refreshed.IsZero() }
	return []metric{
		{name: "magpipe_up", help: "Whether the last attempt to read a batch list succeeded; waiting for budget is not a failure.",
			account: func(s *page, emit emit) { emit(zeroOrOne(s.list.up)) }},
		{name: "magpipe_list_refreshed_timestamp_seconds", help: "Start of the last full walk of the batch list.",
			account: func(s *page, emit emit) { emitTime(s.list.refreshed, emit) }},
		{name: "magpipe_list_truncated", help: "Whether the last walk may have missed batches: the counts by state are a lower bound.",
			account: func(s *page, emit emit) {
				if !s.list.refreshed.IsZero() {
					emit(zeroOrOne(s.list.truncated))
				}
			}},
		{name: "magpipe_batches", help: "Batches by state, as list reports them.", labels: []string{"status"},
			account: func(s *page, emit emit) {
				for _, status := range statesIf(list(s)) {
					emit(float64(s.batches[status]), status.String())
				}
			}},
		{name: "magpipe_runs", help: "Runs of recurring batches by state, as far as they were read: live ones, and those that ended within the retention.", labels: []string{"status"},
			account: func(s *page, emit emit) {
				runs := s.liveRuns()
				for _, status := range statesIf(list(s)) {
					emit(float64(runs[status]), status.String())
				}
			}},
		{name: "magpipe_calls_started_total", help: "Dial attempts seen since the exporter started."},
		{name: "magpipe_calls_finished_total", help: "Calls seen to end since the exporter started, by outcome.", labels: []string{"outcome"}},
		{name: "magpipe_call_duration_seconds", help: "From dial attempt to end of the calls seen to end, ringing included.", labels: []string{"outcome"},
			buckets: []float64{1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600}},

		{name: "magpipe_batch_info", help: "What does not change over a batch's life; always 1.", labels: []string{"name", "parent_batch_id", "recurrence"},
			row: func(b *apiclient.Batch, emit emit) {
				emit(1, shownName(b.Name, names), cut(b.ParentID), cut(recurrence(b)))
			}},
		{name: "magpipe_batch_status", help: "Whether the batch is in this state.", labels: []string{"status"},
			row: func(b *apiclient.Batch, emit emit) {
				for _, status := range apiclient.BatchStatuses() {
					emit(zeroOrOne(b.Status == status), status.String())
				}
			}},
		{name: "magpipe_batch_refreshed_timestamp_seconds", help: "When the batch's recipients shown here were read.",
			reading: func(r *reading, emit emit) { emitTime(r.at, emit) }},
		{name: "magpipe_batch_recipients", help: "Recipients by status; those that the API did not hand out are unknown.", labels: []string{"status"},
			reading: func(r *reading, emit emit) {
				for _, status := range apiclient.RecipientStatuses() {
					emit(float64(r.counts[status]), status.String())
				}
			}},
		{name: "magpipe_batch_target_recipients", help: "Recipients that the batch has, as the API counts them.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(b.TotalRecipients, emit) }},
		{name: "magpipe_batch_attempted_recipients", help: "Recipients that were dialled at least once.",
			reading: func(r *reading, emit emit) { emit(float64(r.attempted)) }},
		{name: "magpipe_batch_reported_completed_recipients", help: "The API's own completed_count, which drifts.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(b.CompletedCount, emit) }},
		{name: "magpipe_batch_reported_failed_recipients", help: "The API's own failed_count, which drifts and includes busy and no_answer.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(b.FailedCount, emit) }},
		{name: "magpipe_batch_call_duration_seconds", help: "From dial attempt to end over the calls that the recipients show as ended, exact.", labels: []string{"statistic"},
			reading: func(r *reading, emit emit) { r.durations.emit(emit) }},
		{name: "magpipe_batch_max_concurrency", help: "Calls of the batch that may be under way at once.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(b.MaxConcurrency, emit) }},
		{name: "magpipe_batch_reserved_concurrency", help: "The API's reserved_concurrency, which has no effect on dialling.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(b.ReservedConcurrency, emit) }},
		{name: "magpipe_batch_call_window_open", help: "Whether the call window allows dialling now, whatever the state.",
			clock: func(b *apiclient.Batch, now time.Time, emit emit) {
				if !b.Window.Unknown {
					emit(zeroOrOne(b.Window.Open(now)))
				}
			}},
		{name: "magpipe_batch_call_window_closes_timestamp_seconds", help: "When the call window that is open now closes; absent while it is closed, and when it never closes.",
			clock: func(b *apiclient.Batch, now time.Time, emit emit) {
				if !b.Window.Unknown {
					emitTime(b.Window.Closes(now), emit)
				}
			}},
		{name: "magpipe_batch_call_window_valid", help: "Whether the call window can ever open.",
			row: func(b *apiclient.Batch, emit emit) {
				if !b.Window.Unknown {
					emit(zeroOrOne(b.Window.Valid()))
				}
			}},
		{name: "magpipe_batch_created_timestamp_seconds", help: "When the batch was created.",
			row: func(b *apiclient.Batch, emit emit) { emitTime(b.CreatedAt, emit) }},
		{name: "magpipe_batch_scheduled_timestamp_seconds", help: "When the batch is to start.",
			row: func(b *apiclient.Batch, emit emit) { emitTime(b.ScheduledAt, emit) }},
		{name: "magpipe_batch_started_timestamp_seconds", help: "When the batch started; of a batch run again, the last time.",
			row: func(b *apiclient.Batch, emit emit) { emitTime(b.StartedAt, emit) }},
		{name: "magpipe_batch_updated_timestamp_seconds", help: "When the batch's row changed last.",
			row: func(b *apiclient.Batch, emit emit) { emitTime(b.UpdatedAt, emit) }},
		{name: "magpipe_batch_completed_timestamp_seconds", help: "When the batch completed; of a batch run again, the time before.",
			row: func(b *apiclient.Batch, emit emit) { emitTime(b.CompletedAt, emit) }},
		{name: "magpipe_batch_last_attempt_timestamp_seconds", help: "Newest dial attempt among the recipients.",
			reading: func(r *reading, emit emit) { emitTime(r.lastAttempt, emit) }},
		{name: "magpipe_batch_last_completion_timestamp_seconds", help: "Newest end of a call among the recipients.",
			reading: func(r *reading, emit emit) { emitTime(r.lastEnd, emit) }},
		{name: "magpipe_batch_oldest_active_call_timestamp_seconds", help: "Oldest dial attempt among the recipients whose call is under way.",
			reading: func(r *reading, emit emit) { emitTime(r.firstActive, emit) }},
		{name: "magpipe_batch_recurrence_runs", help: "Runs that a recurring batch has spawned.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(ifRecurring(b, b.RecurrenceRuns), emit) }},
		{name: "magpipe_batch_recurrence_max_runs", help: "Runs that a recurring batch spawns at most.",
			row: func(b *apiclient.Batch, emit emit) { emitCount(ifRecurring(b, b.RecurrenceMaxRuns), emit) }},

		{name: "magpipe_exporter_api_requests_total", help: "Requests sent to the API.", labels: []string{"action"}},
		{name: "magpipe_exporter_api_request_failures_total", help: "Requests to the API that failed, by reason.", labels: []string{"action", "reason"}},
		{name: "magpipe_exporter_api_request_duration_seconds", help: "Time from a request to its whole answer.", labels: []string{"action"},
			buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}},
		{name: "magpipe_exporter_api_requests_deferred_total", help: "Requests that were due in a refresh and not sent, counted again in each refresh, by reason.", labels: []string{"action", "reason"}},
		{name: "magpipe_exporter_api_budget_requests", help: "The configured budget: the most requests in any window.", labels: []string{"window"},
			account: func(s *page, emit emit) {
				emit(float64(s.budget.Limits().PerMinute), "minute")
				emit(float64(s.budget.Limits().PerHour), "hour")
			}},
		{name: "magpipe_exporter_api_budget_remaining_requests", help: "Requests that could be sent right now.",
			account: func(s *page, emit emit) { emit(float64(s.budget.Remaining())) }},
		{name: "magpipe_exporter_api_rate_limit_requests", help: "The API's own X-RateLimit-Limit.",
			account: func(s *page, emit emit) { emitCount(limited(s, s.rateLimit.Limit), emit) }},
		{name: "magpipe_exporter_api_rate_limit_remaining_requests", help: "The API's own X-RateLimit-Remaining.",
			account: func(s *page, emit emit) { emitCount(limited(s, s.rateLimit.Remaining), emit) }},
		{name: "magpipe_exporter_unknown_values_total", help: "Values outside the known sets, or impossible ones, each counted once.", labels: []string{"field"}},
	}
}
