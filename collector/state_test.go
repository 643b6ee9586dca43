package collector_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// ofThisProcess are the lines of a page that do not go on after a restart.
var ofThisProcess = regexp.MustCompile(`(?m)^(magpipe_up|magpipe_exporter_state_saved_timestamp_seconds|magpipe_exporter_api_budget_remaining_requests) .*\n`)

func TestAPageAfterARestartIsTheOneBefore(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		oddRows(a)
		a.Add(simulator.Campaign{ID: "daily", Status: "recurring", Recipients: 2, Recurrence: "daily"})
		a.Start(a.Spawn("daily"))
	}, func(w *world) {
		w.scrape()
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		w.account.SetRecipient("a", 5, shortCall("failed"))
		before := w.scrapeFor(10 * time.Minute)
		for name, restart := range map[string]func(time.Duration){"stop": w.restart, "crash": w.crash} {
			restart(time.Second)
			if diff := cmp.Diff(ofThisProcess.ReplaceAllString(before, ""), ofThisProcess.ReplaceAllString(w.page(), "")); diff != "" {
				t.Errorf("after a %s (-before +after):\n%s", name, diff)
			}
			w.has(w.page(), "magpipe_up 0")
		}
		w.has(w.scrapeAfter(time.Second), "magpipe_up 1", `magpipe_batch_answered_recipients{batch_id="a"} 2`, `magpipe_calls_answered_total 1`)
	}, withoutLimits, withState(t))
}

func TestTheFirstPageAfterARestartHasEverything(t *testing.T) {
	const running = 200
	inWorld(t, movingAccount{batches: running, running: running, moving: 10, recipients: 500}.fill, func(w *world) {
		w.refreshFor(30 * time.Minute)
		w.restart(20 * time.Minute)
		if n := strings.Count(w.scrape(), "\nmagpipe_batch_attempted_recipients{"); n != running {
			t.Errorf("the first page shows the recipients of %d batches, want %d", n, running)
		}
	}, withState(t))
}

func TestCallsThatEndWhileTheExporterIsDownCount(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
		a.Add(simulator.Campaign{ID: "ended", Status: "completed", Recipients: 1, CompletedAt: at(0, 30, 0)})
	}, func(w *world) {
		w.scrapeFor(time.Minute)
		w.collector.Close()
		w.account.SetRecipient("a", 4, answered(20*time.Second))
		completeReminders(w.account, "a")
		w.account.SetRecipient("b", 4, shortCall("busy"))
		w.account.Complete("b")
		time.Sleep(time.Minute)
		w.account.Rerun("b") // erases a call that nobody has read
		w.account.SetRecipient("b", 5, shortCall("failed"))
		w.account.Rerun("ended")
		w.account.SetRecipient("ended", 0, shortCall("no_answer"))
		w.account.Add(simulator.Campaign{ID: "new", Recipients: 1})
		w.account.SetRecipient("new", 0, shortCall("canceled"))
		time.Sleep(70 * time.Minute)
		w.start()
		w.has(w.scrapeFor(10*time.Minute), `magpipe_calls_started_total 4`, `magpipe_calls_finished_total{outcome="completed"} 2`,
			`magpipe_calls_finished_total{outcome="busy"} 0`, `magpipe_calls_finished_total{outcome="failed"} 1`,
			`magpipe_calls_finished_total{outcome="no_answer"} 1`, `magpipe_calls_finished_total{outcome="canceled"} 1`, `magpipe_calls_answered_total 1`)
	}, withState(t))
}

func TestReadySaysThatABudgetSpentBeforeTheRestartDelaysTheFirstRead(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.crash(time.Second)
		w.scrape()
		if err := w.collector.Ready(); err == nil || err.Error() != "no batch list has been read yet: the request budget is spent for now" {
			t.Error(err)
		}
		w.refreshFor(10 * time.Minute)
		if err := w.collector.Ready(); err != nil {
			t.Error(err)
		}
	}, withState(t))
}

func TestABatchThatIsGoneAfterARestartLosesItsSeries(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.collector.Close()
		w.account.Delete("a")
		time.Sleep(time.Second)
		w.start()
		w.has(w.scrape(), "!magpipe_batch_info", `magpipe_batches{status="running"} 0`)
	}, withState(t))
}

func TestRestoredDataIsDroppedLikeAnyOther(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.collector.Close()
		w.account.Inject(simulator.Fault{Status: 503})
		time.Sleep(time.Hour)
		w.start()
		w.has(w.scrape(), "magpipe_up 0")
		w.has(w.scrapeFor(time.Minute), "magpipe_up 0", "!magpipe_batch", "magpipe_list_refreshed_timestamp_seconds 9.466884e+08")
	}, withState(t))
}

// TestACrashLoopWithAStateFileStaysWithinTheLimits starts the exporter each minute
// of an hour, and kills it before or after a scrape.
func TestACrashLoopWithAStateFileStaysWithinTheLimits(t *testing.T) {
	inWorld(t, movingAccount{batches: 60, running: 60, moving: 60, recipients: 60}.fill, func(w *world) {
		w.refreshFor(time.Hour)
		for i := range 60 {
			if i%2 == 0 {
				w.collector.Refresh(w.Context()) // and dies before anything is exposed
			} else {
				w.refreshFor(30 * time.Second)
			}
			w.crash(time.Minute - time.Duration(i%2)*30*time.Second)
		}
		w.refreshFor(time.Hour)
		if n := refusals(w.account.Requests()); n > 0 {
			t.Errorf("the API refused %d requests", n)
		}
	}, withLimits(100, 1000), withState(t))
}

// openWith opens a state file with some contents.
func openWith(t *testing.T, contents []byte) (files []string, logged string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	if contents != nil {
		if err := os.WriteFile(path, contents, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	api := &url.URL{Scheme: "https", Host: "magpipe.example", Path: "/batch-calls"}
	state, err := collector.OpenState(path, api, log.NewLogfmtLogger(&out))
	if err == nil {
		c := collector.New(collector.Config{State: state})
		c.Close()
	}
	files, globErr := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if globErr != nil {
		t.Fatal(globErr)
	}
	for i := range files {
		files[i] = regexp.MustCompile(`\d{8}T\d{6}Z`).ReplaceAllString(filepath.Base(files[i]), "TIME")
	}
	return files, out.String(), err
}

func TestAStateFileThatCannotBeUsedIsSetAside(t *testing.T) {
	var good []byte
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		good = w.readState()
	}, withState(t))
	for name, c := range map[string]struct {
		contents []byte
		says     string
	}{
		"no file":            {nil, ""},
		"good":               {good, ""},
		"empty":              {[]byte{}, "first line"},
		"foreign":            {[]byte("# HELP x\n"), "first line"},
		"cut":                {good[:len(good)-1], "bytes"},
		"one bit is another": {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "checksum"},
		"of another version": {bytes.Replace(good, []byte("state 1 "), []byte("state 2 "), 1), "version"},
	} {
		t.Run(name, func(t *testing.T) {
			files, logged, err := openWith(t, c.contents)
			want := []string{"state", "state.lock", "state.tmp"}
			if c.says != "" {
				want = []string{"state", "state.bad-TIME", "state.lock", "state.tmp"}
			}
			if diff := cmp.Diff(want, files); diff != "" || err != nil {
				t.Errorf("%v, files (-want +got):\n%s", err, diff)
			}
			if !strings.Contains(logged, c.says) || strings.Count(logged, "\n") != min(1, len(c.says)) {
				t.Errorf("logged %q", logged)
			}
		})
	}
}

func TestTheStateOfAnotherAccountIsSetAside(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		w.collector.Close()
		w.settings.url = "https://other.example/batch-calls"
		w.start()
		w.has(w.page(), "!magpipe_batch_info")
		if !strings.Contains(w.logged.String(), "it belongs to the API at https://magpipe.example/batch-calls") {
			t.Errorf("logged %s", w.logged.String())
		}
	}, withState(t))
}

func TestOnlyOneProcessUsesAStateFile(t *testing.T) {
	path, api := filepath.Join(t.TempDir(), "state"), &url.URL{Scheme: "https", Host: "magpipe.example"}
	first, err := collector.OpenState(path, api, log.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collector.OpenState(path, api, log.NewNopLogger()); !errors.Is(err, collector.ErrStateInUse) {
		t.Errorf("a second process: %v", err)
	}
	collector.New(collector.Config{State: first}).Close()
	second, err := collector.OpenState(path, api, log.NewNopLogger())
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	collector.New(collector.Config{State: second}).Close()
}

func TestAFolderThatDoesNotExistIsAnError(t *testing.T) {
	_, err := collector.OpenState(filepath.Join(t.TempDir(), "none", "state"), &url.URL{}, log.NewNopLogger())
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}

func TestAStateThatCannotBeSavedIsOneWarningAndAMetric(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.has(w.scrape(), `magpipe_exporter_state_save_failures_total 0`, `magpipe_exporter_state_saved_timestamp_seconds 9.466884e+08`)
		folder := filepath.Dir(w.settings.stateFile)
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		w.account.SetRecipient("a", 4, shortCall("failed"))
		w.has(w.scrapeFor(time.Minute), `magpipe_calls_finished_total{outcome="failed"} 1`, `magpipe_exporter_state_saved_timestamp_seconds 9.466884e+08`, "!magpipe_exporter_state_save_failures_total 0")
		if n := strings.Count(w.logged.String(), "the state file could not be written"); n != 1 {
			t.Errorf("%d lines of the log:\n%s", n, w.logged.String())
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		w.has(w.scrapeAfter(15*time.Second), fmt.Sprintf("magpipe_exporter_state_saved_timestamp_seconds %v", float64(time.Now().Unix())))
		w.crash(0)
		w.has(w.page(), `magpipe_calls_finished_total{outcome="failed"} 1`)
	}, withState(t))
}

// TestAProcessThatIsKilledWhileItWritesLeavesTheOldOrTheNewState has a file as each
// step of a write leaves it.
func TestAProcessThatIsKilledWhileItWritesLeavesTheOldOrTheNewState(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		older := w.readState()
		w.account.SetRecipient("a", 4, shortCall("failed"))
		w.scrapeFor(time.Minute)
		newer := w.readState()
		temporary := filepath.Join(w.settings.stateFile+".tmp", ".state123456")
		for name, step := range map[string]struct {
			file, temporary []byte
			failed          int
		}{
			"before the temporary":    {older, nil, 0},
			"in the temporary":        {older, newer[:len(newer)/2], 0},
			"before the rename":       {older, newer, 0},
			"after the rename":        {newer, nil, 1},
			"in the next temporary":   {newer, newer[:10], 1},
			"with an empty temporary": {newer, []byte{}, 1},
		} {
			w.collector.Close()
			w.writeState(step.file)
			if step.temporary != nil {
				if err := os.WriteFile(temporary, step.temporary, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.start()
			if got := w.values("magpipe_calls_finished_total")["failed"]; got != float64(step.failed) {
				t.Errorf("%s: %v failed calls, want %d", name, got, step.failed)
			}
			if _, err := os.Stat(temporary); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the temporary file is still there: %v", name, err)
			}
		}
	}, withState(t))
}

func TestAScrapeThatBringsNothingNewWritesNothing(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		before := w.scrape()
		for range 4 {
			w.scrapeAfter(2 * time.Second)
		}
		if ofState := "magpipe_exporter_state_saved_timestamp_seconds"; ofMetric(before, ofState+" ") != ofMetric(w.page(), ofState+" ") {
			t.Error("the state was saved within 8 s of a refresh")
		}
	}, withState(t))
}

func TestNamesAreInTheStateOnlyIfThePageHasThem(t *testing.T) {
	for _, names := range []bool{true, false} {
		inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
			w.scrape()
			if got := bytes.Contains(w.readState(), []byte("Appointment")); got != names {
				t.Errorf("with names %v, the state has them: %v", names, got)
			}
		}, withState(t), withConfig(func(c *collector.Config) { c.BatchNames = names }))
	}
}

// TestAProcessThatIsKilledWhileItSpendsAFullBucketBreaksNoLimit has 250 batches
// start at once, so that a refresh spends all that there is.
func TestAProcessThatIsKilledWhileItSpendsAFullBucketBreaksNoLimit(t *testing.T) {
	const batches = 250
	inWorld(t, func(a *simulator.Account) {
		for i := range batches {
			a.Add(simulator.Campaign{ID: fmt.Sprint("batch-", i), Recipients: 2, Status: "draft"})
		}
	}, func(w *world) {
		w.scrapeFor(time.Hour)
		for i := range batches {
			w.account.Start(fmt.Sprint("batch-", i))
		}
		for range 2 {
			saved := w.readState()
			time.Sleep(scrapeInterval)
			w.collector.Begin()
			time.Sleep(9 * time.Second)
			w.collector.Close()
			w.writeState(saved)
			time.Sleep(time.Second)
			w.start()
		}
		w.scrapeFor(time.Minute)
		if n := refusals(w.account.Requests()); n > 0 {
			t.Errorf("the API refused %d requests", n)
		}
	}, withLimits(100, 1000), withState(t))
}

func TestAStateFileBehindALinkIsReplacedWhereItIs(t *testing.T) {
	volume, link := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(volume, link); err != nil {
		t.Fatal(err)
	}
	state, err := collector.OpenState(link, &url.URL{Scheme: "https", Host: "a.example"}, log.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	collector.New(collector.Config{State: state}).Close()
	info, err := os.Lstat(link)
	if _, there := os.Stat(volume); there != nil || err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v: the link is now %v", there, err, info.Mode())
	}
}

func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		before := w.collector
		w.restart(time.Second)
		w.scrapeFor(time.Minute)
		saved := w.readState()
		time.Sleep(time.Minute)
		if _, err := before.Gather(); err != nil || !bytes.Equal(saved, w.readState()) {
			t.Errorf("%v, or a process that has ended wrote the file of the next one", err)
		}
	}, withState(t))
}
