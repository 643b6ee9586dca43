//go:build e2e

package e2e_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// variable is a variable of a dashboard.
type variable struct {
	Name, Type string
	Query      any
	Current    struct{ Value any }
}

// asks is the expression that gives a variable its values, "" where it has none.
func (v variable) asks() string {
	query, ok := v.Query.(map[string]any)
	if !ok {
		return ""
	}
	text, _ := query["query"].(string)
	if m := regexp.MustCompile(`^label_values\((.*), \w+\)$`).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, "query_result("), ")")
}

// variables fills in what Grafana would, but for the batch.
func variables(t *testing.T, g guard, list []variable) []string {
	t.Helper()
	values := map[string]string{
		"__rate_interval": "1m", "__interval": "15s", "__range": "1h", "__range_s": "3600",
		"instance": regexp.QuoteMeta(g.exporter.Address), "job": "magpipe",
	}
	// In a text of PromQL a backslash stands twice.
	values["instance"] = strings.ReplaceAll(values["instance"], `\`, `\\`)
	for _, v := range list {
		if text, ok := v.Current.Value.(string); ok && v.Type == "custom" {
			values[v.Name] = text
		}
	}
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "${"+name+"}", value)
	}
	// The longest first: $__range is the beginning of $__range_s.
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		pairs = append(pairs, "$"+name, values[name])
	}
	return pairs
}
