package collector

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
)

// newCalls are how many starts and ends of calls a read shows for the first time.
type newCalls struct{ Started, Ended int }

func TestALedgerCountsEachCallOnce(t *testing.T) {
	const (
		ringing   = apiclient.RecipientRinging
		pending   = apiclient.RecipientPending
		completed = apiclient.RecipientCompleted
		failed    = apiclient.RecipientFailed
	)
	since := time.UnixMicro(1000)
	for name, reads := range map[string][]struct {
		calls []call
		want  newCalls
	}{
		"a call that begins and ends": {
			{[]call{{recipient: 1, attempted: 1100, status: ringing}}, newCalls{1, 0}},
			{[]call{{recipient: 1, attempted: 1100, status: ringing}}, newCalls{}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, newCalls{0, 1}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, newCalls{}},
		},
		"the first outcome stands": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, newCalls{1, 1}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1300, status: failed}}, newCalls{}},
		},
		"of the first read only what happened since the start": {
			{[]call{
				{recipient: 1, attempted: 900, completed: 999, status: completed},
				{recipient: 2, attempted: 900, completed: 1000, status: completed},
				{recipient: 3, attempted: 999, status: completed},
				{recipient: 4, attempted: 1000, status: completed},
			}, newCalls{1, 2}},
		},
		"later everything that was not read before": {
			{nil, newCalls{}},
			{[]call{{recipient: 1, attempted: 500, completed: 600, status: completed}}, newCalls{1, 1}},
		},
		"a call that began before the start and ends after it": {
			{[]call{{recipient: 1, attempted: 900, status: ringing}}, newCalls{}},
			{[]call{{recipient: 1, attempted: 900, completed: 1100, status: completed}}, newCalls{0, 1}},
		},
		"a batch that is run again, with the recipient pending in between": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, newCalls{1, 1}},
			{[]call{{recipient: 1, status: pending}}, newCalls{}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, newCalls{}},
			{[]call{{recipient: 1, attempted: 1300, completed: 1400, status: completed}}, newCalls{1, 1}},
		},
		"an older attempt comes after a newer one": {
			{[]call{{recipient: 1, attempted: 1300, status: ringing}}, newCalls{1, 0}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: failed}}, newCalls{}},
		},
		"a recipient that is cut off and comes back": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, newCalls{2, 2}},
			{[]call{{recipient: 2, attempted: 1100, status: completed}}, newCalls{}},
			{[]call{{recipient: 2, attempted: 1100, status: completed}, {recipient: 1, attempted: 1100, status: completed}}, newCalls{}},
		},
		"the last recipient is cut off and comes back": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, newCalls{2, 2}},
			{[]call{{recipient: 1, attempted: 1100, status: completed}}, newCalls{}},
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, newCalls{}},
		},
		"a row that comes twice": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 1, attempted: 1100, status: completed}}, newCalls{1, 1}},
		},
		"ringing has not ended, even with a completed_at": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: ringing}}, newCalls{1, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l ledger
			for i, read := range reads {
				events := l.count(callsRead{calls: read.calls, from: since}, &recordCache{})
				if diff := cmp.Diff(read.want, newCalls{events.started, len(events.ended)}); diff != "" {
					t.Errorf("read %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

func TestCallsCountFromRightAfterTheNewestOneButNotAfterTheRead(t *testing.T) {
	var l ledger
	l.count(callsRead{calls: []call{{recipient: 1, attempted: 1100, completed: 1200, status: apiclient.RecipientCompleted}}}, &recordCache{})
	if got := l.resumeFrom(time.UnixMicro(5000)).UnixMicro(); got != 1201 {
		t.Errorf("they count from %d, want right after the end of the call", got)
	}
	if got := l.resumeFrom(time.UnixMicro(1150)).UnixMicro(); got != 1151 {
		t.Errorf("they count from %d, want right after the read", got)
	}
}

func TestQuantilesOfDurationsAreThoseOfCallsThatHappened(t *testing.T) {
	var durations []time.Duration
	for i := range 100 {
		durations = append(durations, time.Duration(100-i)*time.Second)
	}
	want := distribution{Calls: 100, P50: 50, P90: 90, P99: 99, Mean: 50.5, Max: 100, Sum: 5050}
	if got := distributionOf(durations); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want = distribution{Calls: 1, P50: 7, P90: 7, P99: 7, Mean: 7, Max: 7, Sum: 7}
	if got := distributionOf([]time.Duration{7 * time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestImpossibleDurationsAreLeftOutAndCountedAsOdd(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	ends := []time.Duration{time.Minute, 0, 24 * time.Hour, -time.Second, 24*time.Hour + time.Microsecond}
	var reader recipientReader
	for i, after := range ends {
		reader.add(apiclient.Recipient{Key: uint64(i + 1), Status: apiclient.RecipientCompleted, AttemptedAt: begin, CompletedAt: begin.Add(after)})
	}
	stats := reader.finish(&apiclient.Batch{}, begin)
	if stats.Durations.Calls != 3 || stats.Durations.Max != 86400 {
		t.Errorf("statistics %+v, want those of the three possible calls", stats.Durations)
	}
	if odd := reader.odd; len(odd) != 2 || odd[0].field != apiclient.FieldDuration {
		t.Errorf("odd: %+v, want the two impossible durations", odd)
	}
	var l ledger
	events := l.count(callsRead{calls: reader.countable(true)}, &recordCache{})
	if len(events.ended) != len(ends) {
		t.Errorf("%d ends, want all of them: a call of impossible length has ended, too", len(events.ended))
	}
}

func TestAnAttemptIn1970IsNoCall(t *testing.T) {
	var reader recipientReader
	reader.add(apiclient.Recipient{Key: 1, Status: apiclient.RecipientCompleted, AttemptedAt: time.Unix(0, 0), CompletedAt: time.Unix(60, 0)})
	var l ledger
	if events := l.count(callsRead{calls: reader.countable(true)}, &recordCache{}); events.started != 0 || len(events.ended) != 0 {
		t.Errorf("counted %+v", events)
	}
}

func TestTheMemoryForCallRecordsIsBounded(t *testing.T) {
	var cache recordCache
	for key := range uint64(3 * cachedRecords) {
		cache.add(key, record{ReadAt: 1})
	}
	if n := len(cache.Newer) + len(cache.Older); n > 2*cachedRecords {
		t.Errorf("%d records are held", n)
	}
	if newest := uint64(3*cachedRecords - 1); cache.of(newest).ReadAt != 1 || cache.of(newest-cachedRecords).ReadAt != 1 || cache.of(0).ReadAt != 0 {
		t.Error("those held are not the newest")
	}
	var l ledger
	for i := range 3 * mostSuperseded {
		c := call{recipient: 1, record: uint64(i + 1), attempted: int64(2*i + 1), completed: int64(2*i + 2), status: apiclient.RecipientCompleted}
		l.count(callsRead{calls: []call{c}}, &recordCache{})
	}
	if n := len(l.Superseded); n != mostSuperseded || l.Superseded[n-1].Record != 3*mostSuperseded-1 {
		t.Errorf("%d calls wait for their records, want the newest %d", n, mostSuperseded)
	}
}
