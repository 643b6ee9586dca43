//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// server is the HTTP API of a running Prometheus.
type server struct{ *process.Process }

// ask reads what the API answers in its envelope. Faults of the expression are returned, those of the test are fatal.
func (s server) ask(t *testing.T, path string, form url.Values, into any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+s.Address+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if form == nil {
		request.Method = http.MethodGet
	}
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var envelope struct {
		Error    string
		Warnings []string
		Data     json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&envelope); err != nil {
		t.Fatalf("%s: %s: %v", path, response.Status, err)
	}
	if envelope.Error != "" || len(envelope.Warnings) > 0 {
		return fmt.Errorf("%s %v", envelope.Error, envelope.Warnings)
	}
	return json.Unmarshal(envelope.Data, into)
}

// series is a result of either kind.
type series struct {
	Metric    map[string]string
	Value     []any
	Histogram []any
	Values    [][]any
}

// numbers tells whether the series has any value but NaN. Native histograms count.
func (s series) numbers(t *testing.T) bool {
	t.Helper()
	if len(s.Histogram) > 0 {
		return true
	}
	for _, pair := range append(s.Values, s.Value) {
		if len(pair) != 2 {
			continue
		}
		text, _ := pair[1].(string)
		if number, err := strconv.ParseFloat(text, 64); err != nil {
			t.Fatalf("%v: %v", pair, err)
		} else if !math.IsNaN(number) {
			return true
		}
	}
	return false
}

// query is an instant query.
func (s server) query(t *testing.T, expr string) ([]series, error) {
	t.Helper()
	return s.result(t, "query", url.Values{"query": {expr}})
}

// queryRange asks for the last minutes, as a panel over time does.
func (s server) queryRange(t *testing.T, expr string) ([]series, error) {
	t.Helper()
	now := float64(time.Now().UnixMilli()) / 1000
	return s.result(t, "query_range", url.Values{
		"query": {expr}, "step": {"2"},
		"start": {strconv.FormatFloat(now-180, 'f', 3, 64)}, "end": {strconv.FormatFloat(now, 'f', 3, 64)},
	})
}

// result drops series without a number.
func (s server) result(t *testing.T, path string, form url.Values) ([]series, error) {
	t.Helper()
	var data struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := s.ask(t, path, form, &data); err != nil {
		return nil, err
	}
	var all []series
	if data.ResultType == "scalar" {
		all = []series{{}}
		return all, json.Unmarshal(data.Result, &all[0].Value)
	}
	if err := json.Unmarshal(data.Result, &all); err != nil {
		t.Fatal(err)
	}
	var found []series
	for _, one := range all {
		if one.numbers(t) {
			found = append(found, one)
		}
	}
	return found, nil
}

// rule is a rule as it was loaded.
type rule struct {
	Name, Query, Type, Health, LastError string
}

func (s server) rules(t *testing.T) []rule {
	t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	if err := s.ask(t, "rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	var rules []rule
	for _, group := range data.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// selectors are those that an expression holds, each by itself.
func (s server) selectors(t *testing.T, expr string) []string {
	t.Helper()
	var tree any
	if err := s.ask(t, "parse_query", url.Values{"query": {expr}}, &tree); err != nil {
		t.Fatal(err)
	}
	return selectorsIn(tree)
}

func selectorsIn(tree any) (found []string) {
	switch node := tree.(type) {
	case []any:
		for _, child := range node {
			found = append(found, selectorsIn(child)...)
		}
	case map[string]any:
		if node["type"] == "vectorSelector" || node["type"] == "matrixSelector" {
			return []string{selector(node)}
		}
		for _, child := range node {
			found = append(found, selectorsIn(child)...)
		}
	}
	return found
}

func selector(node map[string]any) string {
	var matchers []string
	list, _ := node["matchers"].([]any)
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			matchers = append(matchers, fmt.Sprintf("%v%v%q", m["name"], m["type"], m["value"]))
		}
	}
	return "{" + strings.Join(matchers, ",") + "}"
}
