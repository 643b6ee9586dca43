package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
)

const dashboards = root + "/dashboards/grafana/provisioning/dashboards/magpipe"

// The alert on short calls reads classic buckets, and a Prometheus that takes native histograms drops those by default.
func TestTheServiceMonitorAsksForClassicBuckets(t *testing.T) {
	monitor := each[operator.ServiceMonitor](t, template(t, values("accounts")), "ServiceMonitor")[0]
	if classic := monitor.Spec.ScrapeClassicHistograms; classic == nil || !*classic {
		t.Error("it does not ask for the classic buckets")
	}
	if endpoint := monitor.Spec.Endpoints[0]; endpoint.Interval != "15s" || endpoint.ScrapeTimeout != "10s" || endpoint.TLSConfig != nil {
		t.Errorf("the endpoint is %+v", endpoint)
	}
}

func TestTheOperatorFindsWhatIsInAnotherNamespace(t *testing.T) {
	everything := template(t, values("everything"))
	monitor := strict[operator.ServiceMonitor](t, everything["ServiceMonitor/magpipe"])
	if names := monitor.Spec.NamespaceSelector.MatchNames; len(names) != 1 || names[0] != "magpipe" {
		t.Errorf("the ServiceMonitor looks for Services in %v", names)
	}
	rule := strict[operator.PrometheusRule](t, everything["PrometheusRule/magpipe"])
	if monitor.Labels["release"] != "kube-prometheus-stack" || rule.Labels["release"] != "kube-prometheus-stack" {
		t.Errorf("the ServiceMonitor has the labels %v, the PrometheusRule %v", monitor.Labels, rule.Labels)
	}
}

// groups are the groups of all rule files.
func groups(t *testing.T) []operator.RuleGroup {
	t.Helper()
	paths, err := filepath.Glob(root + "/dashboards/rules/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	var found []operator.RuleGroup
	for _, path := range paths {
		found = append(found, strict[operator.PrometheusRuleSpec](t, read(t, path)).Groups...)
	}
	return found
}

func TestThePrometheusRuleHasTheGroupsOfTheRuleFiles(t *testing.T) {
	rule := each[operator.PrometheusRule](t, template(t, values("minimal"), "--set=prometheusRule.enabled=true"), "PrometheusRule")[0]
	if diff := cmp.Diff(groups(t), rule.Spec.Groups); diff != "" {
		t.Errorf("(-of the files +of the chart):\n%s", diff)
	}
}

func TestThresholdsOfTheValuesReplaceThoseOfTheRules(t *testing.T) {
	var changed []string
	rule := strict[operator.PrometheusRule](t, template(t, values("everything"))["PrometheusRule/magpipe"])
	for i, group := range groups(t) {
		for j, before := range group.Rules {
			after := rule.Spec.Groups[i].Rules[j]
			if !cmp.Equal(before, after) {
				changed = append(changed, after.Record+after.Labels["recurrence"]+" "+after.Expr.StrVal)
			}
		}
	}
	want := []string{"magpipe:threshold_campaign_failure_ratio vector(0.4)", "magpipe:threshold_series_silent_secondsmonthly vector(2700000)"}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestEachDashboardIsInAConfigMap(t *testing.T) {
	maps := template(t, values("minimal"), "--set=dashboards.enabled=true")
	paths, err := filepath.Glob(dashboards + "/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range paths {
		file := filepath.Base(path)
		config := strict[core.ConfigMap](t, maps["ConfigMap/magpipe-exporter-"+strings.TrimSuffix(file, ".json")])
		if config.Labels["grafana_dashboard"] != "1" || config.Annotations["grafana_folder"] != "Magpipe" {
			t.Errorf("%s is not labelled for the sidecar", config.Name)
		}
		if config.Data[file] != string(read(t, path)) {
			t.Errorf("%s is not the dashboard %s", config.Name, file)
		}
	}
}
