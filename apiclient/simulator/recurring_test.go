package simulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestARecurringBatchSpawnsRunsUntilItsCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(10)
		c.Name, c.Recurrence, c.RunEvery, c.MaxRuns = "Daily", "daily", 24*time.Hour, 3
		id := a.Add(c)
		time.Sleep(24*time.Hour + time.Minute)
		p := get(t, a, id)
		if p.Batch.Status != "recurring" || len(p.Runs) != 1 || p.Runs[0].Status != "running" {
			t.Errorf("after a day: %+v, runs %+v", p.Batch, p.Runs)
		}
		time.Sleep(24 * time.Hour)
		p = get(t, a, id)
		if len(p.Runs) != 2 || p.Runs[0].StartedAt+p.Runs[1].StartedAt != "" || p.Runs[1].Status != "completed" {
			t.Errorf("after two days: %+v", p.Runs)
		}
		time.Sleep(10 * 24 * time.Hour)
		p = get(t, a, id)
		if p.Batch.Status != "completed" || p.Batch.CompletedAt == "" || p.Batch.Runs != 3 || p.Runs != nil {
			t.Errorf("in the end: %+v, runs %v", p.Batch, p.Runs)
		}
		if p.count("pending") != 10 || p.Batch.Completed+p.Batch.Failed != 0 {
			t.Errorf("the template was called: %d pending", p.count("pending"))
		}
		runs := read(t, a, `{"action":"list_runs","parent_batch_id":%q}`, id).Runs
		if len(runs) != 3 || runs[0].Name != "Daily — Run #3" || runs[2].Occurrence != 1 || runs[1].Target != 10 {
			t.Errorf("runs %+v", runs)
		}
	})
}

func TestARerunOfARunDoesNotTouchItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(10)
		c.Recurrence = "daily"
		id := a.Add(c)
		run := a.Spawn(id)
		time.Sleep(time.Hour)
		before := get(t, a, id).Batch
		a.Rerun(run)
		if b := get(t, a, run).Batch; b.Status != "running" || b.StartedAt == "" {
			t.Errorf("run %+v", b)
		}
		time.Sleep(time.Hour)
		if after := get(t, a, id).Batch; after != before {
			t.Errorf("the parent %+v became %+v", before, after)
		}
	})
}

func TestAPausedRecurringBatchSpawnsNothingWhileItsLiveRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(50)
		c.Recurrence, c.RunEvery = "hourly", time.Hour
		id := a.Add(c)
		time.Sleep(time.Hour + time.Second)
		a.Pause(id)
		time.Sleep(5 * time.Hour)
		if p := get(t, a, id); p.Batch.Status != "paused" || len(p.Runs) != 1 || p.Runs[0].Status != "completed" {
			t.Errorf("%s, runs %+v", p.Batch.Status, p.Runs)
		}
		a.Resume(id)
		time.Sleep(time.Hour)
		if p := get(t, a, id); p.Batch.Status != "recurring" || len(p.Runs) != 2 {
			t.Errorf("%s with %d runs", p.Batch.Status, len(p.Runs))
		}
	})
}

func TestAFollowUpStartsAMinuteAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(5)
		c.Repeat = true
		id := a.Add(c)
		time.Sleep(10 * time.Second)
		a.Cancel(id)
		time.Sleep(time.Minute - time.Microsecond)
		if n := len(list(t, a).Batches); n != 1 {
			t.Errorf("%d batches before the minute is over", n)
		}
		time.Sleep(time.Microsecond)
		rows := list(t, a).Batches
		if len(rows) != 2 || rows[0].ID == id || rows[0].Status != "running" || rows[0].Target != 5 {
			t.Errorf("rows %+v", rows)
		}
		time.Sleep(48 * time.Hour)
		if n := len(list(t, a).Batches); n != 21 {
			t.Errorf("%d batches after two days, want the live one and 20 ended", n)
		}
	})
}
