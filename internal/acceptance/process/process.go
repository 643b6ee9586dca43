// Package process runs programs that serve HTTP, for those that test or measure
// them: it starts them, learns where they listen, keeps what they log, and ends
// them.
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
	startTimeout = time.Minute      // from the start until the program says where it listens
	stopTimeout  = 20 * time.Second // from SIGTERM until the program is killed
)

// Process is a program that serves.
type Process struct {
	Address string // host and port of its first listener

	cmd   *exec.Cmd
	ended chan struct{} // closed once it has ended and the log is complete

	mu  sync.Mutex
	log strings.Builder
}

// Start runs a command and waits until it logs on standard error where it
// listens. The error has the log of a program that does not get that far; such
// a program is killed.
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

// The last field of a line is the address, as exporter-toolkit logs it.
var listening = regexp.MustCompile(`(?i)listening on[^\n]*[ =](\S+:\d+)\n`)

// follow keeps the log, and sends the first address in it.
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
			_ = p.cmd.Wait() // ExitCode tells how it ended
			return
		}
	}
}

// Log is what it has written to standard error so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

var complaint = regexp.MustCompile(`(?im)^.*(?:\blevel=(?:warn|error)\b|^Traceback).*$`)

// Complaints are the warnings and errors in its log.
func (p *Process) Complaints() []string {
	return complaint.FindAllString(p.Log(), -1)
}

// LogEnd is the end of its log: at most so many lines, cut at 300 bytes, for a
// line can quote a page.
func (p *Process) LogEnd(lines int) string {
	all := strings.Split(strings.TrimSuffix(p.Log(), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		all[i] = line[:min(len(line), 300)]
	}
	return strings.Join(all, "\n")
}

// ID is its process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Signal sends it a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Ended is closed once it has ended and its log is complete.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode is the code that it ended with, or -1 if a signal ended it. Call
// it once the process has ended.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Stop asks it to end, waits, and kills it after 20 s.
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

// Kill ends it at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended by itself
	<-p.ended
}
