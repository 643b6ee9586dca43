// Package dashboards_test holds the Grafana dashboards, the rules and the runbooks to what the exporter exposes and to each
// other, and generates the import form of the dashboards.
package dashboards_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const provisioned = "grafana/provisioning/dashboards/magpipe"

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
