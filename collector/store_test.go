package collector

import (
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

// known makes an account that was shown running batches in one answer, and has
// asked for the recipients of each since.
func known(t *testing.T, ids ...string) (a *account, shown time.Time) {
	t.Helper()
	shown = time.Now().Add(-time.Minute)
	cfg := &Config{MaxBatches: 10, FinishedRetention: time.Hour, API: apiclient.Config{Budget: apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500})}}
	a = newAccount(cfg, newInstruments(newCatalogue(true)))
	for _, id := range ids {
		a.seeRow(apiclient.Batch{ID: id, Status: apiclient.BatchRunning}, shown)
		a.batches[id].askedAt = shown
	}
	return a, shown
}

// urgencies are those of the gets that could be sent now, by batch.
func (a *account) urgencies() map[string]urgency {
	found := map[string]urgency{}
	for _, c := range a.candidates(time.Now()) {
		if c.action == apiclient.ActionGet {
			found[c.id] = c.urgency
		}
	}
	return found
}

func TestAnAnswerToAnOlderRequestDoesNotReplaceWhatIsNewer(t *testing.T) {
	a, shown := known(t, "b")
	a.seeRow(apiclient.Batch{ID: "b", Status: apiclient.BatchPaused}, shown.Add(2*time.Second))
	a.seeRow(apiclient.Batch{ID: "b", Status: apiclient.BatchRunning}, shown.Add(time.Second))
	if got := a.batches["b"].row.Status; got != apiclient.BatchPaused {
		t.Errorf("the batch is %v, want paused", got)
	}
}

func TestABatchThatTheFilterShowsNoMoreIsReadFirst(t *testing.T) {
	a, shown := known(t, "left", "runs")
	a.list.filter, a.list.filterAt = apiclient.New(apiclient.Config{}).BatchesIn(apiclient.BatchRunning).Walk(), shown.Add(time.Second)
	a.list.filtered = map[string]bool{"runs": true}
	a.finishFilter()
	if got := a.urgencies(); got["left"] != justLeft || got["runs"] != byAge {
		t.Errorf("urgencies %v", got)
	}
}

func TestABatchThatTheListShowsEndedIsReadFirstUnlessThatFails(t *testing.T) {
	a, shown := known(t, "left", "runs")
	a.seeRow(apiclient.Batch{ID: "left", Status: apiclient.BatchCompleted}, shown.Add(time.Second))
	if got := a.urgencies(); got["left"] != justLeft || got["runs"] != byAge {
		t.Errorf("urgencies %v", got)
	}
	a.batches["left"].askedAt = time.Now().Add(time.Second)
	a.seeGetFail("left", false)
	if got := a.urgencies(); got["left"] != byAge {
		t.Errorf("urgencies after a failed get: %v; it must not keep others from being read", got)
	}
}
