package simulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestCallsKeepsWhatReRunsRetriesAndDeletionsErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(busy())
		time.Sleep(10 * time.Minute)
		a.Cancel(id)
		a.Rerun(id)
		first := len(a.Calls())
		if n := activeCalls(a); first < 4 || n != 3 {
			t.Errorf("%d calls, %d active", first, n)
		}
		time.Sleep(time.Minute)
		a.Retry(id, 0)
		a.Delete(id)
		time.Sleep(2 * time.Hour)
		if n := len(a.Calls()); n < first+3 || activeCalls(a) != 0 {
			t.Errorf("%d calls after %d, %d active", n, first, activeCalls(a))
		}
	})
}

func activeCalls(a *simulator.Account) (n int) {
	for _, c := range a.Calls() {
		if c.Outcome == "" && c.CompletedAt.IsZero() {
			n++
		}
	}
	return n
}

func TestCallsAgreeWithTheRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(brisk(50))
		time.Sleep(2 * time.Minute)
		calls := make(map[string]simulator.Call)
		for _, c := range a.Calls() {
			calls[c.RecipientID] = c
		}
		for _, r := range get(t, a, id).Recipients {
			c, called := calls[r.ID]
			if called != (r.AttemptedAt != nil) || called && !c.AttemptedAt.Equal(*r.AttemptedAt) {
				t.Errorf("call %+v, recipient %+v", c, r)
			}
			if r.CompletedAt != nil && (!c.CompletedAt.Equal(*r.CompletedAt) || c.Outcome != r.Status) {
				t.Errorf("call %+v, recipient %+v", c, r)
			}
		}
		if len(calls) < 10 {
			t.Errorf("only %d calls", len(calls))
		}
	})
}

func TestRecipientsSetByHandAreCallsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Recipients: 9})
		at := time.Now()
		a.SetRecipients(id, []simulator.Recipient{
			{}, {Status: "ringing", AttemptedAt: at}, {Status: "no-answer", AttemptedAt: at, CompletedAt: at},
			{Status: "completed", CompletedAt: at}, {ID: "mine", Status: "strange"},
		})
		p := get(t, a, id)
		if p.Batch.Target != 5 || p.Batch.Completed != 1 || p.Batch.Failed != 1 || p.Recipients[4].ID != "mine" {
			t.Errorf("%+v, %+v", p.Batch, p.Recipients[4])
		}
		time.Sleep(time.Minute)
		end := time.Now()
		a.SetRecipient(id, 1, simulator.Recipient{Status: "busy", AttemptedAt: at, CompletedAt: end})
		a.SetRecipient(id, 9, simulator.Recipient{})
		if b := get(t, a, id).Batch; b.Failed != 2 || b.Status != "running" {
			t.Errorf("%+v", b)
		}
		calls := a.Calls()
		if len(calls) != 2 {
			t.Fatalf("calls %+v", calls)
		}
		ends := map[string]time.Time{calls[0].Outcome: calls[0].CompletedAt, calls[1].Outcome: calls[1].CompletedAt}
		if !ends["no_answer"].Equal(at) || !ends["busy"].Equal(end) {
			t.Errorf("calls %+v", calls)
		}
	})
}

// BenchmarkSixHours plays what 200 batches did in six hours.
func BenchmarkSixHours(b *testing.B) {
	for b.Loop() {
		a := simulator.New(simulator.Options{})
		for range 200 {
			c := brisk(500)
			c.DialEvery, c.CreatedAt = 90*time.Second, time.Now().Add(-6*time.Hour)
			a.Add(c)
		}
		if n := len(a.Calls()); n < 90_000 {
			b.Fatalf("%d calls", n)
		}
	}
}

func TestRequestsShowsWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		send(t, a, `{"action":"list","status":"running","limit":7,"offset":14}`)
		send(t, a, `{"action":"list_runs","parent_batch_id":"p"}`)
		want := []simulator.Request{
			{At: time.Now().UTC(), Action: "list", StatusFilter: "running", Limit: 7, Offset: 14, Status: 200},
			{At: time.Now().UTC(), Action: "list_runs", BatchID: "p", Limit: 50, Status: 404},
		}
		if got := a.Requests(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
