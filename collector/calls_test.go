package collector

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
)

// tallied is what a read is expected to show for the first time.
type tallied struct{ Started, Ended int }

func TestALedgerCountsEachCallOnce(t *testing.T) {
	const (
		ringing   = apiclient.RecipientRinging
		pending   = apiclient.RecipientPending
		completed = apiclient.RecipientCompleted
		failed    = apiclient.RecipientFailed
	)
	since := time.UnixMicro(1000)
	for name, reads := range map[string][]struct {
		seen []sighting
		want tallied
	}{
		"a call that begins and ends": {
			{[]sighting{{key: 1, attempted: 1100, status: ringing}}, tallied{1, 0}},
			{[]sighting{{key: 1, attempted: 1100, status: ringing}}, tallied{}},
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: completed}}, tallied{0, 1}},
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: completed}}, tallied{}},
		},
		"the first outcome stands": {
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: completed}}, tallied{1, 1}},
			{[]sighting{{key: 1, attempted: 1100, completed: 1300, status: failed}}, tallied{}},
		},
		"of the first read only what happened since": {
			{[]sighting{
				{key: 1, attempted: 900, completed: 999, status: completed},
				{key: 2, attempted: 900, completed: 1000, status: completed},
				{key: 3, attempted: 999, status: completed},
				{key: 4, attempted: 1000, status: completed},
			}, tallied{1, 2}},
		},
		"later everything that was not seen": {
			{nil, tallied{}},
			{[]sighting{{key: 1, attempted: 500, completed: 600, status: completed}}, tallied{1, 1}},
		},
		"a call that began before the start and ends after it": {
			{[]sighting{{key: 1, attempted: 900, status: ringing}}, tallied{}},
			{[]sighting{{key: 1, attempted: 900, completed: 1100, status: completed}}, tallied{0, 1}},
		},
		"run again, with the recipient pending in between": {
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: completed}}, tallied{1, 1}},
			{[]sighting{{key: 1, status: pending}}, tallied{}},
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: completed}}, tallied{}},
			{[]sighting{{key: 1, attempted: 1300, completed: 1400, status: completed}}, tallied{1, 1}},
		},
		"an older attempt is already seen": {
			{[]sighting{{key: 1, attempted: 1300, status: ringing}}, tallied{1, 0}},
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: failed}}, tallied{}},
		},
		"a recipient that is cut off and comes back": {
			{[]sighting{{key: 1, attempted: 1100, status: completed}, {key: 2, attempted: 1100, status: completed}}, tallied{2, 2}},
			{[]sighting{{key: 2, attempted: 1100, status: completed}}, tallied{}},
			{[]sighting{{key: 2, attempted: 1100, status: completed}, {key: 1, attempted: 1100, status: completed}}, tallied{}},
		},
		"the last recipient is cut off and comes back": {
			{[]sighting{{key: 1, attempted: 1100, status: completed}, {key: 2, attempted: 1100, status: completed}}, tallied{2, 2}},
			{[]sighting{{key: 1, attempted: 1100, status: completed}}, tallied{}},
			{[]sighting{{key: 1, attempted: 1100, status: completed}, {key: 2, attempted: 1100, status: completed}}, tallied{}},
		},
		"a row that comes twice": {
			{[]sighting{{key: 1, attempted: 1100, status: completed}, {key: 1, attempted: 1100, status: completed}}, tallied{1, 1}},
		},
		"ringing with an end is not over": {
			{[]sighting{{key: 1, attempted: 1100, completed: 1200, status: ringing}}, tallied{1, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l ledger
			for i, read := range reads {
				news := l.absorb(read.seen, since)
				if diff := cmp.Diff(read.want, tallied{news.started, len(news.ended)}); diff != "" {
					t.Errorf("read %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

func TestAWatermarkIsAfterTheNewestCallSeenButNotAfterTheRead(t *testing.T) {
	var l ledger
	l.absorb([]sighting{{key: 1, attempted: 1100, completed: 1200, status: apiclient.RecipientCompleted}}, time.UnixMicro(0))
	if got := l.watermark(time.UnixMicro(5000)).UnixMicro(); got != 1201 {
		t.Errorf("watermark %d, want right after the end of the call", got)
	}
	if got := l.watermark(time.UnixMicro(1150)).UnixMicro(); got != 1151 {
		t.Errorf("watermark %d, want right after the read", got)
	}
}

func TestDurationsAreExactAndNearestRank(t *testing.T) {
	var tens []time.Duration
	for i := range 100 {
		tens = append(tens, time.Duration(100-i)*time.Second)
	}
	want := statistics{calls: 100, p50: 50, p90: 90, p99: 99, mean: 50.5, max: 100}
	if got := summarize(tens); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want = statistics{calls: 1, p50: 7, p90: 7, p99: 7, mean: 7, max: 7}
	if got := summarize([]time.Duration{7 * time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestImpossibleDurationsAreLeftOutAndTold(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	ends := []time.Duration{time.Minute, 0, 24 * time.Hour, -time.Second, 24*time.Hour + time.Microsecond}
	var tally tally
	for i, after := range ends {
		tally.add(apiclient.Recipient{Key: uint64(i + 1), Status: apiclient.RecipientCompleted, AttemptedAt: begin, CompletedAt: begin.Add(after)})
	}
	read, seen, odd := tally.finish(begin, &apiclient.Batch{})
	if read.durations.calls != 3 || read.durations.max != 86400 {
		t.Errorf("statistics %+v, want those of the three possible calls", read.durations)
	}
	if len(odd) != 2 || odd[0].field != apiclient.FieldDuration {
		t.Errorf("odd: %+v, want the two impossible durations", odd)
	}
	var l ledger
	news := l.absorb(seen, time.Unix(0, 0))
	if len(news.ended) != len(ends) {
		t.Errorf("%d endings, want all of them: also a call of impossible length has ended", len(news.ended))
	}
}

func TestAnAttemptIn1970IsNoCall(t *testing.T) {
	tally, row := &tally{batchID: "b"}, apiclient.Batch{ID: "b"}
	tally.add(apiclient.Recipient{Key: 1, Status: apiclient.RecipientCompleted, AttemptedAt: time.Unix(0, 0), CompletedAt: time.Unix(60, 0)})
	_, seen, _ := tally.finish(time.Unix(120, 0), &row)
	if l := (&ledger{calls: map[uint64]latest{}}); len(l.absorb(seen, time.Time{}).ended) != 0 {
		t.Error("its end is counted")
	}
}
