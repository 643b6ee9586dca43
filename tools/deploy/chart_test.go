package deploy_test

import (
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	names "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func TestTheChartPassesLint(t *testing.T) {
	for _, example := range examples() {
		if out, err := helm(t, "lint", "--strict", chart, values(example)); err != nil {
			t.Errorf("%s: %v%s", example, err, out)
		}
	}
}

// metadata decodes an object strictly as the type of its kind.
func metadata(t *testing.T, kind string, raw []byte) meta.ObjectMeta {
	t.Helper()
	switch kind {
	case "ConfigMap":
		return strict[core.ConfigMap](t, raw).ObjectMeta
	case "Deployment":
		return strict[apps.Deployment](t, raw).ObjectMeta
	case "NetworkPolicy":
		return strict[network.NetworkPolicy](t, raw).ObjectMeta
	case "PersistentVolumeClaim":
		return strict[core.PersistentVolumeClaim](t, raw).ObjectMeta
	case "PrometheusRule":
		return strict[operator.PrometheusRule](t, raw).ObjectMeta
	case "Secret":
		return strict[core.Secret](t, raw).ObjectMeta
	case "Service":
		return strict[core.Service](t, raw).ObjectMeta
	case "ServiceAccount":
		return strict[core.ServiceAccount](t, raw).ObjectMeta
	case "ServiceMonitor":
		return strict[operator.ServiceMonitor](t, raw).ObjectMeta
	}
	t.Fatalf("nothing here checks a %s", kind)
	return meta.ObjectMeta{}
}

func TestEachObjectIsWhatTheAPIKnows(t *testing.T) {
	seen := map[string]bool{}
	for _, example := range examples() {
		for name, raw := range template(t, values(example)) {
			kind, _, _ := strings.Cut(name, "/")
			seen[kind] = true
			object := metadata(t, kind, raw)
			// The example puts what Prometheus and Grafana select into their namespace.
			want := "magpipe"
			if example == "everything" && slices.Contains([]string{"ConfigMap", "PrometheusRule", "ServiceMonitor"}, kind) {
				want = "monitoring"
			}
			if object.Namespace != want {
				t.Errorf("%s: %s is in the namespace %q, want %q", example, name, object.Namespace, want)
			}
			if example == "everything" && object.Labels["team"] != "telephony" {
				t.Errorf("%s lacks the common label", name)
			}
		}
	}
	templates, err := filepath.Glob(chart + "/templates/*.yaml")
	if err != nil || len(templates) != len(seen) {
		t.Errorf("the examples use %d of %d templates: %v", len(seen), len(templates), err)
	}
}

func TestEachPodIsAllowedWhereTheRestrictedPolicyIsEnforced(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, example := range examples() {
		for _, deployment := range each[apps.Deployment](t, template(t, values(example)), "Deployment") {
			pod := deployment.Spec.Template
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				t.Errorf("%s: %s", deployment.Name, result.ForbiddenDetail())
			}
			if only := pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem; only == nil || !*only {
				t.Errorf("%s: the root can be written", deployment.Name)
			}
			if token := pod.Spec.AutomountServiceAccountToken; token == nil || *token {
				t.Errorf("%s: the pod gets a token", deployment.Name)
			}
			if deployment.Spec.Strategy.Type != apps.RecreateDeploymentStrategyType || *deployment.Spec.Replicas != 1 {
				t.Errorf("%s: two exporters can run at a time, and would spend the budget twice", deployment.Name)
			}
		}
	}
}

// fileOf returns the volume that holds the file that a flag names, and the name of the file there.
func fileOf(t *testing.T, pod core.PodSpec, flag string) (core.VolumeSource, string) {
	t.Helper()
	for _, arg := range pod.Containers[0].Args {
		file, ok := strings.CutPrefix(arg, flag+"=")
		for _, mount := range pod.Containers[0].VolumeMounts {
			for _, volume := range pod.Volumes {
				if ok && mount.Name == volume.Name && mount.MountPath == path.Dir(file) {
					return volume.VolumeSource, path.Base(file)
				}
			}
		}
	}
	t.Fatalf("%s names no file in a volume: %q", flag, pod.Containers[0].Args)
	return core.VolumeSource{}, ""
}

func TestTheKeyIsMountedWhereTheExporterIsToldToLookForIt(t *testing.T) {
	pod := func(deployment []byte) core.PodSpec { return strict[apps.Deployment](t, deployment).Spec.Template.Spec }
	type place struct{ secret, key string }
	mounted := func(pod core.PodSpec) place {
		volume, file := fileOf(t, pod, "--api.key-file")
		for _, item := range volume.Secret.Items {
			if item.Path == file {
				return place{volume.Secret.SecretName, item.Key}
			}
		}
		return place{}
	}
	accounts := template(t, values("accounts"))
	everything := template(t, values("everything"))
	for _, c := range []struct {
		deployment []byte
		want       place
	}{
		{template(t, values("minimal"))["Deployment/magpipe-exporter"], place{"magpipe", "MAGPIPE_API_KEY"}},
		{accounts["Deployment/magpipe-exporter-north"], place{"magpipe", "north"}},
		{accounts["Deployment/magpipe-exporter-south"], place{"magpipe", "south"}},
		{accounts["Deployment/magpipe-exporter-trial"], place{"trial", "MAGPIPE_API_KEY"}},
		{everything["Deployment/magpipe"], place{"magpipe", "key"}},
	} {
		if got := mounted(pod(c.deployment)); got != c.want {
			t.Errorf("the key is %v, want %v", got, c.want)
		}
	}
	secret := strict[core.Secret](t, everything["Secret/magpipe"])
	if key := string(secret.Data["key"]); key != "mgp_"+strings.Repeat("0", 40) {
		t.Errorf("the Secret that the chart creates has the key %q", key)
	}
	demo := template(t, "--set=image.repository=x", "--set=demo=true")
	if args := pod(demo["Deployment/magpipe-exporter"]).Containers[0].Args; !slices.Equal(args, []string{"--demo", "--state.file=/var/lib/magpipe/state"}) || len(demo) != 3 {
		t.Errorf("the demo has the flags %q and %d objects", args, len(demo))
	}
}

func TestTheStateIsOnAVolumeThatOnlyItsExporterWrites(t *testing.T) {
	accounts := template(t, values("accounts"))
	for _, name := range []string{"magpipe-exporter-north", "magpipe-exporter-south"} {
		pod := strict[apps.Deployment](t, accounts["Deployment/"+name]).Spec.Template.Spec
		volume, _ := fileOf(t, pod, "--state.file")
		if claim := volume.PersistentVolumeClaim; claim == nil || claim.ClaimName != name || claim.ReadOnly {
			t.Errorf("the state of %s is on %+v", name, volume)
		}
		// Without root, the group makes the volume writable.
		if group := pod.SecurityContext.FSGroup; group == nil || *group != *pod.SecurityContext.RunAsGroup {
			t.Errorf("the volume of %s does not belong to the group of the process", name)
		}
	}
	for name, size := range map[string]string{"magpipe-exporter-north": "100Mi", "magpipe-exporter-south": "2Gi"} {
		claim := strict[core.PersistentVolumeClaim](t, accounts["PersistentVolumeClaim/"+name]).Spec
		if claim.Resources.Requests.Storage().String() != size || claim.StorageClassName != nil {
			t.Errorf("the claim of %s is %+v", name, claim)
		}
	}
	trial := strict[apps.Deployment](t, accounts["Deployment/magpipe-exporter-trial"]).Spec.Template.Spec
	if accounts["PersistentVolumeClaim/magpipe-exporter-trial"] != nil || len(trial.Volumes) != 1 {
		t.Errorf("the account that turns persistence off has the volumes %v", trial.Volumes)
	}

	own := template(t, values("minimal"), "--set=persistence.enabled=true", "--set=persistence.existingClaim=mine")
	volume, _ := fileOf(t, strict[apps.Deployment](t, own["Deployment/magpipe-exporter"]).Spec.Template.Spec, "--state.file")
	if volume.PersistentVolumeClaim.ClaimName != "mine" || own["PersistentVolumeClaim/magpipe-exporter"] != nil {
		t.Errorf("with a claim that exists, the state is on %+v", volume)
	}
	none := template(t, values("minimal"), "--set=persistence.enabled=true", "--set=persistence.storageClassName=-")
	if class := strict[core.PersistentVolumeClaim](t, none["PersistentVolumeClaim/magpipe-exporter"]).Spec.StorageClassName; class == nil || *class != "" {
		t.Error(`a storage class of "-" does not mean none`)
	}
}

// The Service of each account selects only its own exporter by a named port. The single ServiceMonitor selects them all.
func TestEachAccountHasAJobOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		release string
		jobs    []string
	}{
		{"magpipe-exporter", []string{"magpipe-exporter-north", "magpipe-exporter-south", "magpipe-of-the-trial"}},
		{"prod", []string{"magpipe-of-the-trial", "magpipe-prod-north", "magpipe-prod-south"}},
	} {
		out, err := helm(t, "template", c.release, chart, values("accounts"))
		if err != nil {
			t.Fatal(err)
		}
		all := objects(t, out)
		deployments := each[apps.Deployment](t, all, "Deployment")
		monitor := each[operator.ServiceMonitor](t, all, "ServiceMonitor")[0].Spec
		monitored, err := meta.LabelSelectorAsSelector(&monitor.Selector)
		if err != nil {
			t.Fatal(err)
		}
		var jobs []string
		for _, service := range each[core.Service](t, all, "Service") {
			if !monitored.Matches(labels.Set(service.Labels)) || monitor.Endpoints[0].Port != service.Spec.Ports[0].Name {
				t.Errorf("%s is not scraped", service.Name)
			}
			jobs = append(jobs, service.Labels[monitor.JobLabel])
			for _, deployment := range deployments {
				pod := deployment.Spec.Template
				selected := labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels))
				if selected != (service.Name == deployment.Name) {
					t.Errorf("%s and the pods of %s: selected is %t", service.Name, deployment.Name, selected)
				}
				if port := pod.Spec.Containers[0].Ports[0]; service.Spec.Ports[0].TargetPort.StrVal != port.Name {
					t.Errorf("the port of %s does not lead to the exporter", service.Name)
				}
			}
			if !service.Spec.PublishNotReadyAddresses {
				t.Errorf("%s hides an exporter that is not ready", service.Name)
			}
		}
		for _, deployment := range deployments {
			for _, other := range deployments {
				selector, err := meta.LabelSelectorAsSelector(deployment.Spec.Selector)
				if err != nil || selector.Matches(labels.Set(other.Spec.Template.Labels)) != (deployment == other) {
					t.Errorf("%s and the pods of %s: %v", deployment.Name, other.Name, err)
				}
			}
		}
		if slices.Sort(jobs); !slices.Equal(jobs, c.jobs) {
			t.Errorf("the jobs of %s are %q, want %q", c.release, jobs, c.jobs)
		}
	}
}

func TestNamesAndLabelsAreAllowedHoweverLongTheReleaseIsCalled(t *testing.T) {
	release, account := strings.Repeat("release-", 6)+"r-end", strings.Repeat("north-", 4)+"north1"
	if len(release) != 53 || len(account) != 30 {
		t.Fatalf("the names are %d and %d long", len(release), len(account))
	}
	out, err := helm(t, "template", release, chart, values("minimal"), "--set=serviceMonitor.enabled=true",
		"--set=persistence.enabled=true", "--set=accounts."+account+".job=", "--set=accounts.s.existingSecret=s")
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, out)
	if len(all) != 7 {
		t.Errorf("there are %d objects", len(all))
	}
	for name, raw := range all {
		kind, _, _ := strings.Cut(name, "/")
		object := metadata(t, kind, raw)
		if problems := names.IsDNS1035Label(object.Name); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if problems := validation.ValidateLabels(object.Labels, field.NewPath(name)); len(problems) > 0 {
			t.Error(problems)
		}
	}
}

// The chart, the Dockerfile and the exporter's defaults name the same program, user and port.
func TestTheChartRunsTheImageAsItIsBuilt(t *testing.T) {
	dockerfile := string(read(t, root+"/Dockerfile"))
	of := func(directive string) string {
		m := regexp.MustCompile(`(?m)^` + directive + ` (.+)$`).FindStringSubmatch(dockerfile)
		if m == nil {
			t.Fatalf("the Dockerfile has no %s", directive)
		}
		return m[1]
	}
	pod := strict[apps.Deployment](t, template(t, values("minimal"))["Deployment/magpipe-exporter"]).Spec.Template.Spec
	user, group := *pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup
	if got := strconv.FormatInt(user, 10) + ":" + strconv.FormatInt(group, 10); got != of("USER") {
		t.Errorf("it runs as %s, the image as %s", got, of("USER"))
	}
	if port := strconv.Itoa(int(pod.Containers[0].Ports[0].ContainerPort)); port != of("EXPOSE") {
		t.Errorf("its port is %s, that of the image %s", port, of("EXPOSE"))
	}
	if probe := pod.Containers[0].LivenessProbe.HTTPGet; probe.Path != "/-/healthy" || probe.Port.StrVal != "metrics" {
		t.Errorf("the liveness probe asks %+v", probe)
	}
	if probe := pod.Containers[0].ReadinessProbe.HTTPGet; probe.Path != "/-/ready" || probe.Port.StrVal != "metrics" {
		t.Errorf("the readiness probe asks %+v", probe)
	}
	secured := strict[apps.Deployment](t, template(t, values("everything"))["Deployment/magpipe"]).Spec.Template.Spec
	if volume, file := fileOf(t, secured, "--web.config.file"); volume.Secret.SecretName != "magpipe-web" || file != "web.yml" {
		t.Errorf("the web config is %s in %+v", file, volume)
	}
	for _, probe := range []*core.Probe{secured.Containers[0].LivenessProbe, secured.Containers[0].ReadinessProbe} {
		command := probe.Exec.Command
		if entrypoint := `["` + command[0] + `"]`; entrypoint != of("ENTRYPOINT") || command[1] != "--healthcheck" ||
			!slices.Contains(secured.Containers[0].Args, command[2]) || len(command) != 3 {
			t.Errorf("with a web config, the probe runs %q", command)
		}
	}
	own := template(t, values("everything"), "--set=livenessProbe.tcpSocket.port=metrics")
	if probe := strict[apps.Deployment](t, own["Deployment/magpipe"]).Spec.Template.Spec.Containers[0].LivenessProbe; probe.TCPSocket == nil || probe.Exec != nil {
		t.Errorf("the probe of the values does not replace that of the chart: %+v", probe)
	}
}

// --healthcheck reads the whole command line, and then finds no exporter: 1. A wrong command line is 2.
func TestTheExporterTakesTheFlagsOfTheChart(t *testing.T) {
	exporter := t.TempDir() + "/magpipe_exporter"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", exporter, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	code := func(args ...string) int {
		run := exec.CommandContext(t.Context(), exporter, append(args, "--healthcheck")...)
		_ = run.Run() // only the exit code counts
		return run.ProcessState.ExitCode()
	}
	if got := code("--no-such-flag"); got != 2 {
		t.Errorf("an unknown flag ends with %d", got)
	}
	for _, example := range []string{"minimal", "accounts", "everything"} {
		all := template(t, values(example))
		for _, deployment := range each[apps.Deployment](t, all, "Deployment") {
			args := deployment.Spec.Template.Spec.Containers[0].Args
			if got := code(append(args, "--web.listen-address=127.0.0.1:1")...); got != 1 {
				t.Errorf("%q ends with %d", args, got)
			}
		}
	}
}

func TestTheGarbageCollectorStaysBelowTheMemoryLimit(t *testing.T) {
	for limit, want := range map[string]string{
		"256Mi": "241591910", "1Gi": "966367641", "0.5Gi": "483183820", "300M": "270000000", "268435456": "241591910", "1e9": "", "null": "",
	} {
		pod := strict[apps.Deployment](t, template(t, values("minimal"), "--set=resources.limits.memory="+limit)["Deployment/magpipe-exporter"]).Spec.Template.Spec
		var got string
		for _, variable := range pod.Containers[0].Env {
			got += variable.Value
		}
		if got != want {
			t.Errorf("with a limit of %s, GOMEMLIMIT is %q, want %q", limit, got, want)
		}
	}
	own := template(t, values("minimal"), "--set=extraEnv[0].name=GOMEMLIMIT", "--set-string=extraEnv[0].value=100MiB")
	if env := strict[apps.Deployment](t, own["Deployment/magpipe-exporter"]).Spec.Template.Spec.Containers[0].Env; len(env) != 1 {
		t.Errorf("GOMEMLIMIT is set twice: %v", env)
	}
}

func TestTheNetworkPolicyLetsOnlyScrapesIn(t *testing.T) {
	everything := template(t, values("everything"))
	found := strict[network.NetworkPolicy](t, everything["NetworkPolicy/magpipe"]).Spec
	pod := strict[apps.Deployment](t, everything["Deployment/magpipe"]).Spec.Template
	selector, err := meta.LabelSelectorAsSelector(&found.PodSelector)
	if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
		t.Errorf("it does not select the pod: %v", err)
	}
	if len(found.Ingress) != 1 || len(found.Ingress[0].Ports) != 1 || len(found.Ingress[0].From) != 1 ||
		found.Ingress[0].Ports[0].Port.StrVal != pod.Spec.Containers[0].Ports[0].Name {
		t.Errorf("it lets in %+v", found.Ingress)
	}
	if len(found.Egress) != 2 || len(found.PolicyTypes) != 2 {
		t.Errorf("it is for %v, and lets out %+v", found.PolicyTypes, found.Egress)
	}
	open := template(t, values("minimal"), "--set=networkPolicy.enabled=true")
	found = strict[network.NetworkPolicy](t, open["NetworkPolicy/magpipe-exporter"]).Spec
	if found.Ingress[0].From != nil || len(found.PolicyTypes) != 1 || found.PolicyTypes[0] != network.PolicyTypeIngress {
		t.Errorf("by default it is for %v, and lets in %+v", found.PolicyTypes, found.Ingress)
	}
}
