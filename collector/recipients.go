package collector

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"magpipe_exporter/apiclient"
)

// recipientStats summarizes a batch's recipients as of one get. It is immutable.
type recipientStats struct {
	ReadAt       time.Time // when the request was sent
	ReadAtAPI    time.Time // the same time by the API's clock
	Counts       [apiclient.RecipientSkipped + 1]int64
	Active       int64
	Attempted    int64
	LastAttempt  time.Time // zero: none
	LastEnd      time.Time
	OldestActive time.Time // start of the oldest call in progress
	Durations    distribution
	Row          fingerprint // of the batch's row in the same answer
}

// distribution holds exact statistics of the calls that have ended, in seconds.
// Quantiles use the nearest-rank method, so each is the duration of a real call.
type distribution struct {
	Calls                         int
	P50, P90, P99, Mean, Max, Sum float64
}

// fingerprint holds those fields of a batch's row that change when its recipients change.
type fingerprint struct {
	Updated, Started         int64
	Total, Completed, Failed apiclient.Count
}

func fingerprintOf(row *apiclient.Batch) fingerprint {
	return fingerprint{
		Updated: row.UpdatedAt.UnixNano(), Started: row.StartedAt.UnixNano(),
		Total: row.TotalRecipients, Completed: row.CompletedCount, Failed: row.FailedCount,
	}
}

// oddValue identifies a value outside its known set, or an impossible one, and
// the row it is in. Each is counted once.
type oddValue struct {
	field     apiclient.Field
	batch     string
	recipient uint64 // apiclient.Recipient.Key; 0: the batch's own row
	hash      uint64 // of the value
}

// recipientReader collects the recipients of one get as they arrive.
type recipientReader struct {
	batch string
	stats recipientStats
	rows  int64
	calls []call
	odd   []oddValue
}

// maxOddInAnswer bounds the memory used for one answer full of odd values. It is
// far more than the number of recipients in an answer of the service.
const maxOddInAnswer = 1 << 14

func (r *recipientReader) addOdd(o oddValue) {
	if len(r.odd) < maxOddInAnswer {
		r.odd = append(r.odd, o)
	}
}

func (r *recipientReader) add(recipient apiclient.Recipient) {
	r.rows++
	r.stats.Counts[recipient.Status]++
	if recipient.Status.Active() {
		r.stats.Active++
		r.stats.OldestActive = earlier(r.stats.OldestActive, recipient.AttemptedAt)
	}
	r.stats.LastAttempt = later(r.stats.LastAttempt, recipient.AttemptedAt)
	r.stats.LastEnd = later(r.stats.LastEnd, recipient.CompletedAt)
	for _, odd := range recipient.Odd {
		r.addOdd(oddValue{field: odd.Field, batch: r.batch, recipient: recipient.Key, hash: odd.Hash})
	}
	if recipient.AttemptedAt.IsZero() {
		return // never called
	}
	r.stats.Attempted++
	r.calls = append(r.calls, call{
		recipient: recipient.Key, record: recipient.Record, status: recipient.Status,
		attempted: unixMicro(recipient.AttemptedAt), completed: unixMicro(recipient.CompletedAt),
	})
}

// finish computes the statistics once all recipients have arrived. row is the
// batch's row, and sent is when the request was sent.
func (r *recipientReader) finish(row *apiclient.Batch, sent time.Time) *recipientStats {
	stats := r.stats // a copy, so that the reader can be freed
	stats.ReadAt, stats.Row = sent, fingerprintOf(row)
	stats.Counts[apiclient.RecipientUnknown] += max(0, row.TotalRecipients.N-r.rows)
	var durations []time.Duration
	for _, c := range r.calls {
		switch {
		case !c.status.Outcome():
		case c.impossible():
			hash := xxhash.Sum64String(fmt.Sprintln(c.attempted, c.completed))
			r.addOdd(oddValue{field: apiclient.FieldDuration, batch: r.batch, recipient: c.recipient, hash: hash})
		case c.duration() >= 0:
			durations = append(durations, c.duration())
		}
	}
	stats.Durations = distributionOf(durations)
	return &stats
}

// countable returns the calls that can be counted as events. It leaves out rows
// without an id, which cannot be told apart, and attempts at Unix time 0, which
// call.attempted uses for none. Without records, no call has a record to be read.
func (r *recipientReader) countable(records bool) []call {
	for i := range r.calls {
		if !records {
			r.calls[i].record = 0
		}
	}
	return slices.DeleteFunc(r.calls, func(c call) bool { return c.recipient == 0 || c.attempted == 0 })
}

func distributionOf(durations []time.Duration) distribution {
	n := len(durations)
	if n == 0 {
		return distribution{}
	}
	slices.Sort(durations)
	rank := func(q float64) float64 { return durations[max(1, int(math.Ceil(q*float64(n))))-1].Seconds() }
	sum := 0.0
	for _, d := range durations {
		sum += d.Seconds()
	}
	return distribution{
		Calls: n, P50: rank(0.5), P90: rank(0.9), P99: rank(0.99),
		Mean: sum / float64(n), Max: durations[n-1].Seconds(), Sum: sum,
	}
}

// unixMicro converts a time to Unix microseconds; the zero time becomes 0.
func unixMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// earlier returns the earlier of two times. A zero time is ignored.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
