package dashboards_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAlertsAreComplete(t *testing.T) {
	t.Parallel()
	_, alerts := rulesOf(t)
	sections := runbooks(t)
	names := map[string]bool{}
	for _, a := range alerts {
		if names[a.Alert] {
			t.Errorf("%s: defined twice", a.Alert)
		}
		names[a.Alert] = true
		if severity := a.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, severity) {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
		if summary := a.Annotations["summary"]; summary == "" || strings.ContainsAny(summary, "{.") {
			t.Errorf("%s: the summary %q is not a line without values", a.Alert, summary)
		}
		if !strings.HasSuffix(a.Annotations["description"], ".") {
			t.Errorf("%s: no description in sentences", a.Alert)
		}
		// The path stands alone where the external label is not set.
		want := `{{ with $externalLabels.magpipe_repository }}{{ . }}/{{ end }}dashboards/` + runbookPath + "#" + strings.ToLower(a.Alert)
		if url := a.Annotations["runbook_url"]; url != want || sections[a.Alert] == "" {
			t.Errorf("%s: runbook_url leads to no section: %q", a.Alert, url)
		}
	}
	for name := range sections {
		if !names[name] {
			t.Errorf("%s: a runbook of no alert", name)
		}
	}
	if want := fmt.Sprintf(" %d alerts ", len(alerts)); !strings.Contains(string(read(t, "../README.md")), want) {
		t.Errorf("README does not tell of%s", want)
	}
}

const runbookPath = "runbooks/README.md"

// runbooks are the sections of the runbook, by the alert that they are named after.
func runbooks(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	parts := strings.Split(string(read(t, runbookPath)), "\n## ")
	for _, part := range parts[1:] {
		name, text, _ := strings.Cut(part, "\n")
		if sections[name] != "" {
			t.Errorf("%s: two runbooks", name)
		}
		sections[name] = text
	}
	return sections
}

func TestRunbooksTellWhatToCheckAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, text := range runbooks(t) {
		at := -1
		for _, part := range []string{"\n**Meaning.** ", "\n**Check.** ", "\n**Do.** "} {
			next := strings.Index("\n"+text, part)
			if next <= at {
				t.Errorf("%s: no %s, or not in its place", name, strings.TrimSpace(part))
			}
			at = next
		}
	}
}

func TestRunbooksNameWhatThereIs(t *testing.T) {
	t.Parallel()
	series := recorded(t)
	fence := regexp.MustCompile("(?s)```.*?```")
	span := regexp.MustCompile("`([^`]+)`")
	query := regexp.MustCompile(`\bmagpipe[_:]|\w\{`)
	alert := regexp.MustCompile(`\bMagpipe[A-Z]\w*`)
	text := fence.ReplaceAllString(string(read(t, runbookPath)), "")
	queries := 0
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		if !query.MatchString(m[1]) {
			continue
		}
		queries++
		for _, wrong := range series.check(m[1]) {
			t.Errorf("`%s`: %s", m[1], wrong)
		}
	}
	if queries < 40 {
		t.Errorf("%d queries: were they read?", queries)
	}
	sections := runbooks(t)
	for _, name := range alert.FindAllString(text, -1) {
		if sections[name] == "" {
			t.Errorf("%s: no such alert", name)
		}
	}
}
