//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"testing"
)

// scrapes holds Prometheus's own pages to a scrape without fault.
func scrapes(t *testing.T, g guard) {
	t.Helper()
	var data struct {
		ActiveTargets []struct{ ScrapePool, Health, LastError string }
	}
	if err := g.prometheus.ask(t, "targets", nil, &data); err != nil {
		t.Fatal(err)
	}
	if targets := fmt.Sprint(data.ActiveTargets); targets != "[{magpipe up }]" {
		t.Errorf("targets %s", targets)
	}
	if found, err := g.prometheus.query(t, "min_over_time(up[10m]) == 1"); err != nil || len(found) != 1 {
		t.Errorf("not every scrape succeeded: %v %v", found, err)
	}
	if complaints := g.prometheus.Complaints(); len(complaints) > 0 {
		t.Errorf("Prometheus complains: %q", complaints)
	}
	if complaints := g.alertmanager.Complaints(); len(complaints) > 0 {
		t.Errorf("Alertmanager complains: %q", complaints)
	}
	for _, r := range g.prometheus.rules(t) {
		if r.Health != "ok" || r.LastError != "" {
			t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
	faultless(t, page(t, "http://"+g.prometheus.Address+"/metrics"))
	bothHistograms(t, g)
}

// faultless wants every counter of faults that Prometheus has to be 0.
func faultless(t *testing.T, metrics string) {
	t.Helper()
	counter := regexp.MustCompile(`(?m)^(prometheus_(?:target_scrape\w*(?:sample_\w+|exceeded\w*|failed\w*)|` +
		`tsdb_out_of_\w+|tsdb_too_old\w+|rule_evaluation_failures|notifications_(?:dropped|errors))_total)(?:\{[^}]*\})? (\S+)$`)
	var names []string
	for _, m := range counter.FindAllStringSubmatch(metrics, -1) {
		names = append(names, m[1])
		if m[2] != "0" {
			t.Errorf("%s", m[0])
		}
	}
	for _, name := range []string{
		"prometheus_target_scrapes_sample_duplicate_timestamp_total", "prometheus_target_scrapes_sample_out_of_order_total",
		"prometheus_target_scrapes_sample_out_of_bounds_total", "prometheus_target_scrapes_exceeded_sample_limit_total",
		"prometheus_target_scrapes_exceeded_body_size_limit_total", "prometheus_tsdb_out_of_order_samples_total",
		"prometheus_rule_evaluation_failures_total", "prometheus_notifications_dropped_total",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("Prometheus does not count %s", name)
		}
	}
}

func bothHistograms(t *testing.T, g guard) {
	t.Helper()
	native, err := g.prometheus.query(t, `magpipe_call_duration_seconds`)
	if err != nil || len(native) != 5 || slices.ContainsFunc(native, func(s series) bool { return s.Histogram == nil }) {
		t.Errorf("native histograms, one for each outcome: %v %v", native, err)
	}
	classic, err := g.prometheus.query(t, `magpipe_call_duration_seconds_bucket{le=~"5|5[.]0"}`)
	if err != nil || len(classic) != 5 || slices.ContainsFunc(classic, func(s series) bool { return s.Value == nil }) {
		t.Errorf("classic histograms, one for each outcome: %v %v", classic, err)
	}
}

func page(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
