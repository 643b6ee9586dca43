package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

const madeUpKey = "mgp_0123456789abcdef0123456789abcdef01234567"

// program is a running peer, and what it has cost so far.
type program struct{ *process.Process }

// start runs a program. Its environment is set here: GOGC or MAGPIPE_ variables of the caller must not change what is
// measured.
func start(ctx context.Context, path string, args ...string) (program, error) {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // the operator's own flags name the program
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "MAGPIPE_API_KEY=" + madeUpKey}
	p, err := process.Start(cmd)
	return program{p}, err
}

// cpu is the time that its threads have run so far, in nanoseconds where /proc/PID/stat has ticks of ten milliseconds.
func (p program) cpu() (total time.Duration, err error) {
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
func (p program) peakMemory() (int, error) {
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

func (p program) proc(path ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(p.ID())}, path...)...)
}
