package main

import (
	"regexp"
	"strings"
	"sync"
)

// tail keeps the end of a log, and counts its errors.
type tail struct {
	mu     sync.Mutex
	last   []string
	errors int
}

var complaint = regexp.MustCompile(`level=(?i:error|warn)|Traceback`)

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(line) > 300 {
		line = line[:300] + "…\n" // a log can hold the whole page that it complains of
	}
	t.last = append(t.last, line)
	if len(t.last) > 10 {
		t.last = t.last[1:]
	}
	if complaint.MatchString(line) {
		t.errors++
	}
}

// complaints tells how many lines were errors or warnings.
func (t *tail) complaints() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errors
}

// String is the end of the log.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.last, "")
}
