package grafana

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dashboards = "../../dashboards/grafana/provisioning/dashboards/magpipe/"

func newSchema(t *testing.T) *Schema {
	t.Helper()
	s, err := NewSchema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestDashboardsFitGrafanasTypes(t *testing.T) {
	schema := newSchema(t)
	paths, err := filepath.Glob(dashboards + "*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		for _, wrong := range schema.Check([]byte(read(t, path))) {
			t.Errorf("%s: %s", filepath.Base(path), wrong)
		}
	}
	if len(paths) != 3 {
		t.Errorf("%d dashboards found, want 3", len(paths))
	}
}

// Grafana would silently ignore each of these mistakes and show something else than intended.
func TestMistakesAreNamed(t *testing.T) {
	schema, right := newSchema(t), read(t, dashboards+"campaign-overview.json")
	for name, mistake := range map[string]struct{ right, wrong, want string }{
		"member of a dashboard":     {`"refresh": "30s"`, `"refreshh": "30s"`, `unexpected field 'refreshh'`},
		"member of a panel":         {`"interval": "1m"`, `"intervall": "1m"`, `unexpected field 'intervall'`},
		"member of a query":         {`"legendFormat":`, `"legend":`, `unexpected field 'legend'`},
		"member of a variable":      {`"includeAll": false`, `"includeAl": false`, `unexpected field 'includeAl'`},
		"panel option":              {`"cellHeight": "sm"`, `"cellHeigth": "sm"`, `options.Options: unexpected field 'cellHeigth'`},
		"option left out":           {`"graphMode": "none",`, ``, `options.graphMode: required field is missing from input`},
		"standard option":           {`"noValue":`, `"noData":`, `unexpected field 'noData'`},
		"option of a panel's field": {`"fillOpacity":`, `"fillopacity":`, `fieldConfig.defaults.custom.GraphFieldConfig: unexpected field 'fillopacity'`},
		"option in an override":     {`"id": "custom.minWidth"`, `"id": "custom.minwidth"`, `unexpected field 'minwidth'`},
		"standard one in override":  {`"id": "decimals"`, `"id": "decimal"`, `decimal.FieldConfig: unexpected field 'decimal'`},
		"member of a data link":     {`"url": "/d/`, `"uri": "/d/`, `links.json: unknown field "uri"`},
		"type of a panel":           {`"type": "heatmap"`, `"type": "heat"`, `no panel "heat"`},
		"type of an option":         {`"showHeader": true`, `"showHeader": "yes"`, `options.showHeader: json: cannot unmarshal string`},
		"type of a standard option": {`"unit": "percentunit"`, `"unit": 1`, `unit: json: cannot unmarshal number`},
		"type in a grid position":   {`"w": 24`, `"w": "24"`, `gridPos.w: json: cannot unmarshal string`},
		"unit":                      {`"unit": "cpm"`, `"unit": "calls"`, `unit: no unit "calls"`},
		"unit in an override":       {`"value": "percentunit"`, `"value": "share"`, `no unit "share"`},
		"unit of an axis":           {`"axisPlacement": "left",` + "\n" + `          "unit": "s"`, `"axisPlacement": "left", "unit": "sec"`, `no unit "sec"`},
		"word of an option":         {`"colorMode": "value"`, `"colorMode": "text"`, `"text" is none of ["value"`},
		"word of a field's option":  {`"drawStyle": "line"`, `"drawStyle": "lines"`, `"lines" is none of ["line"`},
		"colour mode":               {`"mode": "palette-classic"`, `"mode": "palette"`, `"palette" is none of ["thresholds"`},
		"matcher":                   {`"id": "byName"`, `"id": "byname"`, `no matcher "byname"`},
		"no JSON":                   {`{`, ``, `invalid character`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong := strings.Replace(right, mistake.right, mistake.wrong, 1)
			if wrong == right {
				t.Fatalf("the dashboard has no %s", mistake.right)
			}
			found := schema.Check([]byte(wrong))
			if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), mistake.want) {
				t.Errorf("want %s, found %q", mistake.want, found)
			}
		})
	}
}
