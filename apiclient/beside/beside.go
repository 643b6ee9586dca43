//go:build unix

// Package beside compares one way of doing a piece of work with others, in turn
// and in one process, so that the result is a ratio that hardly depends on the
// machine. It is for benchmarks only.
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

// CPU compares the CPU time of work that does not wait, over all threads of the
// process, including the garbage collector's. It reports the median time of
// subject as ns/op and, as ÷name, the median ratio of its time to that of the
// other way, run right after it. Each is repeated for a while before the other
// takes over, so that it pays for its own garbage collection.
func CPU(b *testing.B, subject func(), others ...Way) {
	b.Helper()
	began := time.Now()
	subject()
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
			took := timed(subject)
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

// Median sorts a sample and returns its middle element.
func Median(sample []float64) float64 {
	slices.Sort(sample)
	return sample[len(sample)/2]
}
