//go:build e2e

package e2e_test

import (
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program while it serves.
type process struct {
	name    string
	cmd     *exec.Cmd
	address string // host and port

	mu     sync.Mutex
	logged strings.Builder
	ended  chan struct{} // closed once it has ended and the log is whole
}

// start runs a program that tells on standard error where it listens, and stops it with the test.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{name: program, cmd: exec.CommandContext(t.Context(), program, args...), ended: make(chan struct{})}
	// The context ends before the clean-up, which waits.
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go p.follow(stderr, address)
	t.Cleanup(func() {
		<-p.ended
		if t.Failed() {
			t.Logf("%s logged:\n%s", p.name, tail(p.log(), 60))
		}
	})
	select {
	case p.address = <-address:
	case <-p.ended:
		t.Fatalf("%s does not serve:\n%s", p.name, p.log())
	case <-time.After(time.Minute):
		t.Fatalf("%s does not serve yet:\n%s", p.name, p.log())
	}
	return p
}

func (p *process) follow(stderr io.Reader, address chan<- string) {
	defer close(p.ended)
	listening := regexp.MustCompile(`msg="Listening on"[^\n]* address=(\S+)\n`)
	buffer := make([]byte, 4096)
	for told := false; ; {
		n, err := stderr.Read(buffer)
		p.mu.Lock()
		p.logged.Write(buffer[:n])
		m := listening.FindStringSubmatch(p.logged.String())
		p.mu.Unlock()
		if m != nil && !told {
			address <- m[1]
			told = true
		}
		if err != nil {
			_ = p.cmd.Wait() // how it ended is of no interest
			return
		}
	}
}

// stop ends the process and waits for it.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logged.String()
}

// complaints are the lines of the log above the level info.
func (p *process) complaints() []string {
	return regexp.MustCompile(`(?im)^.*\blevel=(?:warn|error)\b.*$`).FindAllString(p.log(), -1)
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually asks again and again until the answer is "", and fails with the last answer when time is up.
func eventually(t *testing.T, within time.Duration, missing func() string) {
	t.Helper()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(within); ; <-ticker.C {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", within, why)
		}
	}
}
