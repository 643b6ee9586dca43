package collector_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// answers is an API with one fixed body for each action.
type answers map[string]string

// RoundTrip answers with status 200.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked struct{ Action string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(a[actionOf(r, asked.Action)])), ContentLength: -1,
	}, nil
}

// The answers that are not fuzzed: a running batch, and a recurring one with a
// paused run.
const (
	goodList = `{"batches":[{"id":"batch-b","name":"B","status":"running","total_recipients":1,"created_at":"2026-11-22T06:00:00Z"},` +
		`{"id":"recurring","status":"recurring","recurrence_type":"daily","created_at":"2026-11-21T06:00:00Z"}]}`
	goodRuns = `{"runs":[{"id":"r","status":"paused","total_recipients":1,"created_at":"2026-11-22T06:00:00Z"}]}`
	goodGet  = `{"batch":{"status":"running","total_recipients":1},"recipients":[{"id":"1","status":"busy","attempted_at":"2026-11-22T06:11:13Z",` +
		`"completed_at":"2026-11-22T06:11:20Z","call_record_id":"c"}],"runs":null}`
	goodCalls = `{"calls":[{"id":"c","duration":7,"created_at":"2026-11-22T06:11:13Z"}],"total":1,"has_more":false}`
)

// The most series that a page may have.
const (
	seriesOfAnAccount = 330
	seriesOfABatch    = 61
	fuzzedBatches     = 5
)

// scrapeOnce has a new exporter read an API once, and returns the samples of its
// page. It fails unless Prometheus accepts the page and its size is bounded.
func scrapeOnce(t *testing.T, api answers) map[string]float64 {
	t.Helper()
	w := newWorld(t, withoutLimits, withoutLog, withTransport(func(*simulator.Account) http.RoundTripper { return api }),
		withConfig(func(c *collector.Config) { c.MaxBatches = fuzzedBatches }))
	w.start()
	return parsePage(t, w.scrape())
}

// parsePage reads a page as promtool does, lints it and returns its samples.
func parsePage(t *testing.T, page string) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(page)); err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	if problems, err := promlint.New(strings.NewReader(page)).Lint(); err != nil || len(problems) > 0 {
		t.Fatalf("lint: %v %v", problems, err)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(page) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if _, twice := samples[line[:at]]; err != nil || twice {
			t.Fatalf("%s: %v, twice %v", line, err, twice)
		}
		samples[line[:at]] = value
	}
	if len(samples) > seriesOfAnAccount+fuzzedBatches*seriesOfABatch {
		t.Errorf("%d series for at most %d batches", len(samples), fuzzedBatches)
	}
	return samples
}

// failures returns the number of requests of an action that failed. It fails if
// the reason is one that a complete answer with status 200 cannot have.
func failures(t *testing.T, samples map[string]float64, action string) (n float64) {
	t.Helper()
	for _, reason := range apiclient.Reasons() {
		count := samples[`magpipe_exporter_api_request_failures_total{action="`+action+`",reason="`+reason+`"}`]
		if count > 0 && reason != "malformed" && reason != "too_large" {
			t.Errorf("%s failed as %s", action, reason)
		}
		n += count
	}
	return n
}

func FuzzListPage(f *testing.F) {
	f.Add(goodList)
	f.Fuzz(func(t *testing.T, body string) {
		samples := scrapeOnce(t, answers{"list": body, "list_runs": goodRuns, "get": goodGet, "list_calls": goodCalls})
		if failed, up := failures(t, samples, "list") > 0, samples["magpipe_up"] == 1; failed == up {
			t.Errorf("the list failed: %v, and up is %v", failed, up)
		}
	})
}

// checkOthers fails unless the page shows the data of the other answers, whatever
// the fuzzed one was.
func checkOthers(t *testing.T, samples map[string]float64, series ...string) {
	t.Helper()
	for _, name := range append(series, "magpipe_up", `magpipe_batches{status="recurring"}`) {
		if samples[name] != 1 {
			t.Errorf("%s is %v", name, samples[name])
		}
	}
	if failures(t, samples, "list") > 0 {
		t.Error("the list failed as well")
	}
}

func FuzzRunsPage(f *testing.F) {
	f.Add(goodRuns)
	f.Fuzz(func(t *testing.T, body string) {
		samples := scrapeOnce(t, answers{"list": goodList, "list_runs": body, "get": goodGet, "list_calls": goodCalls})
		checkOthers(t, samples)
		if _, shown := samples[`magpipe_batch_status{batch_id="r",status="paused"}`]; shown && failures(t, samples, "list_runs") > 0 {
			t.Error("a run of an answer that failed is shown")
		}
	})
}

func FuzzGetPage(f *testing.F) {
	f.Add(goodGet)
	f.Fuzz(func(t *testing.T, body string) {
		samples := scrapeOnce(t, answers{"list": goodList, "list_runs": goodRuns, "get": body, "list_calls": goodCalls})
		checkOthers(t, samples)
		if failures(t, samples, "get") == 0 {
			return
		}
		if _, shown := samples[`magpipe_batch_attempted_recipients{batch_id="batch-b"}`]; shown {
			t.Error("recipients of an answer that failed are shown")
		}
		checkOthers(t, samples, `magpipe_batch_status{batch_id="batch-b",status="running"}`, `magpipe_batch_target_recipients{batch_id="batch-b"}`)
	})
}

func FuzzCallsPage(f *testing.F) {
	f.Add(goodCalls)
	f.Fuzz(func(t *testing.T, body string) {
		samples := scrapeOnce(t, answers{"list": goodList, "list_runs": goodRuns, "get": goodGet, "list_calls": body})
		checkOthers(t, samples, `magpipe_batch_attempted_recipients{batch_id="batch-b"}`)
		if _, shown := samples[`magpipe_batch_recorded_recipients{batch_id="batch-b"}`]; shown == (failures(t, samples, "list_calls") > 0) {
			t.Errorf("the page shows how many recipients have records: %v", shown)
		}
	})
}
