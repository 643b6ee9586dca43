package acceptance

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The names and types that people build on. They don't drift; more may come.
func contract() map[string]string {
	types := map[string]string{}
	for kind, names := range map[string]string{
		"gauge": `magpipe_up magpipe_list_refreshed_timestamp_seconds magpipe_list_truncated
			magpipe_batch_refreshed_timestamp_seconds magpipe_batch_outdated_since_timestamp_seconds magpipe_batches magpipe_runs magpipe_batch_info magpipe_batch_status
			magpipe_batch_recipients magpipe_batch_target_recipients magpipe_batch_attempted_recipients
			magpipe_batch_reported_completed_recipients magpipe_batch_reported_failed_recipients
			magpipe_batch_call_duration_seconds magpipe_batch_max_concurrency magpipe_batch_reserved_concurrency
			magpipe_batch_call_window_open magpipe_batch_call_window_closes_timestamp_seconds
			magpipe_batch_call_window_opened_timestamp_seconds magpipe_batch_call_window_opens_timestamp_seconds
			magpipe_batch_call_window_valid magpipe_batch_created_timestamp_seconds
			magpipe_batch_scheduled_timestamp_seconds magpipe_batch_started_timestamp_seconds
			magpipe_batch_updated_timestamp_seconds magpipe_batch_completed_timestamp_seconds
			magpipe_batch_last_attempt_timestamp_seconds magpipe_batch_last_completion_timestamp_seconds
			magpipe_batch_oldest_active_call_timestamp_seconds magpipe_batch_recurrence_runs
			magpipe_batch_recurrence_max_runs magpipe_exporter_api_budget_requests
			magpipe_exporter_api_budget_remaining_requests magpipe_exporter_api_rate_limit_requests
			magpipe_exporter_api_rate_limit_remaining_requests magpipe_exporter_build_info
			magpipe_call_records_refreshed_timestamp_seconds magpipe_batch_answered_recipients
			magpipe_batch_recorded_recipients magpipe_batch_talk_seconds magpipe_exporter_state_saved_timestamp_seconds`,
		"counter": `magpipe_calls_started_total magpipe_calls_finished_total magpipe_exporter_api_requests_total
			magpipe_exporter_api_request_failures_total magpipe_exporter_api_requests_deferred_total
			magpipe_exporter_unknown_values_total magpipe_calls_answered_total magpipe_batch_calls_started_total
			magpipe_batch_calls_finished_total magpipe_batch_calls_answered_total magpipe_exporter_state_save_failures_total`,
		"histogram": `magpipe_call_duration_seconds magpipe_exporter_api_request_duration_seconds magpipe_call_talk_seconds`,
	} {
		for name := range strings.FieldsSeq(names) {
			types[name] = kind
		}
	}
	return types
}

// notInTheDemo reports whether a metric is missing from the demo's first page: the demo's account sends no X-RateLimit
// headers, and nothing is outdated at first.
func notInTheDemo(name string) bool {
	return strings.HasPrefix(name, "magpipe_exporter_api_rate_limit_") || name == "magpipe_batch_outdated_since_timestamp_seconds"
}

func TestDemoPageHoldsEveryMetricOfTheContract(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo", "--state.file="+filepath.Join(t.TempDir(), "state"))
	first := get(t, p.url+"/metrics").body
	lint(t, first)
	got := metricsOf(t, first)
	for name, kind := range contract() {
		if !notInTheDemo(name) && got[name].Type != kind {
			t.Errorf("%s is a %q on the first page, want a %s", name, got[name].Type, kind)
		}
	}
	begun := samplesOf(first)
	eventually(t, 30*time.Second, "the demo's counters rise", func() bool {
		now := samplesOf(get(t, p.url+"/metrics").body)
		return now["magpipe_calls_started_total"] > begun["magpipe_calls_started_total"] && ended(now) > ended(begun)
	})
}

func ended(samples map[string]float64) (calls float64) {
	for _, outcome := range []string{"completed", "failed", "busy", "no_answer", "canceled"} {
		calls += samples[fmt.Sprintf("magpipe_calls_finished_total{outcome=%q}", outcome)]
	}
	return calls
}
