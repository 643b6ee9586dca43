package cli_test

import (
	"io"
	"strings"
	"testing"

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

// The variables are MAGPIPE_ and the flag's name in capitals, for the flags that say what is read and how.
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
