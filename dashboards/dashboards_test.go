// Package dashboards_test holds the Grafana dashboards to what the exporter exposes, and generates their import form.
package dashboards_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateImports = flag.Bool("update", false, "rewrite the import form of the Grafana dashboards")

const (
	provisioned = "grafana/provisioning/dashboards/magpipe"
	imports     = "grafana/import"
	// input is the data source that Grafana asks for when a dashboard is imported.
	input = "DS_PROMETHEUS"
)

// dashboard is what the tests look at, named as Grafana's JSON names it.
type dashboard struct {
	UID, Title, Description string
	Tags                    []string
	SchemaVersion           int
	Refresh                 string
	Panels                  []panel
	Links                   []struct {
		Type                  string
		Tags                  []string
		IncludeVars, KeepTime bool
	}
	Templating struct{ List []variable }
}

type variable struct {
	Name, Type string
	Query      json.RawMessage
	Datasource source
}

type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Interval                 string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults  struct{ Unit, NoValue string }
		Overrides []json.RawMessage
	}
	Targets []target
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Datasource                        source
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// all reads the provisioned dashboards, by the name of their file.
func all(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob(provisioned + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]dashboard{}
	for _, path := range paths {
		var d dashboard
		if err := json.Unmarshal(read(t, path), &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found[filepath.Base(path)] = d
	}
	want := []string{"campaign-detail.json", "campaign-overview.json", "exporter-health.json"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(found))); diff != "" {
		t.Fatalf("dashboards (-want +found):\n%s", diff)
	}
	return found
}

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

func TestDashboardsAreComplete(t *testing.T) {
	t.Parallel()
	// Named colours of Grafana's palette exist in both themes, and text stays readable on no background of its own.
	fixed := regexp.MustCompile(`"#[0-9a-fA-F]{3,8}"|color-background`)
	uids := map[string]string{}
	for file, d := range all(t) {
		if want := "magpipe-" + strings.TrimSuffix(file, ".json"); d.UID != want {
			t.Errorf("%s: uid %q, want %q: links and bookmarks rest on it", file, d.UID, want)
		}
		if other, taken := uids[d.UID]; taken {
			t.Errorf("%s and %s have the same uid", file, other)
		}
		uids[d.UID] = file
		if !slices.Contains(d.Tags, "magpipe") || d.Title == "" || d.Description == "" || d.Refresh == "" {
			t.Errorf("%s: a title, a description, a refresh interval or the tag magpipe is missing", file)
		}
		if found := fixed.FindString(string(read(t, filepath.Join(provisioned, file)))); found != "" {
			t.Errorf("%s: %s suits one theme only", file, found)
		}
		if d.SchemaVersion < 39 {
			t.Errorf("%s: schema version %d is older than Grafana 11", file, d.SchemaVersion)
		}
		if len(d.Templating.List) == 0 || d.Templating.List[0].Name != "datasource" || d.Templating.List[0].Type != "datasource" {
			t.Errorf("%s: the first variable is not the data source", file)
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" && v.Datasource.UID != "${datasource}" {
				t.Errorf("%s: variable %s asks data source %q", file, v.Name, v.Datasource.UID)
			}
		}
	}
}

func TestPanelsAreDescribedAndApart(t *testing.T) {
	t.Parallel()
	for file, d := range all(t) {
		ids, cells := map[int]string{}, map[[2]int]string{}
		for _, p := range d.Panels {
			at := file + ": " + p.Title
			if other, taken := ids[p.ID]; taken || p.ID == 0 {
				t.Errorf("%s: id %d is that of %q", at, p.ID, other)
			}
			ids[p.ID] = p.Title
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
				t.Errorf("%s: outside the grid: %+v", at, g)
			}
			for cell := range g.W * g.H {
				xy := [2]int{g.X + cell%g.W, g.Y + cell/g.W}
				if other, taken := cells[xy]; taken {
					t.Errorf("%s: covers %q at %v", at, other, xy)
					break
				}
				cells[xy] = p.Title
			}
			if p.Type != "row" {
				checkPanel(t, at, p)
			}
		}
	}
}

func checkPanel(t *testing.T, at string, p panel) {
	t.Helper()
	if p.Title == "" || !strings.HasSuffix(p.Description, ".") {
		t.Errorf("%s: no title, or no description in sentences", at)
	}
	if p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%s: no unit", at)
	}
	if p.Type == "table" && p.FieldConfig.Defaults.NoValue == "" {
		t.Errorf("%s: a table says nothing when it is empty", at)
	}
	if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
		t.Errorf("%s: no query, or data source %q", at, p.Datasource.UID)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if refs[q.RefID] || q.RefID == "" {
			t.Errorf("%s: query %q twice, or without a name", at, q.RefID)
		}
		refs[q.RefID] = true
		if q.Datasource.UID != "${datasource}" {
			t.Errorf("%s: query %s asks data source %q", at, q.RefID, q.Datasource.UID)
		}
		if strings.Contains(q.Expr, "$__rate_interval") && p.Interval == "" {
			t.Errorf("%s: query %s has a rate, and the panel no least interval", at, q.RefID)
		}
	}
}

func TestLinksOfDashboardsResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`"url": "(/d/[^"]+)"`)
	parts := regexp.MustCompile(`^/d/([\w-]+)/[\w-]+\?(.*)$`)
	parameter := regexp.MustCompile(`var-(\w+)=|\$\{(\w+):queryparam\}`)
	dashboards := all(t)
	variables := map[string][]string{}
	for _, d := range dashboards {
		for _, v := range d.Templating.List {
			variables[d.UID] = append(variables[d.UID], v.Name)
		}
	}
	for file, d := range dashboards {
		if len(d.Links) != 1 || d.Links[0].Type != "dashboards" || !slices.Equal(d.Links[0].Tags, []string{"magpipe"}) ||
			!d.Links[0].IncludeVars || !d.Links[0].KeepTime {
			t.Errorf("%s: no link to the others by tag, with variables and time: %+v", file, d.Links)
		}
		links := link.FindAllStringSubmatch(string(read(t, filepath.Join(provisioned, file))), -1)
		if len(links) == 0 {
			t.Errorf("%s: no link to a campaign", file)
		}
		for _, l := range links {
			m := parts.FindStringSubmatch(l[1])
			if m == nil || variables[m[1]] == nil {
				t.Errorf("%s: leads nowhere: %s", file, l[1])
				continue
			}
			if !strings.Contains(m[2], "var-batch=") || !strings.Contains(m[2], "${__url_time_range}") {
				t.Errorf("%s: link without batch or time: %s", file, l[1])
			}
			for _, name := range parameter.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(variables[m[1]], name[1]+name[2]) {
					t.Errorf("%s: %s has no variable %q", file, m[1], name[1]+name[2])
				}
			}
		}
	}
}

// known are metrics by name, with their labels. Prometheus adds instance and job to all.
type known map[string][]string

// exposed reads the tables of README and adds the metrics of others that dashboards may use.
func exposed(t *testing.T) known {
	t.Helper()
	metrics := known{}
	for name := range strings.FieldsSeq(`up scrape_duration_seconds scrape_samples_scraped process_resident_memory_bytes
		process_cpu_seconds_total process_start_time_seconds go_goroutines go_memstats_heap_alloc_bytes`) {
		metrics[name] = nil
	}
	row := regexp.MustCompile("(?m)^\\| (`magpipe_[^|]*) \\| (\\w+) \\| ([^|]*) \\|")
	quoted := regexp.MustCompile("`(\\w+)`")
	for _, m := range row.FindAllStringSubmatch(string(read(t, "../README.md")), -1) {
		var labels []string
		for _, label := range quoted.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, label[1])
		}
		for _, name := range quoted.FindAllStringSubmatch(m[1], -1) {
			metrics[name[1]] = labels
			if m[2] == "histogram" {
				metrics[name[1]+"_sum"], metrics[name[1]+"_count"] = labels, labels
				metrics[name[1]+"_bucket"] = append([]string{"le"}, labels...)
			}
		}
	}
	if len(metrics) < 40 {
		t.Fatalf("README's tables have %d metrics: were they read?", len(metrics))
	}
	return metrics
}

// check names what an expression asks for and the exporter does not have. It is no parser: it takes selectors, label
// lists and texts away, and what is left must be functions and operators.
func (k known) check(expr string) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	labels := map[string]bool{"instance": true, "job": true}
	for _, names := range k {
		for _, name := range names {
			labels[name] = true
		}
	}
	replaced := regexp.MustCompile(`(?:label_replace\(.*?, |vector\(0\), )"(\w+)", "[^"]*", "[^"]*", "[^"]*"\)`)
	for _, m := range replaced.FindAllStringSubmatch(expr, -1) {
		labels[m[1]] = true
	}
	expr = regexp.MustCompile(`\$\{\w+\}`).ReplaceAllString(expr, "1")

	selector := regexp.MustCompile(`([a-zA-Z_:][\w:]*)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}`)
	matcher := regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"`)
	rest := selector.ReplaceAllStringFunc(expr, func(found string) string {
		m := selector.FindStringSubmatch(found)
		own, ok := k[m[1]]
		if !ok {
			complain("no metric %s", m[1])
		}
		if !strings.Contains(m[2], `instance=~"$instance"`) {
			complain("%s is not limited to the chosen exporters", m[1])
		}
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			if ok && label[1] != "instance" && label[1] != "job" && !slices.Contains(own, label[1]) {
				complain("%s has no label %s", m[1], label[1])
			}
		}
		return " "
	})
	rest = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllString(rest, " ")
	rest = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(rest, " ")
	list := regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	rest = list.ReplaceAllStringFunc(rest, func(found string) string {
		for _, label := range regexp.MustCompile(`\w+`).FindAllString(list.FindStringSubmatch(found)[1], -1) {
			if !labels[label] {
				complain("no metric has a label %s", label)
			}
		}
		return " "
	})
	for _, m := range regexp.MustCompile(`(\$?)\b([a-zA-Z_]\w*)\b\s*(\(?)`).FindAllStringSubmatch(rest, -1) {
		if m[1] == "" && m[3] == "" && !slices.Contains([]string{"and", "or", "unless", "bool"}, m[2]) {
			complain("%s is neither an operator nor a metric with a selector", m[2])
		}
	}
	if strings.Count(expr, "(") != strings.Count(expr, ")") {
		complain("brackets do not match")
	}
	return wrong
}

func TestExpressionsUseWhatTheExporterExposes(t *testing.T) {
	t.Parallel()
	metrics := exposed(t)
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	variable := regexp.MustCompile(`\$\{?([a-zA-Z_]\w*)`)
	for file, d := range all(t) {
		names := []string{"__rate_interval", "__range"}
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			var query struct{ Query string }
			if v.Type == "query" && json.Unmarshal(v.Query, &query) == nil {
				for _, name := range regexp.MustCompile(`magpipe_\w+`).FindAllString(query.Query, -1) {
					if _, ok := metrics[name]; !ok {
						t.Errorf("%s: variable %s: no metric %s", file, v.Name, name)
					}
				}
			}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				at := fmt.Sprintf("%s: %s, query %s", file, p.Title, q.RefID)
				for _, wrong := range metrics.check(q.Expr) {
					t.Errorf("%s: %s", at, wrong)
				}
				for _, m := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
					if !strings.Contains(q.Expr, m[1]) {
						t.Errorf("%s: the legend has label %s, the query has not", at, m[1])
					}
				}
				for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
					if !slices.Contains(names, m[1]) {
						t.Errorf("%s: no variable %s", at, m[1])
					}
				}
			}
		}
	}
}

func TestWrongExpressionsAreNamed(t *testing.T) {
	t.Parallel()
	metrics := exposed(t)
	for expr, want := range map[string]string{
		`magpipe_upp{instance=~"$instance"}`: "no metric magpipe_upp",
		`magpipe_up`:                         "magpipe_up is neither an operator nor a metric with a selector",
		`magpipe_up{instance="a"}`:           "magpipe_up is not limited to the chosen exporters",
		`magpipe_batches{instance=~"$instance",state="running"}`:                "magpipe_batches has no label state",
		`sum by (outcom) (magpipe_calls_finished_total{instance=~"$instance"})`: "no metric has a label outcom",
		`(magpipe_up{instance=~"$instance"}`:                                    "brackets do not match",
		`magpipe:pace{instance=~"$instance"}`:                                   "no metric magpipe:pace",
	} {
		if diff := cmp.Diff([]string{want}, metrics.check(expr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
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
