package cli_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"magpipe_exporter/internal/cli"
)

func parse(t *testing.T, args ...string) *cli.Settings {
	t.Helper()
	s, err := cli.Parse("magpipe_exporter", args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDurationsHaveTheFormOfGoOrOfPrometheus(t *testing.T) {
	for given, want := range map[string]time.Duration{
		"0":      0,
		"0s":     0,
		"90s":    90 * time.Second,
		"1m30s":  90 * time.Second,
		"1.5h":   90 * time.Minute,
		"1d":     24 * time.Hour,
		"1w":     7 * 24 * time.Hour,
		"1w2d3h": (9*24 + 3) * time.Hour,
		"250ms":  250 * time.Millisecond,
	} {
		if got := parse(t, "--collector.finished-retention="+given).Collector.FinishedRetention; got != want {
			t.Errorf("%s is %v, want %v", given, got, want)
		}
	}
	for _, given := range []string{"", "30", "1x", "d", "-1d", "1.5d", "one day", "1s "} {
		_, err := cli.Parse("magpipe_exporter", []string{"--collector.finished-retention=" + given}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "--collector.finished-retention ($MAGPIPE_COLLECTOR_FINISHED_RETENTION) takes a duration such as 30s, 5m or 1d") {
			t.Errorf("%q: the error is %v", given, err)
		}
	}
}

// Variables are named MAGPIPE_ followed by the flag's name in capitals. Only flags about what is read and how have one.
func TestWhichFlagsReadAnEnvironmentVariable(t *testing.T) {
	app := kingpin.New("", "")
	cli.AddFlags(app)
	spell := strings.NewReplacer(".", "_", "-", "_")
	for _, f := range app.Model().Flags {
		area, _, _ := strings.Cut(f.Name, ".")
		want := ""
		switch area {
		case "api", "collector", "scrape", "state", "demo":
			want = "MAGPIPE_" + strings.ToUpper(spell.Replace(f.Name))
		}
		if f.Envar != want {
			t.Errorf("--%s reads %q, want %q", f.Name, f.Envar, want)
		}
	}
}

func TestAFlagBeatsItsVariableAndAVariableTheDefault(t *testing.T) {
	if got := parse(t).Collector.MaxBatches; got != 500 {
		t.Errorf("by default there are %d batches", got)
	}
	t.Setenv("MAGPIPE_COLLECTOR_MAX_BATCHES", "7")
	if got := parse(t).Collector.MaxBatches; got != 7 {
		t.Errorf("with the variable there are %d batches", got)
	}
	if got := parse(t, "--collector.max-batches=8").Collector.MaxBatches; got != 8 {
		t.Errorf("with flag and variable there are %d batches", got)
	}
}

func TestTheDemosBudgetIsGenerousUnlessOneIsGiven(t *testing.T) {
	if got := parse(t, "--demo").Limits.PerHour; got != 100_000 {
		t.Errorf("the demo may send %d requests an hour", got)
	}
	for _, given := range []string{"--api.requests-per-minute=40", "--api.requests-per-hour=500"} {
		if got := parse(t, "--demo", given).Limits.PerHour; got != 500 {
			t.Errorf("with %s the demo may send %d requests an hour", given, got)
		}
	}
	t.Setenv("MAGPIPE_API_REQUESTS_PER_HOUR", "600")
	if got := parse(t, "--demo").Limits.PerHour; got != 600 {
		t.Errorf("with a variable the demo may send %d requests an hour", got)
	}
}

func TestAKeyWithMoreAroundItIsRefusedAndItsSourceNamed(t *testing.T) {
	const key = "mgp_0123456789abcdef0123456789abcdef01234567"
	for given, says := range map[string]string{
		key:                       "",
		" " + key + "\n":          "",
		"c29tZSBrZXk=":            "", // base64
		`"` + key + `"`:           "in quotes",
		"'" + key + "'\n":         "in quotes",
		`"` + key:                 "in quotes",
		"MAGPIPE_API_KEY=" + key:  "an assignment",
		"API_KEY=\"" + key + "\"": "an assignment",
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(given), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("MAGPIPE_API_KEY", given)
		for source, args := range map[string][]string{"MAGPIPE_API_KEY: ": nil, "--api.key-file: ": {"--api.key-file=" + file}} {
			opened, err := parse(t, args...).OpenKey()
			switch {
			case says == "" && (err != nil || opened.Value() != strings.TrimSpace(given)):
				t.Errorf("%s%s is refused: %v", source, given, err)
			case says != "" && (err == nil || !strings.HasPrefix(err.Error(), source) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), key[:8])):
				t.Errorf("%s%s: the error is %v", source, given, err)
			}
		}
	}
}

func TestWithoutAKeyTheErrorNamesEachWayToGiveOne(t *testing.T) {
	t.Setenv("MAGPIPE_API_KEY", "")
	_, err := parse(t).OpenKey()
	if err == nil {
		t.Fatal("no error")
	}
	for _, way := range []string{"--api.key-file", "MAGPIPE_API_KEY_FILE", "MAGPIPE_API_KEY"} {
		if !strings.Contains(err.Error(), way) {
			t.Errorf("the error does not name %s: %v", way, err)
		}
	}
}
