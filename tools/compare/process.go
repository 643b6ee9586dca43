package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// process is a program that serves metrics, started and ended here.
type process struct {
	cmd     *exec.Cmd
	address string
	log     tail
	drained chan struct{} // closed when it has closed its standard error
}

// start runs a program and waits until it tells its address on standard error. Its environment is ours to say: what
// GOGC or MAGPIPE_ variables the caller has must not change what is measured.
func start(ctx context.Context, program string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the operator's own flags name the program
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "MAGPIPE_API_KEY=" + madeUpKey}
	p := &process{cmd: cmd, drained: make(chan struct{})}
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
	case p.address = <-address:
		return p, nil
	case <-p.drained:
	case <-time.After(20 * time.Second):
	case <-ctx.Done():
	}
	return nil, errors.Join(fmt.Errorf("%s does not serve: %s", program, p.log.String()), p.stop())
}

const madeUpKey = "mgp_0123456789abcdef0123456789abcdef01234567"

// follow reads the log to its end.
func (p *process) follow(stderr io.Reader, address chan<- string) {
	defer close(p.drained)
	listening := regexp.MustCompile(`(?i)listening on"? (?:address=)?(127\.0\.0\.1:\d+)`)
	told := false
	for lines := bufio.NewReader(stderr); ; {
		line, err := lines.ReadString('\n')
		p.log.add(line)
		if m := listening.FindStringSubmatch(line); m != nil && !told {
			address <- m[1]
			told = true
		}
		if err != nil {
			return
		}
	}
}

// stop asks it to end and sees to it that it does.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.drained
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) { // a program without a handler ends by the signal
		return err
	}
	return nil
}

// cpu is the time that its threads have run so far, in nanoseconds where /proc/PID/stat has ticks of ten milliseconds.
func (p *process) cpu() (total time.Duration, err error) {
	tasks, err := filepath.Glob(p.proc("task", "*", "schedstat"))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("no threads under %s: %w", p.proc(), err)
	}
	for _, task := range tasks {
		raw, err := os.ReadFile(task)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		ran, _, _ := bytes.Cut(raw, []byte(" "))
		ns, err := strconv.ParseInt(string(ran), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", task, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// peakMemory is the most that was resident at any time, in bytes.
func (p *process) peakMemory() (int, error) {
	raw, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0, errors.New("no VmHWM in " + p.proc("status"))
	}
	kB, err := strconv.Atoi(string(m[1]))
	return kB << 10, err
}

func (p *process) proc(path ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(p.cmd.Process.Pid)}, path...)...)
}
