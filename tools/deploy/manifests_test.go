package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = root + "/deploy/kubernetes"

// render does what kubectl apply -k does before it sends anything, with kustomize's default restrictions.
func render(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, r := range all.Resources() {
		raw, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		found[r.GetKind()+"/"+r.GetName()] = raw
	}
	return found
}

// strict decodes like an API server with strict field validation.
func strict[T any](t *testing.T, raw []byte) *T {
	t.Helper()
	if raw == nil {
		t.Fatal("the object is missing")
	}
	object := new(T)
	if err := yaml.UnmarshalStrict(raw, object); err != nil {
		t.Fatalf("%v in:\n%s", err, raw)
	}
	return object
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEachManifestIsWhatTheAPIKnows(t *testing.T) {
	for _, dir := range []string{manifests, manifests + "/second-account"} {
		for name, raw := range render(t, dir) {
			var object meta.ObjectMeta
			switch kind, _, _ := strings.Cut(name, "/"); kind {
			case "Namespace":
				continue
			case "Deployment":
				object = strict[apps.Deployment](t, raw).ObjectMeta
			case "Service":
				object = strict[core.Service](t, raw).ObjectMeta
			case "ConfigMap":
				object = strict[core.ConfigMap](t, raw).ObjectMeta
			case "ServiceMonitor":
				object = strict[operator.ServiceMonitor](t, raw).ObjectMeta
			case "PrometheusRule":
				object = strict[operator.PrometheusRule](t, raw).ObjectMeta
			default:
				t.Errorf("nothing here checks %s", name)
			}
			if object.Namespace != "magpipe" {
				t.Errorf("%s is in the namespace %q", name, object.Namespace)
			}
		}
	}
	namespace := strict[core.Namespace](t, render(t, manifests)["Namespace/magpipe"])
	if namespace.Labels[api.EnforceLevelLabel] != string(api.LevelRestricted) {
		t.Error("the namespace does not enforce the restricted policy")
	}
}

func TestThePodIsAllowedWhereTheRestrictedPolicyIsEnforced(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	deployment := strict[apps.Deployment](t, render(t, manifests)["Deployment/magpipe-exporter"])
	template := deployment.Spec.Template
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
	if !result.Allowed {
		t.Error(result.ForbiddenDetail())
	}
	if only := template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem; only == nil || !*only {
		t.Error("the root can be written")
	}
	if deployment.Spec.Strategy.Type != apps.RecreateDeploymentStrategyType || *deployment.Spec.Replicas != 1 {
		t.Error("two exporters can run at a time, and would spend the budget twice")
	}
}

func TestTheKeyIsWhereTheExporterIsToldToLookForIt(t *testing.T) {
	secret := strict[core.Secret](t, read(t, manifests+"/secret.example.yaml"))
	pod := strict[apps.Deployment](t, render(t, manifests)["Deployment/magpipe-exporter"]).Spec.Template.Spec
	if pod.Volumes[0].Secret.SecretName != secret.Name || pod.Containers[0].VolumeMounts[0].Name != pod.Volumes[0].Name {
		t.Errorf("it mounts the secret %s, want %s", pod.Volumes[0].Secret.SecretName, secret.Name)
	}
	file := strings.TrimPrefix(pod.Containers[0].Args[0], "--api.key-file="+pod.Containers[0].VolumeMounts[0].MountPath+"/")
	if _, ok := secret.StringData[file]; !ok {
		t.Errorf("the secret has no %q", file)
	}
}

// The Service of each account selects only its own exporter by a named port. The single ServiceMonitor selects them all.
func TestEachAccountHasAJobOfItsOwn(t *testing.T) {
	first, second := render(t, manifests), render(t, manifests+"/second-account")
	monitor := strict[operator.ServiceMonitor](t, first["ServiceMonitor/magpipe-exporter"])
	monitored, err := meta.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	services := []*core.Service{
		strict[core.Service](t, first["Service/magpipe-exporter"]),
		strict[core.Service](t, second["Service/magpipe-exporter-north"]),
	}
	deployments := []*apps.Deployment{
		strict[apps.Deployment](t, first["Deployment/magpipe-exporter"]),
		strict[apps.Deployment](t, second["Deployment/magpipe-exporter-north"]),
	}
	for i, service := range services {
		if !strings.HasPrefix(service.Name, "magpipe") || !monitored.Matches(labels.Set(service.Labels)) {
			t.Errorf("the job %s is not scraped under a name that the alerts look for", service.Name)
		}
		for j, deployment := range deployments {
			pod := labels.Set(deployment.Spec.Template.Labels)
			if labels.SelectorFromSet(service.Spec.Selector).Matches(pod) != (i == j) {
				t.Errorf("%s and the pods of %s: selected is %t", service.Name, deployment.Name, i != j)
			}
		}
		if port := deployments[i].Spec.Template.Spec.Containers[0].Ports[0]; service.Spec.Ports[0].TargetPort.StrVal != port.Name ||
			monitor.Spec.Endpoints[0].Port != service.Spec.Ports[0].Name || port.ContainerPort != 10240 {
			t.Errorf("the ports of %s do not lead to the exporter", service.Name)
		}
	}
	key := deployments[1].Spec.Template.Spec.Volumes[0].Secret.SecretName
	if command := "create secret generic " + key + " --from-file=api-key="; key != "magpipe-exporter-north" ||
		!strings.Contains(string(read(t, manifests+"/second-account/kustomization.yaml")), command) {
		t.Errorf("the second account has the key %s, and its kustomization does not say how to make it", key)
	}
}

func TestEachDashboardIsInAConfigMap(t *testing.T) {
	maps := render(t, manifests)
	paths, err := filepath.Glob(root + "/dashboards/grafana/provisioning/dashboards/magpipe/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range paths {
		file := filepath.Base(path)
		config := strict[core.ConfigMap](t, maps["ConfigMap/magpipe-"+strings.TrimPrefix(strings.TrimSuffix(file, ".json"), "magpipe-")])
		if config.Labels["grafana_dashboard"] != "1" || config.Data[file] != string(read(t, path)) {
			t.Errorf("%s is not the dashboard %s, labelled for the sidecar", config.Name, file)
		}
	}
}
