package dashboards_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateImports = flag.Bool("update", false, "rewrite the import form of the Grafana dashboards")

const (
	imports = "grafana/import"
	// input is the data source that Grafana asks for when a dashboard is imported.
	input = "DS_PROMETHEUS"
)

func TestImportFormIsThatOfTheProvisionedDashboards(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for file := range all(t) {
		want[file] = importForm(t, read(t, filepath.Join(provisioned, file)))
	}
	if *updateImports {
		if err := os.MkdirAll(imports, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, form := range want {
			if err := os.WriteFile(filepath.Join(imports, file), []byte(form), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	entries, err := os.ReadDir(imports)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		got[entry.Name()] = string(read(t, filepath.Join(imports, entry.Name())))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import forms (-generated +in %s); go test ./dashboards -update rewrites them:\n%s", imports, diff)
	}
}

// as is v, which must be a T.
func as[T any](t *testing.T, v any) T {
	t.Helper()
	got, ok := v.(T)
	if !ok {
		t.Fatalf("%v is no %T", v, got)
	}
	return got
}

// importForm asks for the data source when the dashboard is imported, instead of having a variable for it. Its members
// are those of Grafana's "export for sharing externally".
func importForm(t *testing.T, provisioned []byte) string {
	t.Helper()
	text := strings.ReplaceAll(string(provisioned), "${datasource:queryparam}&", "")
	text = strings.ReplaceAll(text, "${datasource}", "${"+input+"}")
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	form := map[string]any{}
	if err := decoder.Decode(&form); err != nil {
		t.Fatal(err)
	}
	templating := as[map[string]any](t, form["templating"])
	templating["list"] = slices.DeleteFunc(as[[]any](t, templating["list"]), func(v any) bool {
		return as[map[string]any](t, v)["type"] == "datasource"
	})
	form["__inputs"] = []any{map[string]any{
		"name": input, "label": "Prometheus", "description": "The Prometheus that scrapes the exporter.",
		"type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus",
	}}
	kinds := map[string]bool{}
	for _, p := range as[[]any](t, form["panels"]) {
		kinds[as[string](t, as[map[string]any](t, p)["type"])] = true
	}
	delete(kinds, "row")
	requires := []any{
		map[string]any{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.0.0"},
		map[string]any{"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		requires = append(requires, map[string]any{"type": "panel", "id": kind, "name": kind, "version": ""})
	}
	form["__requires"] = requires
	form["id"] = nil

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(form); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "${datasource") {
		t.Error("the import form still names the variable of the provisioned one")
	}
	return out.String()
}

func TestProvisioningFilesNameWhatIsThere(t *testing.T) {
	t.Parallel()
	provider := string(read(t, "grafana/provisioning/dashboards/magpipe.yml"))
	if want := "path: /etc/grafana/" + strings.TrimPrefix(provisioned, "grafana/"); !strings.Contains(provider, want+"\n") {
		t.Errorf("the provider does not read %q", want)
	}
	err := filepath.WalkDir("grafana/provisioning", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(string(read(t, path)), "${"+input) {
			t.Errorf("%s: the import form among the provisioned ones", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
