//go:build e2e

package e2e_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// start runs a program, and stops it with the test.
func start(t *testing.T, program string, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start(exec.CommandContext(context.WithoutCancel(t.Context()), program, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s logged:\n%s", filepath.Base(program), p.LogEnd(60))
		}
	})
	return p
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
