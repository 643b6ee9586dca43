package logging_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log/level"

	"magpipe_exporter/internal/logging"
)

func TestLinesHaveOneOrderOfKeysWhoeverWritesThem(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	own, bridged := logging.New(&written, logging.Config{})
	for _, err := range []error{
		level.Warn(own).Log("msg", "one", "time_left", "2s"),
		level.Info(own).Log("msg", "two", "action", "list"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bridged.Warn("three", "address", "127.0.0.1:1")
	bridged.With("component", "web").Info("four")
	slog.NewLogLogger(bridged.Handler(), slog.LevelError).Print("five")
	order := regexp.MustCompile(`^time=\S+Z level=(warn|info|error) caller=logging_test.go:\d+ msg=\w+( [a-z_]+=\S+)?$`)
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	for _, line := range lines {
		if !order.MatchString(line) {
			t.Errorf("this line has another order, or another caller than this file: %s", line)
		}
	}
	if len(lines) != 5 {
		t.Errorf("want five lines:\n%s", written.String())
	}
}

// A key that comes again is a value of the message.
func TestOnlyTheFirstOfEachKeyIsMoved(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	own, _ := logging.New(&written, logging.Config{})
	if err := level.Info(own).Log("msg", "one", "caller", "Jane"); err != nil {
		t.Fatal(err)
	}
	if line := strings.TrimSpace(written.String()); !strings.HasSuffix(line, "msg=one caller=Jane") {
		t.Errorf("the line is %s", line)
	}
}

func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	_, bridged := logging.New(&written, logging.Config{Format: "json"})
	record := slog.NewRecord(time.Date(2026, 7, 1, 2, 0, 0, 0, time.FixedZone("CEST", 7200)), slog.LevelInfo, "one", 0)
	if err := bridged.Handler().Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	var line struct{ Time, Level, Msg string }
	if err := json.Unmarshal([]byte(written.String()), &line); err != nil || line.Time != "2026-07-01T00:00:00Z" || line.Level != "info" || line.Msg != "one" {
		t.Errorf("%v: %s", err, written.String())
	}
}

func TestEachLevelLogsItselfAndWhatIsAboveIt(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"debug": "dDiIwWeE", "info": "iIwWeE", "warn": "wWeE", "error": "eE", "": "iIwWeE"} {
		var written strings.Builder
		own, bridged := logging.New(&written, logging.Config{Level: name})
		_ = level.Debug(own).Log("msg", "d")
		bridged.Debug("D")
		_ = level.Info(own).Log("msg", "i")
		bridged.Info("I")
		_ = level.Warn(own).Log("msg", "w")
		bridged.Warn("W")
		_ = level.Error(own).Log("msg", "e")
		bridged.Error("E")
		var got strings.Builder
		for _, m := range regexp.MustCompile(`msg=(\w)`).FindAllStringSubmatch(written.String(), -1) {
			got.WriteString(m[1])
		}
		if got.String() != want {
			t.Errorf("at level %q the messages are %s, want %s", name, got.String(), want)
		}
	}
}

func TestAKeyInALineIsHidden(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"logfmt", "json"} {
		var written strings.Builder
		own, bridged := logging.New(&written, logging.Config{Format: format})
		_ = level.Error(own).Log("msg", "open mgp_0123456789abcdef: no such file")
		bridged.Error("no host", "host", "mgp_0123456789abcdef")
		if strings.Contains(written.String(), "0123456789") || strings.Count(written.String(), "hidden") != 2 {
			t.Errorf("%s: %s", format, written.String())
		}
	}
}

func TestOfWhatTheStandardLibraryLogsNothingQuotedIsRepeated(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"debug": "Unsolicited response starting with|no quote", "info": ""} {
		var written strings.Builder
		_, bridged := logging.New(&written, logging.Config{Level: level})
		standard := log.New(logging.Standard(bridged), "", 0)
		standard.Printf("Unsolicited response starting with %q; err=%v", "HTTP/1.1 400 Bad Request\r\n\r\nJane \"Doe\"", nil)
		standard.Print("no quote")
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^time=\S+ level=debug caller=\S+ msg="(.*)"$`).FindAllStringSubmatch(written.String(), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, "|") != want {
			t.Errorf("at level %s it logs %q, want %q: %s", level, got, want, written.String())
		}
	}
}

func TestALogThatNobodyReadsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		own, bridged := logging.New(writer, logging.Config{})
		began := time.Now()
		for _, msg := range []string{"one", "two", "three"} {
			_ = level.Warn(own).Log("msg", msg)
			bridged.Warn(msg + " again")
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v to log six lines that nobody reads", took)
		}
		var got []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for lines := bufio.NewScanner(reader); lines.Scan(); {
				_, msg, _ := strings.Cut(lines.Text(), " msg=")
				got = append(got, msg)
			}
		}()
		synctest.Wait()
		_ = level.Warn(own).Log("msg", "four")
		bridged.Warn("five")
		_ = writer.Close()
		<-ended
		if want := []string{"one", "four", `"log lines were lost because nobody read them" lines=5`, "five"}; !slices.Equal(got, want) {
			t.Errorf("the log is %q, want %q", got, want)
		}
	})
}
