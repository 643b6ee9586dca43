package dashboards_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
