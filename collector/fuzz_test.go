package collector_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/collector"
)

// answers is an API that gives each action one body.
type answers map[string]string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked struct{ Action string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(a[asked.Action])), ContentLength: -1,
	}, nil
}

// What the actions answer that are not fuzzed: two running batches and a series with a paused run.
const (
	soundList = `{"batches":[{"id":"batch-b","name":"B","status":"running","total_recipients":1,"created_at":"2026-11-22T06:00:00Z"},` +
		`{"id":"series-s","status":"recurring","recurrence_type":"daily","created_at":"2026-11-21T06:00:00Z"}]}`
	soundRuns = `{"runs":[{"id":"r","status":"paused","total_recipients":1,"created_at":"2026-11-22T06:00:00Z"}]}`
	soundGet  = `{"batch":{"status":"running","total_recipients":1},"recipients":[{"id":"1","status":"busy","attempted_at":"2026-11-22T06:11:13Z",` +
		`"completed_at":"2026-11-22T06:11:20Z"}],"runs":null}`
)

const (
	fewBatches   = 5   // of the fuzzed exporters: with series of their own
	seriesAtMost = 260 // of a page without batches
	seriesEach   = 45  // of one batch
)

// pageOf has a new exporter read an API once, and fails unless its page is one
// that Prometheus takes, of bounded size. It returns the page's samples.
func pageOf(t *testing.T, api answers) map[string]float64 {
	t.Helper()
	cfg := collector.Config{MaxStaleness: time.Minute, FinishedRetention: time.Hour, MaxBatches: fewBatches, BatchNames: true}
	var err error
	if cfg.API.URL, err = apiclient.ParseURL("https://magpipe.example/batch-calls", false); err != nil {
		t.Fatal(err)
	}
	if cfg.API.Key, err = (apiclient.KeySource{Value: "mgp_test"}).Open(); err != nil {
		t.Fatal(err)
	}
	cfg.API.Budget = apiclient.NewBudget(apiclient.Limits{PerMinute: 1 << 20, PerHour: 1 << 20})
	cfg.API.Transport = api
	cfg.MinRefresh = time.Hour
	c := collector.New(cfg)
	defer c.Close()
	c.Refresh(t.Context())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	text := expfmt.NewEncoder(&page, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := text.Encode(family); err != nil {
			t.Fatal(err)
		}
	}
	return accepted(t, page.String())
}

// accepted reads a page as promtool does, and lints it.
func accepted(t *testing.T, page string) map[string]float64 {
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
	if len(samples) > seriesAtMost+fewBatches*seriesEach {
		t.Errorf("%d series for %d batches at most", len(samples), fewBatches)
	}
	return samples
}

// failures sums the failed requests of an action; a reason that no whole answer of status 200 can cause is an error.
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
	f.Add(soundList)
	f.Fuzz(func(t *testing.T, body string) {
		samples := pageOf(t, answers{"list": body, "list_runs": soundRuns, "get": soundGet})
		if failed, up := failures(t, samples, "list") > 0, samples["magpipe_up"] == 1; failed == up {
			t.Errorf("the list failed: %v, and up is %v", failed, up)
		}
	})
}

// othersAre fails unless what other answers brought is on the page, whatever the fuzzed one was.
func othersAre(t *testing.T, samples map[string]float64, series ...string) {
	t.Helper()
	for _, one := range append(series, "magpipe_up", `magpipe_batches{status="recurring"}`) {
		if samples[one] != 1 {
			t.Errorf("%s is %v", one, samples[one])
		}
	}
	if failures(t, samples, "list") > 0 {
		t.Error("the list failed as well")
	}
}

func FuzzRunsPage(f *testing.F) {
	f.Add(soundRuns)
	f.Fuzz(func(t *testing.T, body string) {
		samples := pageOf(t, answers{"list": soundList, "list_runs": body, "get": soundGet})
		othersAre(t, samples)
		if _, shown := samples[`magpipe_batch_status{batch_id="r",status="paused"}`]; shown && failures(t, samples, "list_runs") > 0 {
			t.Error("a run of an answer that failed is shown")
		}
	})
}

func FuzzGetPage(f *testing.F) {
	f.Add(soundGet)
	f.Fuzz(func(t *testing.T, body string) {
		samples := pageOf(t, answers{"list": soundList, "list_runs": soundRuns, "get": body})
		othersAre(t, samples)
		if failures(t, samples, "get") == 0 {
			return
		}
		if _, shown := samples[`magpipe_batch_attempted_recipients{batch_id="batch-b"}`]; shown {
			t.Error("recipients of an answer that failed are shown")
		}
		othersAre(t, samples, `magpipe_batch_status{batch_id="batch-b",status="running"}`, `magpipe_batch_target_recipients{batch_id="batch-b"}`)
	})
}
