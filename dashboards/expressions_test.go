package dashboards_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// known are metrics by name, with their labels. Prometheus adds instance and job to all.
type known map[string][]string

// exposed reads the tables of docs/metrics.md, which other tests hold to the program, and adds the metrics of others that
// dashboards may use.
func exposed(t *testing.T) known {
	t.Helper()
	metrics := known{}
	for name := range strings.FieldsSeq(`up scrape_duration_seconds scrape_samples_scraped process_resident_memory_bytes
		process_cpu_seconds_total process_start_time_seconds go_goroutines go_memstats_heap_alloc_bytes`) {
		metrics[name] = nil
	}
	row := regexp.MustCompile("(?m)^\\| `(magpipe_\\w+)` \\| (\\w+) \\| ([^|]*) \\|")
	quoted := regexp.MustCompile("`(\\w+)`")
	for _, m := range row.FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		var labels []string
		for _, label := range quoted.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, label[1])
		}
		metrics[m[1]] = labels
		if m[2] == "histogram" {
			metrics[m[1]+"_sum"], metrics[m[1]+"_count"] = labels, labels
			metrics[m[1]+"_bucket"] = append([]string{"le"}, labels...)
		}
	}
	if len(metrics) < 40 {
		t.Fatalf("docs/metrics.md has %d metrics: were its tables read?", len(metrics))
	}
	return metrics
}

// expression is what a query asks for.
type expression struct {
	selectors []selector
	labels    []string // that it groups by, matches on or adds
	balanced  bool     // its brackets match
}

type selector struct {
	name, matchers string
	labels         []string
}

// parse takes a query apart, well enough to find names in it: it takes selectors, lists of labels and strings away, and what
// is left must be functions, operators and metrics without a selector. Whether the query is valid is promtool's business.
func parse(expr string) expression {
	expr = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|#.*`).ReplaceAllStringFunc(expr, func(found string) string {
		if strings.HasPrefix(found, "#") { // a comment; a # in a string is not
			return ""
		}
		return found
	})
	expr = regexp.MustCompile(`\$\{\w+\}`).ReplaceAllString(expr, "1")
	e := expression{balanced: strings.Count(expr, "(") == strings.Count(expr, ")")}

	full := regexp.MustCompile(`([a-zA-Z_:][\w:]*)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}`)
	matcher := regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"`)
	rest := full.ReplaceAllStringFunc(expr, func(found string) string {
		m := full.FindStringSubmatch(found)
		s := selector{name: m[1], matchers: m[2]}
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			s.labels = append(s.labels, label[1])
		}
		e.selectors = append(e.selectors, s)
		return " "
	})
	rest = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllString(rest, " ")
	rest = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(rest, " ")
	list := regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	rest = list.ReplaceAllStringFunc(rest, func(found string) string {
		labels := list.FindStringSubmatch(found)[1]
		e.labels = append(e.labels, regexp.MustCompile(`\w+`).FindAllString(labels, -1)...)
		return " "
	})
	for _, m := range regexp.MustCompile(`(\$?)\b([a-zA-Z_][\w:]*)\s*(\(?)`).FindAllStringSubmatch(rest, -1) {
		if m[1] == "" && m[3] == "" && !slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, m[2]) {
			e.selectors = append(e.selectors, selector{name: m[2]})
		}
	}
	return e
}

// check returns what a query asks for that does not exist.
func (k known) check(expr string) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	e := parse(expr)
	for _, s := range e.selectors {
		own, ok := k[s.name]
		if !ok {
			complain("no metric %s", s.name)
			continue
		}
		for _, label := range s.labels {
			if label != "instance" && label != "job" && !slices.Contains(own, label) {
				complain("%s has no label %s", s.name, label)
			}
		}
	}
	labels := k.labels()
	replaced := regexp.MustCompile(`(?:label_replace\(.*?, |vector\(0\), )"(\w+)", "[^"]*", "[^"]*", "[^"]*"\)`)
	for _, m := range replaced.FindAllStringSubmatch(expr, -1) {
		labels[m[1]] = true
	}
	for _, label := range e.labels {
		if !labels[label] {
			complain("no metric has a label %s", label)
		}
	}
	if !e.balanced {
		complain("brackets do not match")
	}
	return wrong
}

// labels are those of all metrics.
func (k known) labels() map[string]bool {
	labels := map[string]bool{"instance": true, "job": true}
	for _, names := range k {
		for _, name := range names {
			labels[name] = true
		}
	}
	return labels
}

func TestCheckNamesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	metrics := recorded(t)
	for expr, want := range map[string]string{
		`magpipe_upp`:                                                      "no metric magpipe_upp",
		`magpipe_upp{instance=~"$instance"}`:                               "no metric magpipe_upp",
		`magpipe_up unless bool magpipe:pace`:                              "no metric magpipe:pace",
		`magpipe_batches{state="running"}`:                                 "magpipe_batches has no label state",
		`sum by (outcom) (magpipe_up)`:                                     "no metric has a label outcom",
		`(magpipe_up{instance=~"$instance"}`:                               "brackets do not match",
		`max_over_time(magpipe_up[3m:1m]) # (`:                             "",
		`time() - max by (job) (magpipe_upp[5m] offset 1h) # magpipe_uppp`: "no metric magpipe_upp",
		// Recorded series have the labels of their rules.
		`batch_id:magpipe_batch_info:newest15m{nam="x"}`:                       "batch_id:magpipe_batch_info:newest15m has no label nam",
		`batch_id:magpipe_batch_estimated_end:timestamp_seconds{batch_id="x"}`: "",
		`magpipe:threshold_series_silent_seconds{recurrence="hourly"}`:         "",
		`magpipe:threshold_overdue_seconds{recurrence="hourly"}`:               "magpipe:threshold_overdue_seconds has no label recurrence",
	} {
		if diff := cmp.Diff(want, strings.Join(metrics.check(expr), "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
}
