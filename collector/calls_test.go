package collector

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
)

// counted is what a read is expected to show for the first time.
type counted struct{ Started, Ended int }

func TestALedgerCountsEachCallOnce(t *testing.T) {
	const (
		ringing   = apiclient.RecipientRinging
		pending   = apiclient.RecipientPending
		completed = apiclient.RecipientCompleted
		failed    = apiclient.RecipientFailed
	)
	since := time.UnixMicro(1000)
	for name, reads := range map[string][]struct {
		seen []call
		want counted
	}{
		"a call that begins and ends": {
			{[]call{{recipient: 1, attempted: 1100, status: ringing}}, counted{1, 0}},
			{[]call{{recipient: 1, attempted: 1100, status: ringing}}, counted{}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, counted{0, 1}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, counted{}},
		},
		"the first outcome stands": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, counted{1, 1}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1300, status: failed}}, counted{}},
		},
		"of the first read only what happened since": {
			{[]call{
				{recipient: 1, attempted: 900, completed: 999, status: completed},
				{recipient: 2, attempted: 900, completed: 1000, status: completed},
				{recipient: 3, attempted: 999, status: completed},
				{recipient: 4, attempted: 1000, status: completed},
			}, counted{1, 2}},
		},
		"later everything that was not seen": {
			{nil, counted{}},
			{[]call{{recipient: 1, attempted: 500, completed: 600, status: completed}}, counted{1, 1}},
		},
		"a call that began before the start and ends after it": {
			{[]call{{recipient: 1, attempted: 900, status: ringing}}, counted{}},
			{[]call{{recipient: 1, attempted: 900, completed: 1100, status: completed}}, counted{0, 1}},
		},
		"run again, with the recipient pending in between": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, counted{1, 1}},
			{[]call{{recipient: 1, status: pending}}, counted{}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: completed}}, counted{}},
			{[]call{{recipient: 1, attempted: 1300, completed: 1400, status: completed}}, counted{1, 1}},
		},
		"an older attempt is already seen": {
			{[]call{{recipient: 1, attempted: 1300, status: ringing}}, counted{1, 0}},
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: failed}}, counted{}},
		},
		"a recipient that is cut off and comes back": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, counted{2, 2}},
			{[]call{{recipient: 2, attempted: 1100, status: completed}}, counted{}},
			{[]call{{recipient: 2, attempted: 1100, status: completed}, {recipient: 1, attempted: 1100, status: completed}}, counted{}},
		},
		"the last recipient is cut off and comes back": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, counted{2, 2}},
			{[]call{{recipient: 1, attempted: 1100, status: completed}}, counted{}},
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 2, attempted: 1100, status: completed}}, counted{}},
		},
		"a row that comes twice": {
			{[]call{{recipient: 1, attempted: 1100, status: completed}, {recipient: 1, attempted: 1100, status: completed}}, counted{1, 1}},
		},
		"ringing with an end is not over": {
			{[]call{{recipient: 1, attempted: 1100, completed: 1200, status: ringing}}, counted{1, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l ledger
			for i, read := range reads {
				news := l.count(read.seen, since)
				if diff := cmp.Diff(read.want, counted{news.started, len(news.ended)}); diff != "" {
					t.Errorf("read %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

func TestAWatermarkIsAfterTheNewestCallSeenButNotAfterTheRead(t *testing.T) {
	var l ledger
	l.count([]call{{recipient: 1, attempted: 1100, completed: 1200, status: apiclient.RecipientCompleted}}, time.UnixMicro(0))
	if got := l.countedUntil(time.UnixMicro(5000)).UnixMicro(); got != 1201 {
		t.Errorf("watermark %d, want right after the end of the call", got)
	}
	if got := l.countedUntil(time.UnixMicro(1150)).UnixMicro(); got != 1151 {
		t.Errorf("watermark %d, want right after the read", got)
	}
}

func TestDurationsAreExactAndNearestRank(t *testing.T) {
	var tens []time.Duration
	for i := range 100 {
		tens = append(tens, time.Duration(100-i)*time.Second)
	}
	want := distribution{calls: 100, p50: 50, p90: 90, p99: 99, mean: 50.5, max: 100}
	if got := distributionOf(tens); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want = distribution{calls: 1, p50: 7, p90: 7, p99: 7, mean: 7, max: 7}
	if got := distributionOf([]time.Duration{7 * time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestImpossibleDurationsAreLeftOutAndTold(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	ends := []time.Duration{time.Minute, 0, 24 * time.Hour, -time.Second, 24*time.Hour + time.Microsecond}
	var reader recipientReader
	for i, after := range ends {
		reader.add(apiclient.Recipient{Key: uint64(i + 1), Status: apiclient.RecipientCompleted, AttemptedAt: begin, CompletedAt: begin.Add(after)})
	}
	stats := reader.finish(&apiclient.Batch{}, begin)
	if stats.durations.calls != 3 || stats.durations.max != 86400 {
		t.Errorf("statistics %+v, want those of the three possible calls", stats.durations)
	}
	if odd := reader.odd; len(odd) != 2 || odd[0].field != apiclient.FieldDuration {
		t.Errorf("odd: %+v, want the two impossible durations", odd)
	}
	var l ledger
	news := l.count(reader.countable(), time.Unix(0, 0))
	if len(news.ended) != len(ends) {
		t.Errorf("%d endings, want all of them: also a call of impossible length has ended", len(news.ended))
	}
}

func TestAnAttemptIn1970IsNoCall(t *testing.T) {
	var reader recipientReader
	reader.add(apiclient.Recipient{Key: 1, Status: apiclient.RecipientCompleted, AttemptedAt: time.Unix(0, 0), CompletedAt: time.Unix(60, 0)})
	if l := (&ledger{calls: map[uint64]countedCall{}}); len(l.count(reader.countable(), time.Time{}).ended) != 0 {
		t.Error("its end is counted")
	}
}
