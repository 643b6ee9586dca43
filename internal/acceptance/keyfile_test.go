package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// keyed starts the binary with an API that remembers which key was sent last.
func keyed(t *testing.T, env []string, args ...string) (p exporter, last func() string) {
	t.Helper()
	var seen atomic.Value
	seen.Store("")
	api := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		_, _ = io.WriteString(w, `{"batches":[]}`)
	})
	p = start(t, env, append(args, "--api.url="+api, "--collector.min-refresh=0s", "--api.requests-per-hour=100000", "--api.requests-per-minute=6000", "--log.level=debug")...)
	return p, func() string {
		want(t, get(t, p.url+"/metrics"), http.StatusOK, "text/plain", "\nmagpipe_up 1\n")
		key, _ := seen.Load().(string)
		return key
	}
}

func TestTheKeyFileBeatsTheEnvironmentAndIsReadAgainWhileItRuns(t *testing.T) {
	t.Parallel()
	key := func(n int) string { return fmt.Sprintf("%s%d", madeUpKey, n) }
	path := filepath.Join(files(t, map[string][]byte{"api.key": []byte(" \t" + key(1) + " \r\n\n")}), "api.key")
	env := "MAGPIPE_API_KEY=" + key(0) + "\n"
	if _, last := keyed(t, []string{env}); last() != key(0) {
		t.Errorf("with the environment alone the key is %q", last())
	}
	p, last := keyed(t, []string{env, "MAGPIPE_API_KEY_FILE=" + path})
	if got := last(); got != key(1) {
		t.Errorf("with both a file and the variable, the key is %q", got)
	}
	if err := os.WriteFile(path, []byte(key(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := last(); got != key(2) {
		t.Errorf("after the rotation the key is %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if got := last(); got != key(2) {
			t.Errorf("after the removal the key is %q", got)
		}
	}
	eventually(t, 5*time.Second, "the removal is warned of once", func() bool {
		return strings.Count(p.Log(), "level=warn") == 1 && strings.Contains(p.Log(), "keeping the last API key")
	})
	if err := os.WriteFile(path, []byte(key(3)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := last(); got != key(3) {
		t.Errorf("after its return the key is %q", got)
	}
	commandLine, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.ID()))
	if err != nil && !os.IsNotExist(err) { // there is no /proc everywhere
		t.Fatal(err)
	}
	if strings.Contains(p.Log()+string(commandLine), madeUpKey) {
		t.Errorf("the key is in the log or on the command line:\n%s", p.Log())
	}
}

func TestAKeyFileThatOthersMayReadIsWarnedOfAndServes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(files(t, map[string][]byte{"api.key": []byte(madeUpKey)}), "api.key")
	p, last := keyed(t, nil, "--api.key-file="+path)
	warned := func(times int) {
		t.Helper()
		for range 3 {
			last()
		}
		eventually(t, 5*time.Second, fmt.Sprintf("%d warnings", times), func() bool { return strings.Count(p.Log(), "level=warn") == times })
	}
	warned(0)
	for _, step := range []struct {
		mode  os.FileMode
		times int
	}{{0o644, 1}, {0o640, 1}, {0o604, 2}} {
		if err := os.Chmod(path, step.mode); err != nil {
			t.Fatal(err)
		}
		warned(step.times)
	}
	if log := p.Log(); !strings.Contains(log, path) || !strings.Contains(log, "chmod o=") || strings.Contains(log, "level=error") {
		t.Errorf("the warning does not say what to do:\n%s", log)
	}
	again, last := keyed(t, nil, "--api.key-file="+path)
	if got := last(); got != madeUpKey {
		t.Errorf("the key is %q", got)
	}
	again.Kill()
	if strings.Count(again.Log(), "level=warn") != 1 {
		t.Errorf("a start is not warned of:\n%s", again.Log())
	}
}
