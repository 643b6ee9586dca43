package collector

import (
	"hash/maphash"
	"math"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// reading is what one get showed of a batch's recipients. It is never changed.
type reading struct {
	at          time.Time // when the request was sent
	byAPI       time.Time // the same by the API's clock as it went then
	counts      [apiclient.RecipientSkipped + 1]int64
	active      int64
	attempted   int64
	lastAttempt time.Time // zero: none
	lastEnd     time.Time
	firstActive time.Time
	durations   statistics
	of          fingerprint
}

// statistics are exact over the calls that have ended, in seconds. Quantiles
// are nearest-rank: each is the duration of a call that happened.
type statistics struct {
	calls                    int
	p50, p90, p99, mean, max float64
}

// fingerprint is what changes in a batch's row when its recipients may have.
type fingerprint struct {
	updated, started         int64
	total, completed, failed apiclient.Count
}

func fingerprintOf(row *apiclient.Batch) fingerprint {
	return fingerprint{
		updated: row.UpdatedAt.UnixNano(), started: row.StartedAt.UnixNano(),
		total: row.TotalRecipients, completed: row.CompletedCount, failed: row.FailedCount,
	}
}

// oddity is a value outside its known set, with whose it is. Each counts once.
type oddity struct {
	field apiclient.Field
	id    string // of the batch
	key   uint64 // of the recipient; 0: the batch itself
	hash  uint64
}

// tally gathers the recipients of one get while they arrive.
type tally struct {
	batchID   string
	seed      maphash.Seed
	read      reading
	rows      int64
	sightings []sighting
	odd       []oddity
}

func (t *tally) add(r apiclient.Recipient) {
	t.rows++
	t.read.counts[r.Status]++
	if r.Status.Active() {
		t.read.active++
		t.read.firstActive = earlier(t.read.firstActive, r.AttemptedAt)
	}
	t.read.lastAttempt = later(t.read.lastAttempt, r.AttemptedAt)
	t.read.lastEnd = later(t.read.lastEnd, r.CompletedAt)
	for _, odd := range r.Odd {
		t.see(oddity{field: odd.Field, id: t.batchID, key: r.Key, hash: odd.Hash})
	}
	if r.AttemptedAt.IsZero() {
		return // not called, as far as can be told
	}
	t.read.attempted++
	t.sightings = append(t.sightings, sighting{
		key: r.Key, status: r.Status, attempted: micros(r.AttemptedAt), completed: micros(r.CompletedAt),
	})
}

// maxOdd bounds the memory that one answer of nothing but odd values can claim:
// far more than the service hands out recipients.
const maxOdd = 1 << 14

func (t *tally) see(o oddity) {
	if len(t.odd) < maxOdd {
		t.odd = append(t.odd, o)
	}
}

// finish turns what was gathered into a reading and the sightings of calls.
func (t *tally) finish(at time.Time, row *apiclient.Batch) (*reading, []sighting, []oddity) {
	t.read.at, t.read.of = at, fingerprintOf(row)
	t.read.counts[apiclient.RecipientUnknown] += max(0, row.TotalRecipients.N-t.rows)
	var durations []time.Duration
	for _, s := range t.sightings {
		switch {
		case !s.status.Outcome():
		case s.impossible():
			hash := maphash.Comparable(t.seed, [2]int64{s.attempted, s.completed})
			t.see(oddity{field: apiclient.FieldDuration, id: t.batchID, key: s.key, hash: hash})
		case s.duration() >= 0:
			durations = append(durations, s.duration())
		}
	}
	t.read.durations = summarize(durations)
	// A row without an id can't be told from another, nor followed. 0 is no attempt, also where the API says 1970.
	followed := slices.DeleteFunc(t.sightings, func(s sighting) bool { return s.key == 0 || s.attempted == 0 })
	read := t.read // apart from the tally, which would be kept with it
	return &read, followed, t.odd
}

func summarize(durations []time.Duration) statistics {
	n := len(durations)
	if n == 0 {
		return statistics{}
	}
	slices.Sort(durations)
	rank := func(q float64) float64 { return durations[max(1, int(math.Ceil(q*float64(n))))-1].Seconds() }
	sum := 0.0
	for _, d := range durations {
		sum += d.Seconds()
	}
	return statistics{
		calls: n, p50: rank(0.5), p90: rank(0.9), p99: rank(0.99),
		mean: sum / float64(n), max: durations[n-1].Seconds(),
	}
}

// micros is a time in Unix microseconds, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

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
