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
// garbage collector's among them: it is for work that does not wait. It reports
// the median time of ours as ns/op, and as ÷name the median of what it takes of
// the other's time right after it. Each is run for a while at a stretch, so that
// what it leaves to the garbage collector falls on itself.
func CPU(b *testing.B, ours func(), others ...Way) {
	b.Helper()
	began := time.Now()
	ours()
	stretch := max(1, int(50*time.Millisecond/max(1, time.Since(began))))
	timed := func(do func()) float64 {
		start := used(b)
		for range stretch {
			do()
		}
		return float64(used(b)-start) / float64(stretch)
	}
	b.ResetTimer()
	var times []float64
	for _, other := range others {
		runtime.GC()
		var ratios []float64
		for range b.N {
			took := timed(ours)
			times = append(times, took)
			ratios = append(ratios, took/timed(other.Do))
		}
		b.ReportMetric(Median(ratios), "÷"+other.Name)
	}
	b.ReportMetric(Median(times), "ns/op")
}

func used(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Median sorts a sample, and returns what is in its middle.
func Median(sample []float64) float64 {
	slices.Sort(sample)
	return sample[len(sample)/2]
}
