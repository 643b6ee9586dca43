package deploy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite the table of values in the chart's README")

// schema is what of a JSON schema is looked at here.
type schema struct {
	Ref         string            `json:"$ref"`
	Properties  map[string]schema `json:"properties"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Definitions map[string]schema `json:"definitions"`
}

func chartSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal(read(t, chart+"/values.schema.json"), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// ofAccount returns what an account can set.
func (s schema) ofAccount(t *testing.T) map[string]schema {
	t.Helper()
	var account schema
	if err := json.Unmarshal(s.Properties["accounts"].Additional, &account); err != nil || len(account.Properties) == 0 {
		t.Fatalf("an account can set nothing: %v", err)
	}
	return account.Properties
}

// row is a value in values.yaml.
type row struct{ path, standard, meaning string }

// rows lists the values in the order of values.yaml. A map with a comment of its own is one value.
func rows(t *testing.T, values *yaml.Node, prefix string) []row {
	t.Helper()
	var found []row
	for i := 0; i < len(values.Content); i += 2 {
		name, value := values.Content[i], values.Content[i+1]
		if name.HeadComment == "" && value.Kind == yaml.MappingNode {
			found = append(found, rows(t, value, prefix+name.Value+".")...)
			continue
		}
		var decoded any
		if err := value.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		standard, err := json.Marshal(decoded)
		if err != nil {
			t.Fatal(err)
		}
		meaning := strings.ReplaceAll(strings.TrimPrefix(name.HeadComment, "# "), "\n# ", " ")
		if meaning == "" {
			t.Errorf("values.yaml does not describe %s", prefix+name.Value)
		}
		found = append(found, row{prefix + name.Value, string(standard), meaning})
	}
	return found
}

func chartValues(t *testing.T) []row {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(read(t, chart+"/values.yaml"), &document); err != nil {
		t.Fatal(err)
	}
	return rows(t, document.Content[0], "")
}

func TestTheTableOfTheChartsREADMEIsMadeFromItsValues(t *testing.T) {
	const heading = "| value | default | meaning |\n|---|---|---|\n"
	settable := chartSchema(t).ofAccount(t)
	var table strings.Builder
	table.WriteString(heading)
	for _, r := range chartValues(t) {
		mark := ""
		if name, _, _ := strings.Cut(r.path, "."); settable[name].Ref != "" {
			mark = " \\*"
		}
		fmt.Fprintf(&table, "| `%s`%s | `%s` | %s |\n", r.path, mark, r.standard, r.meaning)
	}
	text := string(read(t, chart+"/README.md"))
	before, rest, ok := strings.Cut(text, heading)
	if !ok {
		t.Fatal("the README has no table of values")
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	if after != "" {
		after = "\n" + after
	}
	want := before + table.String() + after
	if *update {
		if err := os.WriteFile(chart+"/README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		text = want
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("run make chart-readme (-want +got):\n%s", diff)
	}
}

// Helm refuses values that the schema does not know, so every default is in the schema already.
func TestEachValueOfTheSchemaHasADefault(t *testing.T) {
	s := chartSchema(t)
	described := chartValues(t)
	var check func(path string, of schema)
	check = func(path string, of schema) {
		if of.Ref != "" {
			of = s.Definitions[strings.TrimPrefix(of.Ref, "#/definitions/")]
		}
		if slices.ContainsFunc(described, func(r row) bool { return r.path == path }) {
			return
		}
		if len(of.Properties) == 0 {
			t.Errorf("values.yaml has no %s", path)
		}
		for name, property := range of.Properties {
			check(path+"."+name, property)
		}
	}
	for name, property := range s.Properties {
		if name != "global" { // Helm adds it.
			check(name, property)
		}
	}
	for name, property := range s.ofAccount(t) {
		if property.Ref == "" || property.Ref != s.Properties[name].Ref {
			t.Errorf("an account's %s is %q, that of all accounts %q", name, property.Ref, s.Properties[name].Ref)
		}
	}
}

func TestValuesThatCannotWorkAreRefused(t *testing.T) {
	for _, c := range []struct{ values, refusal string }{
		{"image.repository=", "image.repository is missing"},
		{"existingSecret=", "existingSecret is missing"},
		{"existingSecret=,accounts.north.existingSecret=n,accounts.south.job=", "accounts.south.existingSecret is missing"},
		{"apiKey=k", "existingSecret and apiKey are both set"},
		{"accounts.north.job=,accounts.south.job=", "accounts.north and accounts.south have the same key"},
		{"existingSecret=,accounts.north.apiKey=k,accounts.south.apiKey=k", "accounts.north and accounts.south have the same key"},
		{"accounts.north.existingSecret=n,accounts.south.existingSecret=s,job=magpipe", "accounts.north and accounts.south have the same job"},
		{
			"accounts.north.existingSecret=n,accounts.south.existingSecret=s,persistence.enabled=true,persistence.existingClaim=c",
			"accounts.north and accounts.south have the same claim",
		},
		{"accounts.true.existingSecret=n", "in quotes"},
		{"accounts.North.existingSecret=n", "invalid propertyName 'North'"},
		{"accounts.north.service.port=80", "additional properties 'service' not allowed"},
		{"persistance.enabled=true", "additional properties 'persistance' not allowed"},
		{"job=prod", "at '/job'"},
		{"extraArgs={log.level=debug}", "at '/extraArgs/0'"},
		{"extraArgs={--api.key-file=/key}", "extraArgs has --api.key-file, which the chart sets itself"},
		{"persistence.enabled=true,extraArgs={--state.file=/state}", "extraArgs has --state.file, which the chart sets itself"},
		{"serviceMonitor.enabled=true,serviceMonitor.interval=often", "at '/serviceMonitor/interval'"},
		{"prometheusRule.enabled=true,prometheusRule.thresholds.failures=1", "prometheusRule.thresholds.failures: there is no such threshold"},
		{
			"prometheusRule.enabled=true,prometheusRule.thresholds.series_silent_seconds.yearly=1",
			"prometheusRule.thresholds.series_silent_seconds.yearly: there is no such threshold",
		},
	} {
		_, err := helm(t, "template", "magpipe-exporter", chart, values("minimal"), "--set="+c.values)
		if err == nil || !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: %v, want %s", c.values, err, c.refusal)
		}
	}
}

// unset removes a path from values, and reports whether it was there.
func unset(values map[string]any, path string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	if inner, ok := values[name].(map[string]any); ok && deeper {
		return unset(inner, rest)
	}
	_, ok := values[name]
	delete(values, name)
	return ok
}

// One that changed nothing would be one that a template forgot.
func TestEachValueChangesWhatHelmCreates(t *testing.T) {
	render := func(args ...string) string {
		out, err := helm(t, slices.Concat([]string{"template", "magpipe-exporter", chart}, args)...)
		if err != nil {
			return err.Error()
		}
		return out
	}
	file := t.TempDir() + "/values.yaml"
	everything, minimal := render(values("everything")), render(values("minimal"))
	// What contradicts the other values of the example.
	instead := map[string]string{
		"accounts":                  "accounts.north.job=",
		"demo":                      "demo=true",
		"existingSecret":            "existingSecret=other",
		"image.tag":                 "image.tag=latest",
		"livenessProbe":             "livenessProbe.tcpSocket.port=metrics",
		"nameOverride":              "nameOverride=reader",
		"persistence.enabled":       "persistence.enabled=false",
		"persistence.existingClaim": "persistence.enabled=true,persistence.existingClaim=c",
		"readinessProbe":            "readinessProbe.tcpSocket.port=metrics",
	}
	for _, r := range chartValues(t) {
		var without map[string]any
		if err := yaml.Unmarshal(read(t, chart+"/ci/everything-values.yaml"), &without); err != nil {
			t.Fatal(err)
		}
		if !unset(without, r.path) {
			if instead[r.path] == "" {
				t.Errorf("no test sets %s", r.path)
			} else if render(values("minimal"), "--set="+instead[r.path]) == minimal {
				t.Errorf("%s changes nothing", r.path)
			}
			continue
		}
		raw, err := yaml.Marshal(without)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if render("--values="+file) == everything {
			t.Errorf("%s changes nothing", r.path)
		}
	}
}

// The README installs the chart, and then shows parts of values.
func TestTheExamplesOfTheREADMEWork(t *testing.T) {
	text := string(read(t, chart+"/README.md"))
	install := regexp.MustCompile(`helm install magpipe-exporter deploy/helm ((?:[^\n]*\\\n)*[^\n]*)`).FindStringSubmatch(text)
	if install == nil {
		t.Fatal("the README does not install the chart")
	}
	args := strings.Fields(strings.ReplaceAll(install[1], "\\\n", " "))
	plain := template(t, args...)
	if len(plain) != 3 {
		t.Errorf("with %q there are %d objects", args, len(plain))
	}
	for i, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		file := fmt.Sprintf("%s/%d.yaml", t.TempDir(), i)
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		all := template(t, append(args, "--set=prometheusRule.enabled=true", "--values="+file)...)
		if len(all) < 3 {
			t.Errorf("these values create %d objects:\n%s", len(all), block[1])
		}
		if rule := strict[operator.PrometheusRule](t, all["PrometheusRule/magpipe-exporter"]); strings.Contains(block[1], "release:") && rule.Labels["release"] == "" {
			t.Errorf("the PrometheusRule has the labels %v", rule.Labels)
		}
	}
}

// A claim that no exporter uses is no conflict.
func TestAnAccountOverridesWhatAllHave(t *testing.T) {
	all := template(t, values("minimal"), "--set=persistence.existingClaim=c,persistence.enabled=false",
		"--set=accounts.north.existingSecret=n,accounts.south.persistence.enabled=true",
		"--set=accounts.north.extraArgs={--log.level=warn},extraArgs={--log.level=debug,--log.format=json}")
	for name, want := range map[string][]string{
		"north": {"--log.level=warn"},
		"south": {"--state.file=/var/lib/magpipe/state", "--log.level=debug", "--log.format=json"},
	} {
		deployment := string(all["Deployment/magpipe-exporter-"+name])
		_, args, _ := strings.Cut(deployment, "- --api.key-file=/etc/magpipe/api-key\n")
		args, _, _ = strings.Cut(args, "ports:")
		if got := strings.Fields(strings.ReplaceAll(args, "- ", "")); !slices.Equal(got, want) {
			t.Errorf("%s has the flags %q, want %q", name, got, want)
		}
	}
}

func TestTheNotesNameTheJobsAndWhatIsMissing(t *testing.T) {
	for example, want := range map[string][]string{
		"minimal": {
			"magpipe-exporter serves the account as the job magpipe-exporter.", "curl http://localhost:10240/metrics",
			"Without serviceMonitor.enabled", "Without prometheusRule.enabled",
		},
		"accounts": {
			"magpipe-exporter-south serves the account south as the job magpipe-exporter-south.",
			"Without persistence.enabled, the counters of magpipe-exporter-trial start at 0 with each pod.",
		},
		"everything": {"port-forward service/magpipe 10240:80", "curl --insecure https://localhost:10240/metrics", "Prefer existingSecret."},
	} {
		out, err := helm(t, "install", "magpipe-exporter", chart, "--namespace=magpipe", "--dry-run=client", values(example))
		if err != nil {
			t.Fatal(err)
		}
		_, notes, _ := strings.Cut(out, "\nNOTES:\n")
		for _, line := range want {
			if !strings.Contains(notes, line) {
				t.Errorf("%s: the notes lack %q:\n%s", example, line, notes)
			}
		}
		if example == "everything" && strings.Contains(notes, "Without") {
			t.Errorf("nothing is off, but the notes say:\n%s", notes)
		}
	}
}
