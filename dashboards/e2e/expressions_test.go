//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// neverInTheDemo are expressions that the demo gives nothing to, and why. One that has a result does not belong here.
var neverInTheDemo = map[string]string{
	"Magpipe / Exporter health: Budget B": "the simulated API sends no X-RateLimit headers",
	"Magpipe / Exporter health: Budget C": "the simulated API sends no X-RateLimit headers",

	"Magpipe / Campaign overview: Running campaigns M":                                        promptlyRead,
	"Magpipe / Exporter health: Outdated batches A":                                           promptlyRead,
	"Magpipe / Exporter health: Outdated batches B":                                           promptlyRead,
	"Magpipe / Exporter health: Outdated batches C":                                           promptlyRead,
	"batch_id:magpipe_batch_waiting_since:timestamp_seconds":                                  promptlyRead,
	`MagpipeDetailsStale {__name__="batch_id:magpipe_batch_waiting_since:timestamp_seconds"}`: promptlyRead,
}

const promptlyRead = "the demo has the budget to read in each refresh whatever has changed"

// expression is one query of a panel, a variable or a rule.
type expression struct {
	at, text       string
	instant, alert bool
}

// panelsOf reads what the provisioned dashboards ask.
func panelsOf(t *testing.T, g guard) []expression {
	t.Helper()
	paths, err := filepath.Glob("../grafana/provisioning/dashboards/magpipe/*.json")
	if err != nil || len(paths) < 3 {
		t.Fatalf("%v %v", paths, err)
	}
	var all []expression
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Title      string
			Templating struct{ List []variable }
			Panels     []struct {
				Title   string
				Targets []struct {
					RefID, Expr string
					Instant     bool
				}
			}
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		fill := strings.NewReplacer(variables(t, g, d.Templating.List)...)
		for _, v := range d.Templating.List {
			if text := v.asks(); text != "" {
				all = append(all, expression{at: d.Title + ": variable " + v.Name, text: fill.Replace(text), instant: true})
			}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all = append(all, expression{
					at: d.Title + ": " + p.Title + " " + q.RefID, text: fill.Replace(q.Expr), instant: q.Instant,
				})
			}
		}
	}
	return all
}

func rulesOf(t *testing.T, g guard) []expression {
	t.Helper()
	var all []expression
	for _, r := range g.prometheus.rules(t) {
		all = append(all, expression{at: r.Name, text: r.Query, instant: true, alert: r.Type == "alerting"})
	}
	return all
}

// evaluate asks Prometheus every expression. One with a fallback, such as `or vector(0)`, has to have a result without
// it. Of an alert, which is silent when all is well, each selector has to have one.
func evaluate(t *testing.T, g guard) {
	t.Helper()
	fallback := regexp.MustCompile(` or (?:on \(\) )?(?:vector\(\d+\)(?: / 0)?|label_replace\(vector\(0\), "\w+", "[^"]*", "", ""\))$`)
	batches := g.batches(t)
	panels, rules := panelsOf(t, g), rulesOf(t, g)
	if len(panels) < 60 || len(rules) < 50 {
		t.Errorf("%d expressions of panels and %d of rules: were they read?", len(panels), len(rules))
	}
	t.Logf("%d expressions of panels and variables, %d of rules", len(panels), len(rules))
	seen := map[string]bool{}
	for queue := slices.Concat(panels, rules); len(queue) > 0; queue = queue[1:] {
		e := queue[0]
		seen[e.at] = true
		e.text = fallback.ReplaceAllString(strings.TrimSpace(e.text), "")
		switch n := g.results(t, e, batches); {
		case n == 0 && e.alert:
			for _, selector := range g.prometheus.selectors(t, e.text) {
				if strings.Contains(selector, `__name__="ALERTS"`) {
					continue // it tells that the alert itself fires
				}
				queue = append(queue, expression{at: e.at + " " + selector, text: "last_over_time(" + selector + "[15m])", instant: true})
			}
		case n > 0 && neverInTheDemo[e.at] != "":
			t.Errorf("%s returns %d series: why is it in the table?", e.at, n)
		case n == 0 && neverInTheDemo[e.at] == "":
			t.Errorf("%s returns nothing: %s", e.at, e.text)
		}
	}
	for at := range neverInTheDemo {
		if !seen[at] {
			t.Errorf("the table has %q, which is no expression", at)
		}
	}
}

// batches are the ids of what the exporter tracks.
func (g guard) batches(t *testing.T) []string {
	t.Helper()
	found, err := g.prometheus.query(t, `group by (batch_id) (magpipe_batch_info)`)
	if err != nil || len(found) < 10 {
		t.Fatalf("%d batches %v", len(found), err)
	}
	var ids []string
	for _, s := range found {
		ids = append(ids, s.Metric["batch_id"])
	}
	return ids
}

// results counts the series that an expression returns, with every batch where it is about one.
func (g guard) results(t *testing.T, e expression, batches []string) (n int) {
	t.Helper()
	if !strings.Contains(e.text, "$batch") {
		batches = batches[:1]
	}
	for _, batch := range batches {
		text := strings.ReplaceAll(e.text, "$batch", batch)
		if unfilled := regexp.MustCompile(`\$\{?[a-zA-Z_]\w*`).FindString(text); unfilled != "" {
			t.Fatalf("%s: no value for %s", e.at, unfilled)
		}
		ask := g.prometheus.queryRange
		if e.instant {
			ask = g.prometheus.query
		}
		found, err := ask(t, text)
		if err != nil {
			t.Errorf("%s: %v", e.at, err)
			return 1
		}
		n += len(found)
	}
	return n
}
