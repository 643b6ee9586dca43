package acceptance

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// exporter is the binary while it serves.
type exporter struct {
	*process.Process
	url string
}

// start runs the binary with an environment of its own on a free port, and ends it with the test.
func start(t *testing.T, env []string, args ...string) exporter {
	t.Helper()
	return startProgram(t, binary, env, args...)
}

func startProgram(t *testing.T, program string, env []string, args ...string) exporter {
	t.Helper()
	p, err := process.Start(commandOf(program, env, append(args, "--web.listen-address=127.0.0.1:0")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return exporter{p, "http://" + p.Address}
}

func command(env []string, args ...string) *exec.Cmd { return commandOf(binary, env, args...) }

func commandOf(program string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Env = append([]string{}, env...)
	return cmd
}

// wait returns the exit code.
func (e exporter) wait(t *testing.T) (code int) {
	t.Helper()
	select {
	case <-e.Ended():
		return e.ExitCode()
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return 0
	}
}

// outcome is how a run of the binary ended.
type outcome struct {
	code     int
	out, err string
}

func execute(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	return conclude(t, command(env, args...))
}

func conclude(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// wantOneError fails unless the last line, and only this, is an error that names something.
func (o outcome) wantOneError(t *testing.T, code int, named string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(o.err, "\n"), "\n")
	last := lines[len(lines)-1]
	if o.code != code || strings.Count(o.err, "level=error") != 1 || !strings.Contains(last, " level=error ") {
		t.Errorf("the exit code is %d, want %d with one error; standard error:\n%s", o.code, code, o.err)
	}
	if _, message, _ := strings.Cut(last, "msg="); !strings.Contains(message, named) {
		t.Errorf("the message %s does not name %s", message, named)
	}
}

// answer is an answer of the exporter.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	a := tryGet(t, url, header...)
	if a.status == 0 {
		t.FailNow()
	}
	return a
}

// tryGet is get for other goroutines than the test's.
func tryGet(t *testing.T, url string, header ...string) (a answer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func want(t *testing.T, a answer, status int, contentType, part string) {
	t.Helper()
	got := a.header.Get("Content-Type")
	if a.status != status || !strings.HasPrefix(got, contentType) || !strings.Contains(a.body, part) {
		t.Errorf("the answer is %d, %s, %.200q; want %d, %s, with %q", a.status, got, a.body, status, contentType, part)
	}
}

// eventually asks again until something holds or the time is over.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not hold after %s: %s", within, what)
		}
	}
}
