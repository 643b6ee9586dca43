package collector

import (
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-kit/log"

	"magpipe_exporter/apiclient"
)

// FuzzState has a Collector go on from any payload of a state file that has the
// right checksum. It must refuse it with errState, or expose and plan something,
// and come to the same state again when it saves and restores that.
func FuzzState(f *testing.F) {
	seed := stateCollector()
	reader := &recipientReader{batch: "b"}
	for i, r := range calledOnce(3) {
		r.Record = uint64(i)
		reader.add(r)
	}
	now := time.Now()
	seed.store.recordGet(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning, CreatedAt: now, UpdatedAt: now}, reader, now)
	seed.store.update(apiclient.Batch{ID: "r", Status: apiclient.BatchPaused, ParentID: "p"}, now, true)
	seed.store.listings.begin(request{action: apiclient.ActionListRuns, id: "p"}, now, apiclient.Count{})
	seed.store.recordCalls(span{from: now, to: now}, apiclient.CallPage{Records: []apiclient.CallRecord{{Key: 7, CreatedAt: now, Talk: apiclient.Count{Known: true}}}}, now)
	seed.counters.countOdd(oddValue{field: apiclient.FieldCount})
	payload, err := seed.encodeState(false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		saved, err := parseState(appendState(nil, payload))
		if err != nil {
			if !errors.Is(err, errState) {
				t.Errorf("not an error of the state: %v", err)
			}
			return
		}
		c := stateCollector()
		c.restore(saved)
		if _, err := c.Gather(); err != nil {
			t.Error(err)
		}
		now := time.Now()
		plan(c.store, now)
		c.store.nextSpan(now)
		c.store.sweep(now)
		again, err := c.encodeState(true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(again); err != nil {
			t.Errorf("what was restored cannot be restored again: %v", err)
		}
	})
}

// stateCollector returns a Collector whose State has no file.
func stateCollector() *Collector {
	c := New(Config{CallRecords: true, BatchNames: true, MinRefresh: time.Second, FinishedRetention: time.Hour, MaxBatches: 10, MaxStaleness: time.Minute})
	c.cfg.State = &State{url: "https://a.example", logger: log.NewNopLogger()}
	return c
}

// TestAStateThatCannotBeIsRefused changes a state in ways that would break a store.
func TestAStateThatCannotBeIsRefused(t *testing.T) {
	for name, change := range map[string]func(*savedState){
		"a histogram without native buckets": func(s *savedState) { s.Series["magpipe_call_talk_seconds"][0].Histogram.Native = nil },
		"a recipient twice":                  func(s *savedState) { l := s.Batches[0].Ledger; l.Calls = append(l.Calls, l.Calls[0]) },
		"a batch twice":                      func(s *savedState) { s.Batches = append(s.Batches, s.Batches[0]) },
		"a batch without an id":              func(s *savedState) { s.Batches[0].Row.ID = "" },
		"a negative counter":                 func(s *savedState) { s.Batches[0].Calls.Started = -1 },
		"a talk time of a week":              func(s *savedState) { s.Batches[0].Ledger.Calls[0].Talk = 7 * 24 * time.Hour },
		"a state that there is not":          func(s *savedState) { s.Batches[0].Row.Status = 99 },
	} {
		c, reader, now := stateCollector(), &recipientReader{batch: "b"}, time.Now()
		for _, r := range calledOnce(3) {
			reader.add(r)
		}
		c.store.recordGet(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning, CreatedAt: now}, reader, now)
		good, err := c.encodeState(true)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := decodeState(good)
		if err != nil {
			t.Fatal(err)
		}
		change(saved)
		bad, err := cbor.Marshal(saved)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(bad); !errors.Is(err, errState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
