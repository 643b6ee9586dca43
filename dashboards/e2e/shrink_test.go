//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// factor divides every range, offset, step, interval and `for` of the shipped rules, and the intervals of the shipped
// prometheus.yml: an hour becomes four minutes. What compares with a time of the API, such as half an hour without a
// dial, stays, for the demo has history enough.
const factor = 15

// confidence replaces the quantile with which the rules tell a share of calls from chance. A range divided by 15 holds a
// fifteenth of the calls, which are too few to be as sure.
const confidence = "1.3"

// repository stands for where an operator's copy of the runbooks can be read.
const repository = "https://git.example.com/you/magpipe_exporter/blob/main"

const span = `(?:\d+(?:ms|[smhdw]))+`

// shrink divides a duration as Prometheus spells it.
func shrink(t *testing.T, text string) string {
	t.Helper()
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute,
		"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
	var whole time.Duration
	for _, part := range regexp.MustCompile(`(\d+)(ms|[smhdw])`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(part[1])
		if err != nil {
			t.Fatal(err)
		}
		whole += time.Duration(n) * units[part[2]]
	}
	return fmt.Sprintf("%dms", (whole / factor).Milliseconds())
}

// script is a shipped file while it is rewritten.
type script struct{ path, text string }

func shipped(t *testing.T, path string) *script {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &script{path: path, text: string(raw)}
}

// replace fails where the pattern is not found as often as it was when this was written: the file has changed, and what
// is rewritten here has to follow.
func (s *script) replace(t *testing.T, times int, pattern, by string) {
	t.Helper()
	expr := regexp.MustCompile(pattern)
	if n := len(expr.FindAllString(s.text, -1)); n != times {
		t.Fatalf("%s has %s %d times, want %d", s.path, pattern, n, times)
	}
	s.text = expr.ReplaceAllString(s.text, by)
}

// shrinkAll divides every duration that the pattern finds, which holds nothing else but durations in its groups.
func (s *script) shrinkAll(t *testing.T, pattern string) (n int) {
	t.Helper()
	s.text = regexp.MustCompile(pattern).ReplaceAllStringFunc(s.text, func(found string) string {
		n++
		return regexp.MustCompile(span).ReplaceAllStringFunc(found, func(d string) string { return shrink(t, d) })
	})
	return n
}

func (s *script) save(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(s.text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shrinkRules divides the times of one rule file, and fails where a time may have been passed over.
func (s *script) shrinkRules(t *testing.T) {
	t.Helper()
	s.text = regexp.MustCompile(`(?m)^ *#.*\n`).ReplaceAllString(s.text, "")
	for pattern, all := range map[string]string{
		`(?m)^ *(?:for|interval|keep_firing_for): ` + span + `$`: `(?m)^ *(?:for|interval|keep_firing_for):`,
		`\[` + span + `(?::(?:` + span + `)?)?\]`:                `\[[^\].]*\d[^\].]*\]`,
		`\boffset -?` + span + `\b`:                              `\boffset\b`,
	} {
		want := len(regexp.MustCompile(all).FindAllString(s.text, -1))
		if n := s.shrinkAll(t, pattern); n != want {
			t.Fatalf("%s: %d of %d durations are spelled as %s", s.path, n, want, pattern)
		}
	}
}

// copyRules puts the shipped rules, shrunk, and their tests, which no pattern of the config may take for rules, into dir.
func copyRules(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("../rules")); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../rules/*.yml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("%v %v", paths, err)
	}
	for _, path := range paths {
		s := shipped(t, path)
		s.shrinkRules(t)
		if filepath.Base(path) == "magpipe-recording.yml" {
			s.replace(t, 8, `\b2\.58\b`, confidence)
		}
		s.save(t, filepath.Join(dir, filepath.Base(path)))
	}
}

// copyPrometheusConfig keeps all but intervals and addresses, and sets what the file offers to set.
func copyPrometheusConfig(t *testing.T, dir, exporter, alertmanager string) {
	t.Helper()
	s := shipped(t, "../prometheus.yml")
	for _, key := range []string{"scrape_interval", "evaluation_interval"} {
		if n := s.shrinkAll(t, `(?m)^  `+key+`: `+span+`$`); n != 1 {
			t.Fatalf("%s has %s %d times", s.path, key, n)
		}
	}
	// As much as fits into the interval.
	s.replace(t, 1, `(?m)^  scrape_timeout: 10s$`, "  scrape_timeout: "+shrink(t, "15s"))
	s.replace(t, 1, `"localhost:10240"`, strconv.Quote(exporter))
	s.replace(t, 1, `"localhost:9093"`, strconv.Quote(alertmanager))
	s.replace(t, 1, `# (external_labels:)\n  # (  magpipe_repository:) https://\S+`, "$1\n  $2 "+repository)
	s.save(t, filepath.Join(dir, "prometheus.yml"))
	copyRules(t, filepath.Join(dir, "rules"))
}

// copyAlertmanagerConfig keeps routes, groups and inhibition. Notifications are repeated every few seconds, so that one
// that stays away shows.
func copyAlertmanagerConfig(t *testing.T, dir, receiver string) (path string) {
	t.Helper()
	s := shipped(t, "../alertmanager.yml")
	s.replace(t, 3, `http://127\.0\.0\.1:9095/`, receiver+"/")
	s.replace(t, 2, `(?m)^( +group_wait:) \d+s$`, "$1 1s")
	s.replace(t, 1, `(?m)^( +group_interval:) 5m$`, "$1 2s")
	s.replace(t, 3, `(?m)^( +repeat_interval:) \d+[hd]$`, "$1 4s")
	path = filepath.Join(dir, "alertmanager.yml")
	s.save(t, path)
	return path
}

func TestDurationsAreDivided(t *testing.T) {
	t.Parallel()
	s := &script{path: "a rule", text: strings.Join([]string{
		"  for: 5m", `    rate(x{le=~"5|5[.]0"}[1h30m]) or last_over_time(y[15m:1m] offset 1d)`, "  # for: [bad]", "",
	}, "\n")}
	s.shrinkRules(t)
	want := "  for: 20000ms\n" + `    rate(x{le=~"5|5[.]0"}[360000ms]) or last_over_time(y[60000ms:4000ms] offset 5760000ms)` + "\n"
	if s.text != want {
		t.Errorf("got\n%s\nwant\n%s", s.text, want)
	}
}
