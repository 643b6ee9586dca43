package dashboards_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ruleTests is a file of promtool's unit tests.
type ruleTests struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	GroupEvalOrder     []string `yaml:"group_eval_order"`
	Tests              []ruleTest
}

type ruleTest struct {
	Name, Interval string
	ExternalLabels map[string]string `yaml:"external_labels"`
	InputSeries    []struct {
		Series, Values string
	} `yaml:"input_series"`
	AlertRuleTest []struct {
		EvalTime  string `yaml:"eval_time"`
		Alertname string
		ExpAlerts []struct {
			ExpLabels      map[string]string `yaml:"exp_labels"`
			ExpAnnotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	PromqlExprTest []struct {
		Expr       string
		EvalTime   string `yaml:"eval_time"`
		ExpSamples []struct {
			Labels string
			Value  float64
		} `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

// tests reads the unit tests of the rules, by their file.
func tests(t *testing.T) map[string]ruleTests {
	t.Helper()
	found := map[string]ruleTests{}
	for _, path := range files(t, "rules/tests/*.yml") {
		var file ruleTests
		decode(t, path, &file)
		found[filepath.Base(path)] = file
	}
	return found
}

func TestEveryAlertFiresInOneUnitTestAndIsSilentInAnother(t *testing.T) {
	t.Parallel()
	fires, silent := map[string]int{}, map[string]int{}
	for _, file := range tests(t) {
		for _, test := range file.Tests {
			fired := map[string]bool{}
			for _, look := range test.AlertRuleTest {
				fired[look.Alertname] = fired[look.Alertname] || len(look.ExpAlerts) > 0
			}
			for name, yes := range fired {
				if yes {
					fires[name]++
				} else {
					silent[name]++
				}
			}
		}
	}
	_, alerts := readRules(t)
	for _, a := range alerts {
		if fires[a.Alert] == 0 || silent[a.Alert] == 0 {
			t.Errorf("%s fires in %d unit tests and is silent in %d", a.Alert, fires[a.Alert], silent[a.Alert])
		}
		delete(fires, a.Alert)
		delete(silent, a.Alert)
	}
	for name := range fires {
		t.Errorf("%s: tested, and no alert", name)
	}
	for name := range silent {
		t.Errorf("%s: tested to be silent, and no alert", name)
	}
}

func TestUnitTestsOfRulesFeedWhatTheExporterExposes(t *testing.T) {
	t.Parallel()
	metrics, series := exposed(t), recorded(t)
	for path, file := range tests(t) {
		for _, test := range file.Tests {
			for _, query := range test.PromqlExprTest {
				for _, wrong := range series.check(query.Expr) {
					t.Errorf("%s: %s: %s", path, test.Name, wrong)
				}
			}
			for _, input := range test.InputSeries {
				for _, wrong := range metrics.check(input.Series) {
					t.Errorf("%s: %s: %s", path, test.Name, wrong)
				}
				for _, s := range parse(input.Series).selectors {
					for _, label := range append([]string{"job"}, metrics[s.name]...) {
						if !slices.Contains(s.labels, label) {
							t.Errorf("%s: %s: %s lacks its label %s", path, test.Name, input.Series, label)
						}
					}
				}
			}
		}
	}
}

func TestUnitTestsOfRulesEvaluateEveryGroup(t *testing.T) {
	t.Parallel()
	var names []string
	for _, g := range readGroups(t) {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	for path, file := range tests(t) {
		if path == "thresholds.yml" { // its point is that a file is missing
			continue
		}
		if diff := cmp.Diff(names, slices.Sorted(slices.Values(file.GroupEvalOrder))); diff != "" {
			t.Errorf("%s: groups (-of the rules +evaluated):\n%s", path, diff)
		}
	}
}
