package simulator_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// walk pages through the list and counts how often each id is shown.
func walk(t *testing.T, a *simulator.Account, limit int) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for offset := 0; ; {
		rows := read(t, a, `{"action":"list","limit":%d,"offset":%d}`, limit, offset).Batches
		if len(rows) == 0 {
			return seen
		}
		for _, b := range rows {
			seen[b.ID]++
		}
		offset += len(rows)
	}
}

func TestTheListIsNewestFirstAndDefaultsToFifty(t *testing.T) {
	a := simulator.New(simulator.Options{})
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 60 {
		a.Add(simulator.Campaign{Name: fmt.Sprint(i), CreatedAt: base.Add(time.Duration(i*7%60) * time.Minute)})
	}
	rows := read(t, a, `{"action":"list"}`).Batches
	if len(rows) != 50 {
		t.Fatalf("%d rows", len(rows))
	}
	for i := 1; i < len(rows); i++ {
		if rows[i-1].CreatedAt < rows[i].CreatedAt {
			t.Errorf("row %d is newer than the one before", i)
		}
	}
	if seen := walk(t, a, 7); len(seen) != 60 {
		t.Errorf("paging over different stamps shows %d of 60", len(seen))
	}
}

func TestPagingOverEqualStampsRepeatsARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		for range 60 {
			a.Add(simulator.Campaign{})
		}
		small, large, whole := walk(t, a, 5), walk(t, a, 20), walk(t, a, 60)
		if len(small) >= len(large) || len(large) >= 60 || len(whole) != 60 {
			t.Errorf("pages of 5, 20 and 60 show %d, %d and %d of 60 batches", len(small), len(large), len(whole))
		}
		repeated := 0
		for _, n := range large {
			repeated += n - 1
		}
		if repeated != 60-len(large) {
			t.Errorf("%d rows repeated, %d hidden", repeated, 60-len(large))
		}
	})
}

func TestPagesAndRecipientsAreCutSilently(t *testing.T) {
	for _, o := range []simulator.Options{{}, {PageCap: 20, RecipientCap: 30}} {
		a := simulator.New(o)
		wantRows, wantRecipients := 1000, 1000
		if o.PageCap > 0 {
			wantRows, wantRecipients = o.PageCap, o.RecipientCap
		}
		id := a.Add(simulator.Campaign{Recurrence: "daily", Recipients: 1200, CreatedAt: time.Unix(0, 0)})
		for range 1100 {
			a.Add(simulator.Campaign{})
			a.Add(simulator.Campaign{Parent: id})
		}
		if n := len(read(t, a, `{"action":"list","limit":5000}`).Batches); n != wantRows {
			t.Errorf("list has %d rows, want %d", n, wantRows)
		}
		runs := read(t, a, `{"action":"list_runs","limit":5000,"parent_batch_id":%q}`, id)
		if n := len(runs.Runs); n != wantRows || runs.Runs[0].Occurrence != 1100 {
			t.Errorf("list_runs has %d rows, want %d", n, wantRows)
		}
		if p := get(t, a, id); len(p.Recipients) != wantRecipients || p.Batch.Target != 1200 || len(p.Runs) != 20 {
			t.Errorf("get has %d recipients and %d runs, want %d and 20", len(p.Recipients), len(p.Runs), wantRecipients)
		}
	}
}

func TestRunsAreHiddenFromTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Name: "S", Recurrence: "daily", Recipients: 4, DialEvery: time.Second})
		run := a.Spawn(id)
		for _, filter := range []string{"", "running", "recurring"} {
			for _, b := range read(t, a, `{"action":"list","status":%q}`, filter).Batches {
				if b.ID == run {
					t.Errorf("the run is listed under %q", filter)
				}
			}
		}
		p := get(t, a, run)
		if b := p.Batch; b.Name != "S — Run #1" || b.ParentBatchID != id || b.Occurrence != 1 || p.Runs != nil {
			t.Errorf("run: %+v", p)
		}
		if runs := get(t, a, id).Runs; len(runs) != 1 || runs[0].ID != run {
			t.Errorf("runs: %+v", runs)
		}
	})
}
