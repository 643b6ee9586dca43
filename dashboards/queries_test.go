package dashboards_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unlimited names what a query does not take from the exporters that were chosen on the dashboard.
func unlimited(expr string) []string {
	var wrong []string
	for _, s := range ask(expr).selectors {
		if !strings.Contains(s.matchers, `instance=~"$instance"`) {
			wrong = append(wrong, s.name+" is not limited to the chosen exporters")
		}
	}
	return wrong
}

func TestQueriesUseWhatTheExporterExposes(t *testing.T) {
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
				for _, wrong := range slices.Concat(metrics.check(q.Expr), unlimited(q.Expr)) {
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

func TestUnlimitedQueriesAreNamed(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`magpipe_up`:               {"magpipe_up is not limited to the chosen exporters"},
		`magpipe_up{instance="a"}`: {"magpipe_up is not limited to the chosen exporters"},
		`sum(magpipe_up{instance=~"$instance"}) or vector(0)`: nil,
	} {
		if diff := cmp.Diff(want, unlimited(expr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
}
