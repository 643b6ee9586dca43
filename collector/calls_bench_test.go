//go:build unix

package collector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/beside"
)

// calledOnce returns n recipients, each of whom was called once, in random order.
func calledOnce(n int) []apiclient.Recipient {
	random, began := rand.New(rand.NewPCG(1, 1)), time.Now().Add(-time.Hour)
	recipients := make([]apiclient.Recipient, n)
	for i := range recipients {
		at := began.Add(time.Duration(i) * time.Second)
		recipients[i] = apiclient.Recipient{
			Key: random.Uint64(), Status: apiclient.RecipientCompleted, AttemptedAt: at, CompletedAt: at.Add(time.Minute),
		}
	}
	return recipients
}

// BenchmarkCalls counts the calls of a batch that was read before and makes its
// statistics, next to a plain map of the last attempts. It also reports the bytes
// that are kept for each recipient.
func BenchmarkCalls(b *testing.B) {
	for _, n := range []int{500, 5000, 100_000} {
		b.Run(fmt.Sprintf("recipients=%d", n), func(b *testing.B) {
			recipients, row := calledOnce(n), apiclient.Batch{ID: "b"}
			read := func(l *ledger) *recipientStats {
				reader := &recipientReader{batch: "b"}
				for _, r := range recipients {
					reader.add(r)
				}
				stats := reader.finish(&row, time.Now())
				l.count(callsRead{calls: reader.countable(true)}, &recordCache{})
				return stats
			}
			before := heap()
			l := &ledger{}
			stats := read(l)
			defer runtime.KeepAlive(stats)
			kept := heap() - before
			byKey := map[uint64]int64{}
			beside.CPU(b, func() { read(l) }, beside.Way{Name: "map", Do: func() {
				var durations []time.Duration
				for _, r := range recipients {
					byKey[r.Key] = r.AttemptedAt.UnixMicro()
					durations = append(durations, r.CompletedAt.Sub(r.AttemptedAt))
				}
				distributionOf(durations)
			}})
			b.ReportMetric(kept/float64(n), "B/recipient")
		})
	}
}

// heap returns the bytes in use after a garbage collection.
func heap() float64 {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	return float64(now.HeapAlloc)
}
