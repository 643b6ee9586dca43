package deploy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const ruleFile = manifests + "/prometheusrule.yaml"

// The alert on short calls reads classic buckets, and a Prometheus that takes native histograms drops those by default.
func TestClassicBucketsAreScrapedBesideNativeOnes(t *testing.T) {
	monitor := strict[operator.ServiceMonitor](t, render(t, manifests)["ServiceMonitor/magpipe-exporter"])
	if only := monitor.Spec.ScrapeClassicHistograms; only == nil || !*only {
		t.Error("the ServiceMonitor does not ask for the classic buckets")
	}
}

// The option in the comment at the end of the kustomization must work.
func TestTheOfferedLabelsAreOnWhatTheOperatorSelects(t *testing.T) {
	_, offer, _ := strings.Cut(string(read(t, manifests+"/kustomization.yaml")), "\n# labels:\n")
	overlay := t.TempDir()
	base, err := filepath.Abs(manifests)
	if err != nil {
		t.Fatal(err)
	}
	if base, err = filepath.Rel(overlay, base); err != nil {
		t.Fatal(err)
	}
	text := "resources: [" + base + "]\nlabels:\n" + strings.ReplaceAll("\n"+offer, "\n# ", "\n")
	if err := os.WriteFile(overlay+"/kustomization.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	labelled := render(t, overlay)
	monitor := strict[operator.ServiceMonitor](t, labelled["ServiceMonitor/magpipe-exporter"])
	rule := strict[operator.PrometheusRule](t, labelled["PrometheusRule/magpipe-exporter"])
	if monitor.Labels["release"] == "" || rule.Labels["release"] == "" {
		t.Errorf("the ServiceMonitor has the labels %v, the PrometheusRule %v", monitor.Labels, rule.Labels)
	}
}

// prometheusRule combines the rule files in one object.
func prometheusRule(t *testing.T) []byte {
	t.Helper()
	paths, err := filepath.Glob(root + "/dashboards/rules/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	rule := operator.PrometheusRule{
		TypeMeta:   meta.TypeMeta{APIVersion: operator.SchemeGroupVersion.String(), Kind: operator.PrometheusRuleKind},
		ObjectMeta: meta.ObjectMeta{Name: "magpipe-exporter"},
	}
	for _, path := range paths {
		rule.Spec.Groups = append(rule.Spec.Groups, strict[operator.PrometheusRuleSpec](t, read(t, path)).Groups...)
	}
	raw, err := yaml.Marshal(rule)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("# Made from dashboards/rules: make manifests\n"), raw...)
}

func TestThePrometheusRuleIsTheRuleFiles(t *testing.T) {
	want := prometheusRule(t)
	if *update {
		if err := os.WriteFile(ruleFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, ruleFile); !bytes.Equal(got, want) {
		t.Errorf("it is outdated, run make manifests (-is +should be):\n%s", cmp.Diff(string(got), string(want)))
	}
}
