package dashboards_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// rule records a series or raises an alert, as Prometheus's rule files have it.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

type group struct {
	Name, Interval string
	Rules          []rule
}

// groups reads the rule files.
func groups(t *testing.T) []group {
	t.Helper()
	var all []group
	for _, path := range files(t, "rules/*.yml") {
		var file struct{ Groups []group }
		decode(t, path, &file)
		all = append(all, file.Groups...)
	}
	return all
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no files, %v", pattern, err)
	}
	return paths
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// rulesOf are the recording rules and the alerts of all groups.
func rulesOf(t *testing.T) (records, alerts []rule) {
	t.Helper()
	for _, g := range groups(t) {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			} else {
				records = append(records, r)
			}
		}
	}
	if len(records) < 40 || len(alerts) < 18 {
		t.Fatalf("%d recording rules and %d alerts: were they read?", len(records), len(alerts))
	}
	return records, alerts
}

// recorded are the metrics and what the rules make of them. A recorded series has the labels that its rule sets and groups
// by; where it does not group, those of what it is made from.
func recorded(t *testing.T) known {
	t.Helper()
	series := exposed(t)
	by := regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
	records, _ := rulesOf(t)
	for _, r := range records {
		labels := slices.Collect(maps.Keys(r.Labels))
		grouped := by.FindAllStringSubmatch(r.Expr, -1)
		for _, m := range grouped {
			labels = append(labels, regexp.MustCompile(`\w+`).FindAllString(m[1], -1)...)
		}
		if len(grouped) == 0 {
			for _, s := range ask(r.Expr).selectors {
				labels = append(labels, series[s.name]...)
			}
		}
		series[r.Record] = append(labels, series[r.Record]...)
	}
	return series
}

func TestRulesUseWhatThereIs(t *testing.T) {
	t.Parallel()
	series := recorded(t)
	labels := series.labels()
	labelled := regexp.MustCompile(`\$labels\.(\w+)`)
	records, alerts := rulesOf(t)
	for _, r := range slices.Concat(records, alerts) {
		for _, wrong := range series.check(r.Expr) {
			t.Errorf("%s%s: %s", r.Record, r.Alert, wrong)
		}
		for _, text := range r.Annotations {
			for _, m := range labelled.FindAllStringSubmatch(text, -1) {
				if !labels[m[1]] {
					t.Errorf("%s: no metric has a label %s", r.Alert, m[1])
				}
			}
		}
	}
}

func TestRecordedSeriesHaveTheLabelsOfTheirRules(t *testing.T) {
	t.Parallel()
	series := recorded(t)
	for expr, want := range map[string]string{
		`batch_id:magpipe_batch_info:newest15m{nam="x"}`:                     "batch_id:magpipe_batch_info:newest15m has no label nam",
		`batch_id:magpipe_batch_estimated_end:timestamp_seconds{status="x"}`: "batch_id:magpipe_batch_estimated_end:timestamp_seconds has no label status",
		`batch_id_status:magpipe_batch_recipients:gain1m{status="x"}`:        "",
		`job:magpipe_calls_failures:ratio15m{batch_id="x"}`:                  "job:magpipe_calls_failures:ratio15m has no label batch_id",
		`magpipe:threshold_series_silent_seconds{recurrence="hourly"}`:       "",
		`magpipe:threshold_overdue_seconds{recurrence="hourly"}`:             "magpipe:threshold_overdue_seconds has no label recurrence",
	} {
		if got := strings.Join(series.check(expr), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func TestEveryThresholdIsOfSomeRule(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	records, alerts := rulesOf(t)
	for _, r := range slices.Concat(records, alerts) {
		for _, s := range ask(r.Expr).selectors {
			used[s.name] = true
		}
	}
	for _, r := range records {
		if strings.HasPrefix(r.Record, "magpipe:threshold_") && !used[r.Record] {
			t.Errorf("no rule compares with %s", r.Record)
		}
	}
}
