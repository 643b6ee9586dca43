// Package acceptance tests the program as its users run it: the binary, what it serves, and the files that go with it.
package acceptance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	program = "magpipe_exporter"
	root    = "../.." // of the repository
)

var (
	update = flag.Bool("update", false, "rewrite the golden pages in testdata")
	binary string // the program as operators run it, built once
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", program)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // a test runs it as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, program)
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, root).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
