//go:build unix

// Package beside measures one way of doing a piece of work next to others that
// do it too, in turn and in one process, so that what comes out is a ratio which
// hardly depends on the machine. It is for benchmarks alone.
package beside

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Way is one way to do the work of a benchmark.
type Way struct {
	Name string
	Do   func()
}

// CPU compares the time that all threads of the process were at work, the
// garbage collector's among them. It is for work that does not wait.
func CPU(b *testing.B, ours func(), others ...Way) {
	b.Helper()
	compare(b, func() time.Duration {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			b.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}, ours, others)
}

// Wall compares the time that passed. It is for work that waits.
func Wall(b *testing.B, ours func(), others ...Way) {
	b.Helper()
	epoch := time.Now()
	compare(b, func() time.Duration { return time.Since(epoch) }, ours, others)
}

// compare reports the median time of ours as ns/op, and as ÷name the median of
// what it takes of the other's time right after it. Each pair has rounds of its
// own: what one of the others leaves to the garbage collector falls on no one else.
func compare(b *testing.B, clock func() time.Duration, ours func(), others []Way) {
	b.Helper()
	timed := func(do func()) float64 {
		start := clock()
		do()
		return float64(clock() - start)
	}
	var times []float64
	for _, other := range others {
		runtime.GC()
		var ratios []float64
		for range b.N {
			took := timed(ours)
			times = append(times, took)
			ratios = append(ratios, took/timed(other.Do))
		}
		b.ReportMetric(median(ratios), "÷"+other.Name)
	}
	b.ReportMetric(median(times), "ns/op")
}

func median(sample []float64) float64 {
	slices.Sort(sample)
	return sample[len(sample)/2]
}
