package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The two answers of the API's documentation, as it prints them.
const (
	documentedGetBatch = `{
"id": "f1e2d3c4-5678-9012-3456-789012345678",
"name": "Appointment Reminders",
"caller_id": "+16045551234",
"status": "running",
"send_now": true,
"total_recipients": 3,
"completed_count": 1,
"failed_count": 0,
"window_start_time": "09:00",
"window_end_time": "17:00",
"window_days": [1, 2, 3, 4, 5],
"reserved_concurrency": 5,
"created_at": "2024-02-15T09:00:00.000Z",
"started_at": "2024-02-15T09:00:05.000Z"
}`
	documentedGet = `{
"batch": ` + documentedGetBatch + `,
"recipients": [
{
"id": "r1-uuid",
"phone_number": "+14155551234",
"name": "John Doe",
"status": "completed",
"call_record_id": "call-uuid-1",
"attempted_at": "2024-02-15T09:00:10.000Z",
"completed_at": "2024-02-15T09:03:45.000Z"
},
{
"id": "r2-uuid",
"phone_number": "+12125559876",
"name": "Jane Smith",
"status": "calling",
"call_record_id": "call-uuid-2",
"attempted_at": "2024-02-15T09:04:00.000Z"
},
{
"id": "r3-uuid",
"phone_number": "+13105557890",
"name": "Bob Wilson",
"status": "pending"
}
]
}`
	documentedListCompleted = `{
      "id": "f1e2d3c4-5678-9012-3456-789012345678",
      "name": "Appointment Reminders",
      "status": "completed",
      "total_recipients": 150,
      "completed_count": 142,
      "failed_count": 8,
      "created_at": "2024-02-15T09:00:00.000Z",
      "completed_at": "2024-02-15T14:30:00.000Z"
    }`
	documentedListScheduled = `{
      "id": "a2b3c4d5-6789-0123-4567-890123456789",
      "name": "Follow-up Campaign",
      "status": "scheduled",
      "total_recipients": 50,
      "completed_count": 0,
      "failed_count": 0,
      "created_at": "2024-02-14T16:00:00.000Z",
      "scheduled_at": "2024-02-16T10:00:00.000Z"
    }`

	madeUpKey = "mgp_0123456789abcdef0123456789abcdef01234567"
	reminders = "f1e2d3c4-5678-9012-3456-789012345678"
	followUp  = "a2b3c4d5-6789-0123-4567-890123456789"
)

// The API documents get and list of the same batch in different states. In the
// first scenario list shows it as get does; in the second list is left as it is.
func TestOfficialAnswersGiveTheValuesWorkedOutByHand(t *testing.T) {
	t.Parallel()
	scenarios := []struct {
		golden, list   string
		present        map[string]float64
		absent         []string // no series starts with these
		windowReminder bool     // the batch with a call window is on the page
	}{
		{
			golden: "official.prom",
			list:   documentedGetBatch + "," + documentedListScheduled,
			present: map[string]float64{
				`magpipe_up`:             1,
				`magpipe_list_truncated`: 0,
				// One row is running, one is scheduled.
				`magpipe_batches{status="running"}`:   1,
				`magpipe_batches{status="scheduled"}`: 1,
				`magpipe_batches{status="completed"}`: 0,
				// r1 has ended, r2 is being called, r3 waits; r1 and r2 were dialled.
				ofBatch("magpipe_batch_recipients", reminders, "status", "completed"): 1,
				ofBatch("magpipe_batch_recipients", reminders, "status", "calling"):   1,
				ofBatch("magpipe_batch_recipients", reminders, "status", "pending"):   1,
				ofBatch("magpipe_batch_recipients", reminders, "status", "initiated"): 0,
				ofBatch("magpipe_batch_recipients", reminders, "status", "failed"):    0,
				ofBatch("magpipe_batch_recipients", reminders, "status", "unknown"):   0,
				ofBatch("magpipe_batch_attempted_recipients", reminders):              2,
				ofBatch("magpipe_batch_target_recipients", reminders):                 3,
				ofBatch("magpipe_batch_reported_completed_recipients", reminders):     1,
				ofBatch("magpipe_batch_reported_failed_recipients", reminders):        0,
				ofBatch("magpipe_batch_reserved_concurrency", reminders):              5,
				// 09:00:10 to 09:03:45 is 3 min 35 s, and there is no other call that ended.
				ofBatch("magpipe_batch_call_duration_seconds", reminders, "statistic", "p50"):  215,
				ofBatch("magpipe_batch_call_duration_seconds", reminders, "statistic", "p90"):  215,
				ofBatch("magpipe_batch_call_duration_seconds", reminders, "statistic", "p99"):  215,
				ofBatch("magpipe_batch_call_duration_seconds", reminders, "statistic", "mean"): 215,
				ofBatch("magpipe_batch_call_duration_seconds", reminders, "statistic", "max"):  215,
				// 2024-02-15T00:00:00Z is 19768 days after 1970, hence 1707955200; 09:00:00 is 32400 s later.
				ofBatch("magpipe_batch_created_timestamp_seconds", reminders):            1707987600,
				ofBatch("magpipe_batch_started_timestamp_seconds", reminders):            1707987605,
				ofBatch("magpipe_batch_last_attempt_timestamp_seconds", reminders):       1707987840, // 09:04:00
				ofBatch("magpipe_batch_oldest_active_call_timestamp_seconds", reminders): 1707987840,
				ofBatch("magpipe_batch_last_completion_timestamp_seconds", reminders):    1707987825, // 09:03:45
				ofBatch("magpipe_batch_call_window_valid", reminders):                    1,
				ofBatch("magpipe_batch_status", reminders, "status", "running"):          1,
				ofBatch("magpipe_batch_status", reminders, "status", "completed"):        0,
				// The scheduled batch: 17 h before 09:00:00 of the 15th, and 25 h after.
				ofBatch("magpipe_batch_created_timestamp_seconds", followUp):     1707926400,
				ofBatch("magpipe_batch_scheduled_timestamp_seconds", followUp):   1708077600,
				ofBatch("magpipe_batch_target_recipients", followUp):             50,
				ofBatch("magpipe_batch_status", followUp, "status", "scheduled"): 1,
				ofBatch("magpipe_batch_call_window_open", followUp):              1, // it has no window
				// All calls were long before the exporter started.
				`magpipe_calls_started_total`:                       0,
				`magpipe_calls_finished_total{outcome="completed"}`: 0,
				// The list, a look past its end, and the one batch that calls.
				`magpipe_exporter_api_requests_total{action="list"}`:      2,
				`magpipe_exporter_api_requests_total{action="get"}`:       1,
				`magpipe_exporter_api_requests_total{action="list_runs"}`: 0,
				`magpipe_exporter_api_budget_requests{window="minute"}`:   50,
				`magpipe_exporter_api_budget_requests{window="hour"}`:     500,
			},
			absent: []string{
				"magpipe_batch_max_concurrency", "magpipe_batch_completed_timestamp_seconds",
				ofBatch("magpipe_batch_scheduled_timestamp_seconds", reminders),
				strings.TrimSuffix(ofBatch("magpipe_batch_recipients", followUp), "}"),
			},
			windowReminder: true,
		},
		{
			golden: "official-list.prom",
			list:   documentedListCompleted + "," + documentedListScheduled,
			present: map[string]float64{
				`magpipe_up`:                                                     1,
				`magpipe_batches{status="running"}`:                              0,
				`magpipe_batches{status="scheduled"}`:                            1,
				`magpipe_batches{status="completed"}`:                            1, // years before the retention: counted, no more
				ofBatch("magpipe_batch_status", followUp, "status", "scheduled"): 1,
				`magpipe_exporter_api_requests_total{action="list"}`:             2,
				`magpipe_exporter_api_requests_total{action="get"}`:              0,
			},
			absent: []string{"magpipe_batch_recipients", "magpipe_batch_refreshed_timestamp_seconds", ofBatch("magpipe_batch_target_recipients", reminders)},
		},
	}
	for _, s := range scenarios {
		t.Run(s.golden, func(t *testing.T) {
			t.Parallel()
			api := documentedAPI(t, s.list)
			before := time.Now()
			p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api, "--collector.min-refresh=1h", "--no-collector.call-records")
			answer := get(t, p.url+"/metrics")
			after := time.Now()

			samples := samplesOf(answer.body)
			for series, want := range s.present {
				if got, ok := samples[series]; !ok || got != want {
					t.Errorf("%s is %v (on the page: %t), want %v", series, got, ok, want)
				}
			}
			for _, prefix := range s.absent {
				for series := range samples {
					if strings.HasPrefix(series, prefix) {
						t.Errorf("%s must not be on the page", series)
					}
				}
			}
			stamps := []string{"magpipe_list_refreshed_timestamp_seconds"}
			if s.windowReminder {
				stamps = append(stamps, ofBatch("magpipe_batch_refreshed_timestamp_seconds", reminders))
				open := samples[ofBatch("magpipe_batch_call_window_open", reminders)]
				if open != officeHours(before) && open != officeHours(after) {
					t.Errorf("the window from Monday to Friday, 09:00 to 17:00 UTC, is %v at %s", open, after.UTC())
				}
				closes, known := samples[ofBatch("magpipe_batch_call_window_closes_timestamp_seconds", reminders)]
				if known != (open == 1) || (known && time.Unix(int64(closes), 0).UTC().Format("15:04:05") != "17:01:00") {
					t.Errorf("the window is open: %v, and closes: %v at %v", open, known, closes)
				}
			}
			for _, series := range stamps {
				if at := samples[series]; at < float64(before.Unix()) || at > float64(after.Unix()+1) {
					t.Errorf("%s is %v, not between the start and the scrape", series, at)
				}
			}
			// A start may spend 20; what was spent comes back at one each 7.9 s.
			if left := samples["magpipe_exporter_api_budget_remaining_requests"]; left < 17 || left > 20 {
				t.Errorf("%v requests are left of 20 after two or three", left)
			}
			for _, secret := range []string{
				madeUpKey, "John", "Doe", "Jane", "Smith", "Bob", "Wilson", "14155551234", "12125559876", "13105557890",
				"16045551234", "call-uuid", "r1-uuid", "r2-uuid", "r3-uuid",
			} {
				if strings.Contains(answer.body+p.Log(), secret) {
					t.Errorf("%q is on the page or in the log", secret)
				}
			}
			compareGolden(t, s.golden, steady(answer.body))
			lint(t, answer.body)
		})
	}
}

// documentedAPI serves the two documented answers over a real socket, and
// insists on requests as the documentation has them. It returns the endpoint.
func documentedAPI(t *testing.T, rows string) string {
	t.Helper()
	return serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Action  string `json:"action"`
			BatchID string `json:"batch_id"`
			Offset  int    `json:"offset"`
		}
		decoder := json.NewDecoder(r.Body)
		switch err := decoder.Decode(&call); {
		case err != nil:
			t.Errorf("the request's body is no JSON: %v", err)
		case r.Method != http.MethodPost, r.URL.Path != "/functions/v1/batch-calls":
			t.Errorf("%s %s was asked for", r.Method, r.URL.Path)
		case r.Header.Get("Authorization") != "Bearer "+madeUpKey:
			t.Error("the key is not sent as a bearer token")
		case r.Header.Get("Content-Type") != "application/json", !strings.HasPrefix(r.UserAgent(), program+"/"):
			t.Errorf("the content type is %q, the user agent %q", r.Header.Get("Content-Type"), r.UserAgent())
		case call.Action == "list" && call.Offset == 0:
			_, _ = io.WriteString(w, `{"batches":[`+rows+`]}`)
		case call.Action == "list" && call.Offset == 2:
			_, _ = io.WriteString(w, `{"batches":[]}`)
		case call.Action == "get" && call.BatchID == reminders:
			_, _ = io.WriteString(w, documentedGet)
		default:
			t.Errorf("%+v was asked for", call)
		}
	})
}

func serveAPI(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	api := httptest.NewServer(answer)
	t.Cleanup(api.Close)
	return api.URL + "/functions/v1/batch-calls"
}

func ofBatch(metric, id string, label ...string) string {
	if len(label) == 0 {
		return fmt.Sprintf("%s{batch_id=%q}", metric, id)
	}
	return fmt.Sprintf("%s{batch_id=%q,%s=%q}", metric, id, label[0], label[1])
}

// officeHours is 1 if 09:00 to 17:00, Monday to Friday, is open as the
// service compares: the start minute is excluded, the end minute is not.
func officeHours(at time.Time) float64 {
	at = at.UTC()
	minute := at.Hour()*60 + at.Minute()
	if at.Weekday() >= time.Monday && at.Weekday() <= time.Friday && minute > 9*60 && minute <= 17*60 {
		return 1
	}
	return 0
}
