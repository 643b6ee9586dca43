package logging

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// writeTimeout is how long a line may take to be written.
const writeTimeout = time.Second

// output writes one line after the other. If nobody reads them, for instance
// because a container's log driver has stalled, a pipe soon fills up, and everything
// that logs would wait, scrapes included. So a line is waited for until writeTimeout
// ends, and lines that come before it is written are lost.
type output struct {
	next io.Writer

	mu      sync.Mutex
	written chan struct{} // closed when a line that takes too long is written; nil: none does
	lost    int           // lines since then
}

// Write writes a line, unless one before it is still being written.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stalled() {
		o.lost++
		return len(line), nil
	}
	var err error
	written, own := make(chan struct{}), bytes.Clone(line)
	go func() {
		_, err = o.next.Write(own)
		close(written)
	}()
	select {
	case <-written:
		return len(line), err
	case <-time.After(writeTimeout):
		o.written = written
		return len(line), nil
	}
}

func (o *output) stalled() bool {
	select {
	case <-o.written:
		o.written = nil
	default:
	}
	return o.written != nil
}

// takeLost returns how many lines were lost in a stall that has ended, once.
func (o *output) takeLost() (lines int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stalled() {
		return 0
	}
	lines, o.lost = o.lost, 0
	return lines
}
