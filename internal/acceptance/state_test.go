package acceptance

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/internal/acceptance/process"
)

// calling is an account that calls all the time.
func calling() *simulator.Account {
	account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
	for range 3 {
		account.Add(simulator.Campaign{Name: "Renewals", Recipients: 5000, MaxConcurrency: 5, DialEvery: 100 * time.Millisecond, CallLength: 50 * time.Millisecond})
	}
	return account
}

// withoutBudget are flags with which each scrape reads everything.
func withoutBudget(more ...string) []string {
	return append(more, "--collector.min-refresh=0s", "--api.requests-per-minute=6000", "--api.requests-per-hour=100000")
}

// counted returns the counter of calls that ended on a page.
func counted(t *testing.T, page string) (n float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^magpipe_calls_finished_total{.*} (\S+)$`).FindAllStringSubmatch(page, -1) {
		value, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		n += value
	}
	return n
}

// scraped returns a whole page, or an error if the exporter has died.
func scraped(t *testing.T, url string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	return string(page), err
}

// TestNoCounterFallsHoweverTheExporterIsKilled kills the exporter at random moments
// while it is scraped.
func TestNoCounterFallsHoweverTheExporterIsKilled(t *testing.T) {
	t.Parallel()
	account, random := calling(), rand.New(rand.NewPCG(1, 2))
	state := filepath.Join(t.TempDir(), "state")
	args := withoutBudget("--api.url="+serveAPI(t, account.ServeHTTP), "--state.file="+state)
	last := 0.0
	for range 8 {
		p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, args...)
		dead := time.AfterFunc(time.Duration(50+random.IntN(400))*time.Millisecond, p.Kill)
		for {
			page, err := scraped(t, p.url)
			if err != nil {
				break // it is dead
			}
			n := counted(t, page)
			if n < last {
				t.Fatalf("%v calls after %v", n, last)
			}
			last = n
		}
		dead.Stop()
		p.Kill()
	}
	if last < 20 {
		t.Errorf("%v calls: too few to prove anything", last)
	}
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, args...)
	if n := counted(t, get(t, p.url+"/metrics").body); n < last {
		t.Errorf("%v calls after %v", n, last)
	}
	stop(t, p)
	if names := filesBeside(t, state); !slices.Equal(names, []string{"state", "state.lock", "state.tmp"}) {
		t.Errorf("the folder has %v", names)
	}
	info, err := os.Stat(state)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
}

// stop stops an exporter with SIGTERM.
func stop(t *testing.T, p exporter) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if p.ExitCode() != 0 {
		t.Errorf("it exits with %d: %s", p.ExitCode(), p.LogEnd(3))
	}
}

func filesBeside(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestAStateFileThatCannotBeHadExitsWith1(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	start(t, nil, "--demo", "--state.file="+state)
	execute(t, nil, "--demo", freePort, "--state.file="+state).wantOneError(t, 1, "--state.file: another process uses this file")
	folder := filepath.Join(t.TempDir(), "none")
	execute(t, nil, "--demo", freePort, "--state.file="+filepath.Join(folder, "state")).wantOneError(t, 1, "--state.file: the directory "+folder+" does not exist")
	execute(t, nil, "--demo", freePort, "--state.file="+t.TempDir()).wantOneError(t, 1, "is not a regular file")
}

func TestOnceDoesNotUseTheStateFile(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	get(t, start(t, nil, "--demo", "--state.file="+state).url+"/metrics") // now that it is ready, nothing is read without a scrape
	before, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	once := execute(t, nil, "--demo", "--once", "--state.file="+state)
	if after, err := os.ReadFile(state); once.code != 0 || err != nil || !bytes.Equal(before, after) || strings.Contains(once.out, "magpipe_exporter_state_") {
		t.Errorf("it exits with %d, %v: %s", once.code, err, once.err)
	}
}

func TestTheDemoDoesNotCountAnotherDemosCalls(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	for range 2 {
		p := start(t, nil, "--demo", "--collector.min-refresh=0s", "--state.file="+state)
		page := get(t, p.url+"/metrics").body
		started := regexp.MustCompile(`\nmagpipe_calls_started_total (\d+)\n`).FindStringSubmatch(page)
		if started == nil || len(started[1]) > 2 {
			t.Errorf("so many calls are counted: %q", started)
		}
		if !strings.Contains(page, "\nmagpipe_exporter_state_saved_timestamp_seconds ") {
			t.Error("the state was not saved")
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestAStateFileOnAReadOnlyDiskIsAWarning(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start the exporter as a user who may not write in the folder")
	}
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Dir(folder)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := command(nil, "--demo", freePort, "--state.file="+filepath.Join(folder, "state"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	served, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(served.Kill)
	page := get(t, "http://"+served.Address+"/metrics").body
	if !strings.Contains(page, "\nmagpipe_up 1\n") || strings.Contains(page, "\nmagpipe_exporter_state_save_failures_total 0\n") || strings.Contains(page, "\nmagpipe_exporter_state_saved_timestamp_seconds") {
		t.Error("it does not serve, or does not tell that the state is not saved")
	}
	get(t, "http://"+served.Address+"/metrics")
	served.Kill()
	if n := strings.Count(served.Log(), "level=warn"); n != 2 { // the demo and the state
		t.Errorf("%d warnings:\n%s", n, served.Log())
	}
}
