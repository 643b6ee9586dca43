package collector

import (
	"errors"
	"testing"
	"time"

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
	seed.store.recordCalls(span{now, now}, apiclient.CallPage{Records: []apiclient.CallRecord{{Key: 7, CreatedAt: now, Talk: apiclient.Count{Known: true}}}}, now)
	seed.counters.countOdd(oddValue{field: apiclient.FieldCount})
	payload, err := seed.encodeState(apiclient.BudgetState{At: now, Tokens: 3})
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
		again, err := c.encodeState(c.cfg.API.Budget.State())
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
	c.cfg.State = &State{url: "https://a.example"}
	return c
}
