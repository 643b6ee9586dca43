package acceptance

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"magpipe_exporter/collector"
	"magpipe_exporter/internal/cli"
)

// documented is a metric as the documentation and the page show it.
type documented struct {
	Type   string
	Labels []string
}

func TestMetricsPageMatchesTheProgram(t *testing.T) {
	t.Parallel()
	page := get(t, start(t, nil, "--demo", "--state.file="+filepath.Join(t.TempDir(), "state")).url+"/metrics").body
	metrics := metricsOf(t, page)
	for name, kind := range contract() {
		if notInTheDemo(name) {
			metrics[name] = documented{Type: kind}
			if strings.HasPrefix(name, "magpipe_batch_") {
				metrics[name] = documented{Type: kind, Labels: []string{"batch_id"}}
			}
		}
	}
	maps.DeleteFunc(metrics, func(name string, _ documented) bool { return !strings.HasPrefix(name, "magpipe_") })
	if diff := cmp.Diff(metrics, metricTables(t)); diff != "" {
		t.Errorf("metrics (-of the program +in docs/metrics.md):\n%s", diff)
	}
	delete(metrics, program+"_build_info")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(metrics)), described(t)); diff != "" {
		t.Errorf("metrics (-on the page +in the catalogue):\n%s", diff)
	}
}

// metricTables reads the rows `name` | type | labels | meaning.
func metricTables(t *testing.T) map[string]documented {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(magpipe_\\w+)` \\| (\\w+) \\| ([^|]*) \\| [^|]+ \\|$")
	quoted := regexp.MustCompile("`(\\w+)`")
	found := map[string]documented{}
	for _, m := range row.FindAllStringSubmatch(readFile(t, "docs/metrics.md"), -1) {
		d := documented{Type: m[2]}
		for _, label := range quoted.FindAllStringSubmatch(m[3], -1) {
			d.Labels = append(d.Labels, label[1])
		}
		slices.Sort(d.Labels)
		found[m[1]] = d
	}
	return found
}

// described lists the metrics that the collector announces.
func described(t *testing.T) []string {
	t.Helper()
	c := collector.New(collector.Config{})
	t.Cleanup(c.Close)
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	name := regexp.MustCompile(`fqName: "(\w+)"`)
	var names []string
	for d := range descs {
		names = append(names, name.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(names)
	return names
}

func TestPagesNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	metrics := metricTables(t)
	name := regexp.MustCompile("`(magpipe_[a-z_]+)`")
	for _, page := range pages(t) {
		for _, m := range name.FindAllStringSubmatch(readFile(t, page), -1) {
			_, exists := metrics[m[1]]
			family := func(metric string) bool { return strings.HasSuffix(m[1], "_") && strings.HasPrefix(metric, m[1]) }
			if !exists && m[1] != program && !slices.ContainsFunc(slices.Collect(maps.Keys(metrics)), family) {
				t.Errorf("%s: no metric %s", page, m[1])
			}
		}
	}
}

// setting is a flag as the documentation and the help text show it.
type setting struct{ Default, Env string }

func TestFlagsPageMatchesTheProgram(t *testing.T) {
	t.Parallel()
	help, page := execute(t, nil, "--help").out, readFile(t, "docs/flags.md")
	if diff := cmp.Diff(helpFlags(help), flagTable(page)); diff != "" {
		t.Errorf("flags (-of the program +in docs/flags.md):\n%s", diff)
	}
	variable := regexp.MustCompile(`\bMAGPIPE_[A-Z_]+`)
	unique := func(s string) []string {
		return slices.Compact(slices.Sorted(slices.Values(variable.FindAllString(s, -1))))
	}
	if diff := cmp.Diff(unique(help), unique(page)); diff != "" {
		t.Errorf("environment (-of the program +in docs/flags.md):\n%s", diff)
	}
}

// flagTable reads the rows `--flag` | default | environment | meaning.
func flagTable(page string) map[string]setting {
	row := regexp.MustCompile("(?m)^\\| `--([\\w.-]+)` \\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\|$")
	plain := strings.NewReplacer("`", "", "–", "")
	found := map[string]setting{}
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		found[m[1]] = setting{Default: plain.Replace(m[2]), Env: plain.Replace(m[3])}
	}
	return found
}

// helpFlags reads the help text. It does not show which flags are on by default: these are asked for in the code.
func helpFlags(help string) map[string]setting {
	on := map[string]bool{}
	app := kingpin.New("", "")
	cli.AddFlags(app)
	for _, f := range app.Model().Flags {
		on[f.Name] = slices.Equal(f.Default, []string{"true"})
	}
	head := regexp.MustCompile(`^(?:  -h, |      )--(\[no-\])?([\w.-]+)(?:=(\S*))?(?: |$)`)
	env := regexp.MustCompile(`\(\$(\w+)\)`)
	found := map[string]setting{}
	name := ""
	for line := range strings.Lines(help) {
		if m := head.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			name = m[2]
			value := strings.Trim(m[3], `"`)
			switch {
			case m[1] != "" && on[name]:
				value = "on"
			case m[1] != "":
				value = "off"
			case value == strings.ToUpper(name): // a placeholder, because there is no default
				value = ""
			}
			found[name] = setting{Default: value}
		}
		if m := env.FindStringSubmatch(line); m != nil {
			found[name] = setting{Default: found[name].Default, Env: m[1]}
		}
	}
	return found
}

// pages are the paths of all pages of the documentation.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", ".cache", "dist", "testdata"}, entry.Name()):
			return fs.SkipDir
		case path.Ext(file) == ".md":
			found = append(found, file)
		}
		return nil
	})
	if err != nil || !slices.Contains(found, "README.md") || !slices.Contains(found, "docs/metrics.md") {
		t.Fatalf("the pages are %v: %v", found, err)
	}
	return found
}

// fences are blocks of code, in which nothing is a link or a heading.
var fences = regexp.MustCompile("(?ms)^ *```.*?^ *```$")

func TestEveryLinkOfEveryPageResolves(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(readFile(t, page), ""), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			to := page
			if target != "" {
				to = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
			} else if anchor != "" && !slices.Contains(anchors(readFile(t, to)), anchor) {
				t.Errorf("%s: %s has no heading for #%s", page, to, anchor)
			}
		}
	}
}

// anchors are those that GitHub gives to the headings of a page.
func anchors(page string) []string {
	heading := regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	linked := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\p{M}_ -]`)
	var found []string
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		text := dropped.ReplaceAllString(strings.ToLower(linked.ReplaceAllString(m[1], "$1")), "")
		anchor := strings.ReplaceAll(text, " ", "-")
		if n := seen[anchor]; n > 0 {
			found = append(found, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			found = append(found, anchor)
		}
		seen[anchor]++
	}
	return found
}

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	t.Parallel()
	page := "# One\n\n```sh\n# no heading\n```\n## What's `a_b` (1)?\n### Two – three\n## One\n## A [link](x.md)\n"
	if diff := cmp.Diff([]string{"one", "whats-a_b-1", "two--three", "one-1", "a-link"}, anchors(page)); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}

func TestCommandsOfThePagesExist(t *testing.T) {
	t.Parallel()
	target := regexp.MustCompile("(?m)(?:`|^ *|&& )make ([a-z0-9-]+)")
	goTest := regexp.MustCompile(`go test (\./\S+)[^\n]*?-run (?:'([^']+)'|(\w+))`)
	makefile, tests := readFile(t, "Makefile"), testsOf(t)
	for _, page := range pages(t) {
		text := readFile(t, page)
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: the Makefile has no target %s", page, m[1])
			}
		}
		for _, m := range goTest.FindAllStringSubmatch(text, -1) {
			pattern := regexp.MustCompile(strings.ReplaceAll(m[2]+m[3], `\|`, "|")) // as a table has to write it
			if !slices.ContainsFunc(tests[path.Clean(m[1])], pattern.MatchString) {
				t.Errorf("%s: %s runs no test", page, m[0])
			}
		}
	}
}

// testsOf lists the tests by directory.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	form := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	tests, here := map[string][]string{}, os.DirFS(root)
	err := fs.WalkDir(here, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(here, file)
		for _, m := range form.FindAllSubmatch(source, -1) {
			tests[path.Dir(file)] = append(tests[path.Dir(file)], string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestEachPromiseOfSECURITYIsHeldByTests(t *testing.T) {
	t.Parallel()
	tests := slices.Concat(slices.Collect(maps.Values(testsOf(t)))...)
	promises := regexp.MustCompile(`(?m)^\| ([A-Z][^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(readFile(t, "SECURITY.md"), -1)
	if len(promises) == 0 {
		t.Error("there is no promise")
	}
	for _, m := range promises {
		named := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(m[2], -1)
		if len(named) == 0 {
			t.Errorf("no test holds this promise: %s", m[1])
		}
		for _, name := range named {
			if !slices.Contains(tests, name[1]) {
				t.Errorf("%s, which should hold a promise, does not exist", name[1])
			}
		}
	}
}
