package acceptance

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What a golden page does not hold: families that depend on the machine, or are
// there at some times of the day only, and values that depend on the clock.
var (
	ofTheMoment = regexp.MustCompile(`^(# (HELP|TYPE) )?(go_|process_|promhttp_|magpipe_batch_call_window_(?:opened|opens|closes)|magpipe_exporter_build_info|magpipe_exporter_api_request_duration_seconds)`)
	ofTheClock  = regexp.MustCompile(`^(magpipe_(?:list|batch)_refreshed_timestamp_seconds|magpipe_batch_call_window_open|magpipe_exporter_api_budget_remaining_requests)\b(.*) \S+$`)
)

// steady is a page without what changes from one run to the next.
func steady(body string) string {
	var kept strings.Builder
	for line := range strings.Lines(body) {
		if !ofTheMoment.MatchString(line) {
			kept.WriteString(ofTheClock.ReplaceAllString(strings.TrimSuffix(line, "\n"), "$1$2 <by the clock>") + "\n")
		}
	}
	return kept.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// lint checks that the metrics of the exporter follow Prometheus's conventions.
func lint(t *testing.T, body string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "magpipe_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// metricsOf reads the families of a page that have samples, with the labels of all of them.
func metricsOf(t *testing.T, body string) map[string]documented {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]documented{}
	for name, f := range families {
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		found[name] = documented{Type: strings.ToLower(f.GetType().String()), Labels: slices.Sorted(maps.Keys(labels))}
	}
	return found
}

// samplesOf reads the values of a text page by their series as they stand there.
func samplesOf(body string) map[string]float64 {
	samples := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		at := strings.LastIndexByte(line, ' ')
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil && line[0] != '#' {
			samples[line[:at]] = value
		}
	}
	return samples
}

// all reads until the end.
func all[T any](t *testing.T, next func(*T) error) (values []*T) {
	t.Helper()
	for {
		v := new(T)
		switch err := next(v); {
		case errors.Is(err, io.EOF):
			return values
		case err != nil:
			t.Fatal(err)
		}
		values = append(values, v)
	}
}
