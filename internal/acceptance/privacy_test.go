package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// secret marks what stands in answers and must not leave the exporter.
const secret = "+14155550123 Jane Doe"

func TestTheKeyAndWhatTheAPISaysAreInNothingThatTheProcessShows(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+madeUpKey {
			t.Error("the key was not sent")
		}
		w.Header().Set("X-Error", secret)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":%q}}`, secret, secret+madeUpKey)
	})
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(madeUpKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]struct{ env, args []string }{
		"environment": {env: []string{"MAGPIPE_API_KEY=" + madeUpKey}},
		"file":        {args: []string{"--api.key-file=" + file}},
		"both":        {env: []string{"MAGPIPE_API_KEY=" + madeUpKey, "MAGPIPE_APIKEY=" + madeUpKey}, args: []string{"--api.key-file=" + file}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(set.env, "GOTRACEBACK=all"), append(set.args, "--api.url="+api, "--log.level=debug")...)
			var shown strings.Builder
			for _, path := range []string{"/metrics", "/", "/-/ready", "/-/healthy", "/debug/vars", "/debug/pprof/cmdline"} {
				a := get(t, p.url+path)
				_, _ = fmt.Fprintln(&shown, a.header, a.body)
			}
			cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.ID()))
			if err != nil {
				t.Log("no command line to read: ", err)
			}
			_, _ = shown.Write(cmdline)
			if err := p.Signal(syscall.SIGQUIT); err != nil { // as a panic, it ends with every goroutine's stack
				t.Fatal(err)
			}
			p.wait(t)
			_, _ = shown.WriteString(p.Log())
			for _, part := range []string{madeUpKey, "4155550123", "Jane"} {
				if at := strings.Index(shown.String(), part); at >= 0 {
					t.Errorf("it shows %q", shown.String()[max(0, at-200):at+len(part)])
				}
			}
			for _, part := range []string{"goroutine 1 ", "reason=server_error", "magpipe_up 0"} {
				if !strings.Contains(shown.String(), part) {
					t.Errorf("the output should show %q", part)
				}
			}
		})
	}
}

const nowhere = "MAGPIPE_API_URL=http://127.0.0.1:1/" // where no server listens

func TestAKeyInTheWrongPlaceIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{
		"api.key-file", "api.key", "api.url", "api.timeout", "api.page-size", "api.concurrency", "api.requests-per-hour",
		"collector.window-timezone", "collector.max-batches", "log.level", "log.format", "web.listen-address", "web.config.file", "web.telemetry-path",
	} {
		given := execute(t, []string{"MAGPIPE_API_KEY=x", nowhere}, "--"+flag+"="+madeUpKey)
		wantNoKey(t, "--"+flag, given)
	}
	wantNoKey(t, "an argument", execute(t, []string{nowhere}, madeUpKey))
	for _, name := range []string{"MAGPIPE_API_KEY_FILE", "MAGPIPE_API_URL", "MAGPIPE_API_TIMEOUT", "MAGPIPE_COLLECTOR_BATCH_NAMES"} {
		wantNoKey(t, name, execute(t, []string{nowhere, name + "=" + madeUpKey}, "--once"))
	}
	host := "--api.url=https://[::1%25" + madeUpKey + "]:1/" // that no name service is asked for
	p := start(t, []string{"MAGPIPE_API_KEY=x"}, host, "--log.level=debug")
	want(t, get(t, p.url+"/metrics"), http.StatusOK, "text/plain", "\nmagpipe_up 0\n")
	p.Kill()
	inJSON := execute(t, []string{"MAGPIPE_API_KEY=x"}, host, "--log.format=json", "--once")
	for _, row := range []struct{ log, line string }{{p.Log(), "msg=Starting"}, {p.Log(), "request failed"}, {inJSON.err, "request failed"}} {
		if !strings.Contains(row.log, row.line) || !strings.Contains(row.log, "mgp_<hidden>") || strings.Contains(row.log, madeUpKey[8:]) {
			t.Errorf("the log does not have %q, or the key is not hidden:\n%s", row.line, row.log)
		}
	}
}

func wantNoKey(t *testing.T, place string, o outcome) {
	t.Helper()
	if o.code == 0 || !strings.Contains(o.err, "level=error") {
		t.Errorf("%s: exit code %d: %s", place, o.code, o.err)
	}
	if strings.Contains(o.out+o.err, madeUpKey[8:]) {
		t.Errorf("%s: the key is repeated: %s", place, o.err)
	}
}
