// Package dashboards_test holds the Grafana dashboards, the rules and the runbooks to what the exporter exposes, and to each
// other.
package dashboards_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const provisioned = "grafana/provisioning/dashboards/magpipe"

// dashboard is the part of Grafana's JSON that the tests look at.
type dashboard struct {
	UID, Title, Description, Refresh string
	Tags                             []string
	Panels                           []panel
	Links                            []struct {
		Type                  string
		Tags                  []string
		IncludeVars, KeepTime bool
	}
	Templating struct{ List []variable }

	raw string
}

type variable struct {
	Name, Type string
	Query      json.RawMessage // a string, or an object with one
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Interval                 string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults struct {
			Unit, NoValue string
			Thresholds    thresholds
		}
		Overrides []struct {
			Matcher    struct{ Options any }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Targets []struct{ RefID, Expr, LegendFormat string }
}

type thresholds struct {
	Steps []struct {
		Value float64 // where it begins; 0 in the first step, which has none
		Color string
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// readDashboards reads the dashboards, by the name of their file.
func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	found := map[string]dashboard{}
	for _, path := range files(t, provisioned+"/*.json") {
		d := dashboard{raw: read(t, path)}
		if err := json.Unmarshal([]byte(d.raw), &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found[filepath.Base(path)] = d
	}
	return found
}

func TestDashboardsAreComplete(t *testing.T) {
	t.Parallel()
	// Colours with a name exist in both themes; others suit one only.
	fixed := regexp.MustCompile(`"#[0-9a-fA-F]{3,8}"|color-background`)
	for file, d := range readDashboards(t) {
		if want := "magpipe-" + strings.TrimSuffix(file, ".json"); d.UID != want {
			t.Errorf("%s: uid %q, want %q: links and bookmarks depend on it", file, d.UID, want)
		}
		if d.Title == "" || d.Description == "" || d.Refresh == "" {
			t.Errorf("%s: no title, description or refresh interval", file)
		}
		if len(d.Links) != 1 || d.Links[0].Type != "dashboards" || !slices.Contains(d.Tags, "magpipe") ||
			!slices.Equal(d.Links[0].Tags, []string{"magpipe"}) || !d.Links[0].IncludeVars || !d.Links[0].KeepTime {
			t.Errorf("%s: no link to the other dashboards that keeps variables and time: %+v", file, d.Links)
		}
		if found := fixed.FindString(d.raw); found != "" {
			t.Errorf("%s: %s suits one theme only", file, found)
		}
	}
}

// Grafana imports a dashboard without an id of its own and without inputs as it stands. What it asks for then is the value
// of the variable for the data source, which each query has to use.
func TestDashboardsImportAsTheyAre(t *testing.T) {
	t.Parallel()
	for file, d := range readDashboards(t) {
		var members map[string]any
		if err := json.Unmarshal([]byte(d.raw), &members); err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"id", "__inputs", "__requires"} {
			if members[member] != nil {
				t.Errorf("%s: has the member %s", file, member)
			}
		}
		if v := d.Templating.List[0]; v.Name != "datasource" || v.Type != "datasource" || string(v.Query) != `"prometheus"` {
			t.Errorf("%s: the first variable is not a Prometheus data source: %+v", file, v)
		}
		for _, source := range sourcesIn(members) {
			members, ok := source.(map[string]any)
			if uid := members["uid"]; !ok || (uid != "${datasource}" && uid != "-- Grafana --") {
				t.Errorf("%s: a fixed data source: %v", file, source)
			}
		}
	}
}

// sourcesIn are the data sources that JSON names, however deep.
func sourcesIn(v any) (found []any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name == "datasource" {
				found = append(found, inner)
			}
			found = append(found, sourcesIn(inner)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, sourcesIn(inner)...)
		}
	}
	return found
}

func TestPanelsAreCompleteAndDoNotOverlap(t *testing.T) {
	t.Parallel()
	for file, d := range readDashboards(t) {
		ids, cells := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			at := file + ": " + p.Title
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: id %d is missing or taken", at, p.ID)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
				t.Errorf("%s: outside the grid: %+v", at, g)
			}
			for cell := range g.W * g.H {
				xy := [2]int{g.X + cell%g.W, g.Y + cell/g.W}
				if other, taken := cells[xy]; taken {
					t.Errorf("%s: overlaps %q", at, other)
					break
				}
				cells[xy] = p.Title
			}
			if p.Type == "row" {
				continue
			}
			field := p.FieldConfig.Defaults
			if p.Title == "" || p.Description == "" || field.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: no title, description, unit or query", at)
			}
			if p.Type == "table" && field.NoValue == "" {
				t.Errorf("%s: shows nothing at all when it is empty", at)
			}
		}
	}
}

func TestQueriesUseWhatExists(t *testing.T) {
	t.Parallel()
	metrics := recorded(t)
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	variable := regexp.MustCompile(`\$\{?([a-zA-Z_]\w*)`)
	for file, d := range readDashboards(t) {
		names := []string{"__rate_interval", "__range"}
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			for _, name := range regexp.MustCompile(`magpipe_\w+`).FindAllString(string(v.Query), -1) {
				if _, ok := metrics[name]; !ok {
					t.Errorf("%s: variable %s: no metric %s", file, v.Name, name)
				}
			}
		}
		for _, p := range d.Panels {
			refs := map[string]bool{}
			for _, q := range p.Targets {
				at := fmt.Sprintf("%s: %s, query %s", file, p.Title, q.RefID)
				if refs[q.RefID] {
					t.Errorf("%s: there are two", at)
				}
				refs[q.RefID] = true
				for _, wrong := range metrics.check(q.Expr) {
					t.Errorf("%s: %s", at, wrong)
				}
				for _, s := range parse(q.Expr).selectors {
					// A recorded series has no instance.
					ofRule := strings.Contains(s.name, ":")
					if !strings.Contains(s.matchers, `job="$job"`) || strings.Contains(s.matchers, `instance=~"$instance"`) == ofRule {
						t.Errorf("%s: %s is not limited to the chosen account and exporters", at, s.name)
					}
				}
				if strings.Contains(q.Expr, "$__rate_interval") && p.Interval == "" {
					t.Errorf("%s: a rate, and the panel has no minimum interval", at)
				}
				for _, m := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
					if !strings.Contains(q.Expr, m[1]) {
						t.Errorf("%s: the legend has the label %s, the query has not", at, m[1])
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

// outcomes are the ways in which a call can end, as docs/metrics.md lists them.
func outcomes(t *testing.T) []string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `outcome` of a call \\| (.*) \\|$").FindStringSubmatch(read(t, "../docs/metrics.md"))
	if row == nil {
		t.Fatal("docs/metrics.md does not list the outcomes")
	}
	return strings.Split(strings.ReplaceAll(row[1], "`", ""), ", ")
}

// An outcome that a query forgets would be missing among the calls that have ended.
func TestQueriesCountEveryOutcome(t *testing.T) {
	t.Parallel()
	alternatives := regexp.MustCompile(`\b(?:status|outcome)=~\\?"([^"\\]*)`)
	texts := map[string]string{"README.md": read(t, "README.md")}
	for file, d := range readDashboards(t) {
		texts[file] = d.raw
	}
	found := 0
	for file, text := range texts {
		for _, m := range alternatives.FindAllStringSubmatch(text, -1) {
			counted := strings.Split(m[1], "|")
			if len(counted) == 1 || !slices.Contains(counted, "completed") {
				continue
			}
			found++
			for _, outcome := range outcomes(t) {
				if !slices.Contains(counted, outcome) {
					t.Errorf("%s: %s leaves out %s", file, m[1], outcome)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d queries count calls that have ended: were they found?", found)
	}
}

// A panel that gives one outcome a colour gives each its own, and all panels give it the same.
func TestEveryOutcomeHasItsOwnColour(t *testing.T) {
	t.Parallel()
	colours := map[string]string{}
	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			here := p.colours(t)
			if _, ok := here["busy"]; !ok {
				continue
			}
			for _, outcome := range outcomes(t) {
				colour := here[outcome]
				if known, ok := colours[outcome]; colour == "" || (ok && known != colour) {
					t.Errorf("%s: %s: %s has the colour %q, elsewhere %q", file, p.Title, outcome, colour, known)
				}
				colours[outcome] = colour
			}
		}
	}
	if used := slices.Compact(slices.Sorted(maps.Values(colours))); len(used) < len(outcomes(t)) {
		t.Errorf("some outcomes share a colour: %v", colours)
	}
}

// colours are the fixed colours of a panel, by the name of the series or column.
func (p panel) colours(t *testing.T) map[string]string {
	t.Helper()
	colours := map[string]string{}
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			var value struct{ FixedColor string }
			if property.ID == "color" {
				if err := json.Unmarshal(property.Value, &value); err != nil {
					t.Fatal(err)
				}
				colours[fmt.Sprint(o.Matcher.Options)] = value.FixedColor
			}
		}
	}
	return colours
}

func TestLinksBetweenDashboardsResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`"url": "/d/([\w-]+)/[\w-]+\?([^"]*)"`)
	parameter := regexp.MustCompile(`var-(\w+)=|\$\{(\w+):queryparam\}`)
	dashboards := readDashboards(t)
	variables := map[string][]string{}
	for _, d := range dashboards {
		for _, v := range d.Templating.List {
			variables[d.UID] = append(variables[d.UID], v.Name)
		}
	}
	for file, d := range dashboards {
		links := link.FindAllStringSubmatch(d.raw, -1)
		if n := strings.Count(d.raw, `"url": "/`); n == 0 || len(links) != n {
			t.Errorf("%s: %d of %d links lead to a dashboard", file, len(links), n)
		}
		for _, l := range links {
			if variables[l[1]] == nil {
				t.Errorf("%s: leads nowhere: %s", file, l[0])
			}
			if !strings.Contains(l[2], "var-batch=") || !strings.Contains(l[2], "${__url_time_range}") {
				t.Errorf("%s: a link without batch or time: %s", file, l[0])
			}
			for _, name := range parameter.FindAllStringSubmatch(l[2], -1) {
				if !slices.Contains(variables[l[1]], name[1]+name[2]) {
					t.Errorf("%s: %s has no variable %q", file, l[1], name[1]+name[2])
				}
			}
		}
	}
}

// A panel or a column whose subject has an alert turns red where the alert fires.
func TestDashboardsTurnRedWhereTheAlertsFire(t *testing.T) {
	t.Parallel()
	constants := constantsOf(t)
	alerting := map[string]string{
		"Oldest call": "stuck_call_seconds", "Age of the list": "list_age_seconds", "Longest outdated": "details_wait_seconds",
		"Outdated": "details_wait_seconds", "Read": "details_rest_seconds", "Late by": "overdue_seconds",
		"Failed": "campaign_failure_ratio", "Answered": "campaign_answer_ratio",
	}
	seen := map[string]bool{}
	compare := func(file, title string, limits thresholds) {
		name, ok := alerting[title]
		if len(limits.Steps) < 2 || !ok {
			return
		}
		seen[title] = true
		red, got := limits.Steps[len(limits.Steps)-1], limits.Steps[len(limits.Steps)-1].Value
		if title == "Answered" { // red below, not above
			red, got = limits.Steps[0], limits.Steps[1].Value
		}
		if want := constants["magpipe:threshold_"+name]; got != want || red.Color != "red" {
			t.Errorf("%s: %s turns %s at %v, the alert fires at %v", file, title, red.Color, got, want)
		}
	}
	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			compare(file, p.Title, p.FieldConfig.Defaults.Thresholds)
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					var limits thresholds
					if property.ID == "thresholds" {
						if err := json.Unmarshal(property.Value, &limits); err != nil {
							t.Fatal(err)
						}
					}
					compare(file, fmt.Sprint(o.Matcher.Options), limits)
				}
			}
		}
	}
	if len(seen) != len(alerting) {
		t.Errorf("compared %v, want all of %v", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(alerting)))
	}
}

// constantsOf reads the thresholds of the alerts, but for those that differ by label.
func constantsOf(t *testing.T) map[string]float64 {
	t.Helper()
	form := regexp.MustCompile(`^vector\(([\d.]+)\)$`)
	constants := map[string]float64{}
	records, _ := readRules(t)
	for _, r := range records {
		if m := form.FindStringSubmatch(r.Expr); m != nil && r.Labels == nil {
			value, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			constants[r.Record] = value
		}
	}
	return constants
}

func TestProviderReadsTheDirectoryOfTheDashboards(t *testing.T) {
	t.Parallel()
	provider := read(t, "grafana/provisioning/dashboards/magpipe.yml")
	if want := "path: /etc/grafana/" + strings.TrimPrefix(provisioned, "grafana/") + "\n"; !strings.Contains(provider, want) {
		t.Errorf("the provider does not have %q", want)
	}
}
