// Package process runs programs that serve HTTP, for tests and benchmarks. It
// starts them, finds out where they listen, keeps their log, and stops them.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute      // until the program logs where it listens
	stopTimeout  = 20 * time.Second // from SIGTERM until the program is killed
)

// Process is a running program that serves HTTP.
type Process struct {
	Address string // host and port of its first listener

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and the log is complete

	mu  sync.Mutex
	log strings.Builder
}

// Start runs a command and waits until it logs on standard error where it
// listens. If it does not get that far, it is killed, and the error quotes its log.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go p.follow(stderr, address)
	select {
	case p.Address = <-address:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended before it served: %s", cmd.Path, p.Log())
	case <-time.After(startTimeout):
		p.Kill()
		return nil, fmt.Errorf("%s does not serve after %v: %s", cmd.Path, startTimeout, p.Log())
	}
}

// listening matches the line in which exporter-toolkit logs the address. The
// address is the last field.
var listening = regexp.MustCompile(`(?i)listening on[^\n]*[ =](\S+:\d+)\n`)

// follow records the log and sends the first address in it.
func (p *Process) follow(stderr io.Reader, address chan<- string) {
	defer close(p.ended)
	buffer := make([]byte, 4096)
	for sent := false; ; {
		n, err := stderr.Read(buffer)
		p.mu.Lock()
		_, _ = p.log.Write(buffer[:n])
		p.mu.Unlock()
		if !sent {
			if m := listening.FindStringSubmatch(p.Log()); m != nil {
				address <- m[1]
				sent = true
			}
		}
		if err != nil {
			_ = p.cmd.Wait() // its error is available from ExitCode
			return
		}
	}
}

// Log returns what the program has written to standard error so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

var complaint = regexp.MustCompile(`(?im)^.*(?:\blevel=(?:warn|error)\b|^Traceback).*$`)

// Complaints returns the warnings and errors in the log.
func (p *Process) Complaints() []string {
	return complaint.FindAllString(p.Log(), -1)
}

// LogEnd returns the last lines of the log. Each is cut to 300 bytes, because a
// line can quote a page.
func (p *Process) LogEnd(lines int) string {
	all := strings.Split(strings.TrimSuffix(p.Log(), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		all[i] = line[:min(len(line), 300)]
	}
	return strings.Join(all, "\n")
}

// ID returns the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Ended returns a channel that is closed when the process has ended and its log
// is complete.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode returns the exit code, or -1 if a signal ended the process. It must
// be called only after the process has ended.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Stop terminates the process and waits for its end. After 20 s it kills it and
// returns an error.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		p.Kill()
		return fmt.Errorf("%s did not end within %v", p.cmd.Path, stopTimeout)
	}
}

// Kill kills the process and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has already ended
	<-p.ended
}
