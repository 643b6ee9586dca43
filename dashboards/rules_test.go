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

// rule records a series or raises an alert, as in Prometheus's rule files.
type rule struct {
	Record, Alert, Expr, For string
	KeepFiringFor            string `yaml:"keep_firing_for"`
	Labels, Annotations      map[string]string
}

type group struct {
	Name, Interval string
	Rules          []rule
}

func readGroups(t *testing.T) []group {
	t.Helper()
	var all []group
	for _, path := range files(t, "rules/*.yml") {
		var file struct{ Groups []group }
		decode(t, path, &file)
		all = append(all, file.Groups...)
	}
	return all
}

// readRules reads the recording rules and the alerts of all groups.
func readRules(t *testing.T) (records, alerts []rule) {
	t.Helper()
	for _, g := range readGroups(t) {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			} else {
				records = append(records, r)
			}
		}
	}
	return records, alerts
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < 3 {
		t.Fatalf("%s: found %v, %v", pattern, paths, err)
	}
	return paths
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(read(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// recorded are the metrics and what the rules make of them. A recorded series has the labels that its rule sets and groups
// by; if it does not group, those of what it is made from. Prometheus itself tells in ALERTS which alerts there are.
func recorded(t *testing.T) known {
	t.Helper()
	series := exposed(t)
	by := regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
	set := regexp.MustCompile(`"(\w+)", "[^"]+", "\w*", "[^"]*"\s*\)`)
	records, alerts := readRules(t)
	for _, a := range alerts {
		series["ALERTS"] = append(series["ALERTS"], slices.Collect(maps.Keys(a.Labels))...)
	}
	series["ALERTS"] = append(series["ALERTS"], "alertname", "alertstate")
	for _, r := range records {
		labels := slices.Collect(maps.Keys(r.Labels))
		grouped := by.FindAllStringSubmatch(r.Expr, -1)
		for _, m := range grouped {
			labels = append(labels, regexp.MustCompile(`\w+`).FindAllString(m[1], -1)...)
		}
		for _, m := range set.FindAllStringSubmatch(r.Expr, -1) {
			labels = append(labels, m[1])
		}
		if len(grouped) == 0 {
			for _, s := range parse(r.Expr).selectors {
				labels = append(labels, series[s.name]...)
			}
		}
		series[r.Record] = append(labels, series[r.Record]...)
	}
	return series
}

func TestRulesUseWhatExists(t *testing.T) {
	t.Parallel()
	series := recorded(t)
	labels := series.labels()
	labelled := regexp.MustCompile(`\$labels\.(\w+)`)
	records, alerts := readRules(t)
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

func TestEveryThresholdIsUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	records, alerts := readRules(t)
	for _, r := range slices.Concat(records, alerts) {
		for _, s := range parse(r.Expr).selectors {
			used[s.name] = true
		}
	}
	for _, r := range records {
		if strings.HasPrefix(r.Record, "magpipe:threshold_") && !used[r.Record] {
			t.Errorf("no rule compares with %s", r.Record)
		}
	}
}

const runbookPath = "runbooks/README.md"

// runbooks are the sections of the runbook, by the alert that they are named after.
func runbooks(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	for _, part := range strings.Split(read(t, runbookPath), "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	return sections
}

func TestEveryAlertHasASeverityAndARunbook(t *testing.T) {
	t.Parallel()
	sections := runbooks(t)
	_, alerts := readRules(t)
	for _, a := range alerts {
		if severity := a.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, severity) {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
		if summary := a.Annotations["summary"]; summary == "" || strings.Contains(summary, "{{") || a.Annotations["description"] == "" {
			t.Errorf("%s: no description, or the summary %q is not the same for all of its alerts", a.Alert, summary)
		}
		// The path stands alone if the external label is not set.
		want := `{{ with $externalLabels.magpipe_repository }}{{ . }}/{{ end }}dashboards/` + runbookPath + "#" + strings.ToLower(a.Alert)
		if url := a.Annotations["runbook_url"]; url != want {
			t.Errorf("%s: runbook_url is %q, want %q", a.Alert, url, want)
		}
		for _, part := range []string{"**Meaning.**", "**Check.**", "**Do.**"} {
			if !strings.Contains(sections[a.Alert], "\n"+part) {
				t.Errorf("%s: the runbook has no %s", a.Alert, part)
			}
		}
		delete(sections, a.Alert)
	}
	for name := range sections {
		t.Errorf("%s: a runbook of no alert", name)
	}
}

func TestRunbooksNameWhatExists(t *testing.T) {
	t.Parallel()
	series, sections := recorded(t), runbooks(t)
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(read(t, runbookPath), "")
	query := regexp.MustCompile(`\bmagpipe[_:]|\w\{`)
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		if !query.MatchString(m[1]) {
			continue
		}
		for _, wrong := range series.check(m[1]) {
			t.Errorf("`%s`: %s", m[1], wrong)
		}
	}
	for _, name := range regexp.MustCompile(`\bMagpipe[A-Z]\w*`).FindAllString(text, -1) {
		if sections[name] == "" {
			t.Errorf("%s: no such alert", name)
		}
	}
}

func TestQueriesOfTheGuideUseWhatExists(t *testing.T) {
	t.Parallel()
	series := recorded(t)
	queries := regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(queries) == 0 {
		t.Error("there are no queries")
	}
	for _, m := range queries {
		for _, wrong := range series.check(m[1]) {
			t.Errorf("%s: %s", m[1], wrong)
		}
	}
}
