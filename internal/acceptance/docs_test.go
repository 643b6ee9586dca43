package acceptance

import (
	"io/fs"
	"maps"
	"os"
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

// documented is a metric as README and the page tell of it.
type documented struct {
	Type   string
	Labels []string
}

// listed is a flag as README and the help text tell of it.
type listed struct{ Default, Env string }

func TestREADMEHelpAndCatalogueAgree(t *testing.T) {
	t.Parallel()
	readme := readFile(t, "README.md")

	metrics := metricsOf(t, execute(t, nil, "--demo", "--once").out)
	for name, kind := range contract() {
		if notInTheDemo(name) {
			metrics[name] = documented{Type: kind}
		}
	}
	maps.DeleteFunc(metrics, func(name string, _ documented) bool { return !strings.HasPrefix(name, "magpipe_") })
	if diff := cmp.Diff(metrics, metricTables(readme)); diff != "" {
		t.Errorf("metrics (-the program's +README's):\n%s", diff)
	}
	delete(metrics, program+"_build_info")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(metrics)), described(t)); diff != "" {
		t.Errorf("metrics (-on the page +in the catalogue):\n%s", diff)
	}

	help := execute(t, nil, "--help").out
	if diff := cmp.Diff(helpFlags(help), flagTable(readme)); diff != "" {
		t.Errorf("flags (-the program's +README's):\n%s", diff)
	}
	variable := regexp.MustCompile(`\bMAGPIPE_[A-Z_]+`)
	unique := func(s string) []string {
		return slices.Compact(slices.Sorted(slices.Values(variable.FindAllString(s, -1))))
	}
	if diff := cmp.Diff(unique(help), unique(readme)); diff != "" {
		t.Errorf("environment (-the program's +README's):\n%s", diff)
	}
}

// metricTables reads the rows `name` | type | labels | meaning.
func metricTables(readme string) map[string]documented {
	row := regexp.MustCompile("(?m)^\\| `(magpipe_\\w+)` \\| (\\w+) \\| ([^|]*) \\| [^|]+ \\|$")
	quoted := regexp.MustCompile("`(\\w+)`")
	found := map[string]documented{}
	for _, m := range row.FindAllStringSubmatch(readme, -1) {
		d := documented{Type: m[2]}
		for _, label := range quoted.FindAllStringSubmatch(m[3], -1) {
			d.Labels = append(d.Labels, label[1])
		}
		slices.Sort(d.Labels)
		found[m[1]] = d
	}
	return found
}

// flagTable reads the rows `--flag` | default | environment | meaning.
func flagTable(readme string) map[string]listed {
	row := regexp.MustCompile("(?m)^\\| `--([\\w.-]+)` \\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\|$")
	plain := strings.NewReplacer("`", "", "–", "")
	found := map[string]listed{}
	for _, m := range row.FindAllStringSubmatch(readme, -1) {
		found[m[1]] = listed{Default: plain.Replace(m[2]), Env: plain.Replace(m[3])}
	}
	return found
}

// helpFlags reads the help text, which shows neither a default nor a missing
// value of what is on or off: those that are on are asked for in the code.
func helpFlags(help string) map[string]listed {
	on := map[string]bool{}
	app := kingpin.New("", "")
	cli.AddFlags(app)
	for _, f := range app.Model().Flags {
		on[f.Name] = slices.Equal(f.Default, []string{"true"})
	}
	head := regexp.MustCompile(`^(?:  -h, |      )--(\[no-\])?([\w.-]+)(?:=(\S*))?(?: |$)`)
	env := regexp.MustCompile(`\(\$(\w+)\)`)
	found := map[string]listed{}
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
			case value == strings.ToUpper(name): // stands for a value, where there is no default
				value = ""
			}
			found[name] = listed{Default: value}
		}
		if m := env.FindStringSubmatch(line); m != nil {
			found[name] = listed{Default: found[name].Default, Env: m[1]}
		}
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

func TestEachPromiseOfSECURITYIsHeldByTests(t *testing.T) {
	t.Parallel()
	tests, form := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	here := os.DirFS(root)
	err := fs.WalkDir(here, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(here, path)
		for _, m := range form.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
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
			if !tests[name[1]] {
				t.Errorf("%s, which is to hold a promise, does not exist", name[1])
			}
		}
	}
}
