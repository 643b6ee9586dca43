package apiclient_test

import (
	"slices"
	"testing"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// price is the number of requests that a whole walk takes.
func price(t *testing.T, a *simulator.Account, w *apiclient.Walk) int {
	t.Helper()
	before := len(a.Requests())
	finish(t, w, nil)
	if w.Truncated() {
		t.Error("truncated")
	}
	return len(a.Requests()) - before
}

func TestTheEndIsProvenOnceForAnUnchangedAccount(t *testing.T) {
	for name, c := range map[string]struct{ batches, pageCap, size, first, later int }{
		"a short only page":       {3, 1000, 10, 2, 1},
		"a full only page":        {10, 1000, 10, 2, 1},
		"full pages":              {20, 1000, 10, 3, 2},
		"pages cut by the server": {21, 7, 500, 4, 3},
		"a short page at the end": {12, 1000, 5, 3, 3},
		"a cut page at the end":   {23, 7, 500, 4, 4},
		"one row a page":          {3, 1, 500, 4, 3},
	} {
		a := unlimited(c.pageCap)
		fill(a, c.batches)
		client := pages(t, a, c.size)
		for i, want := range []int{c.first, c.later, c.later} {
			if got := price(t, a, client.Batches()); got != want {
				t.Errorf("%s: walk %d took %d requests, want %d", name, i+1, got, want)
			}
		}
	}
}

func TestDeletingTheLastRowCostsOneMoreRequest(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 8)
	c := of(t, a)
	price(t, a, c.Batches())
	a.Delete(ids[7])
	a.Delete(ids[6])
	if first, later := price(t, a, c.Batches()), price(t, a, c.Batches()); first != 4 || later != 3 {
		t.Errorf("%d requests, then %d, for three pages", first, later)
	}
}

func TestNewBatchesCostNoProof(t *testing.T) {
	a := unlimited(2)
	fill(a, 4)
	c := of(t, a)
	price(t, a, c.Batches())
	for i := range 2 {
		a.Add(simulator.Campaign{CreatedAt: longAgo().AddDate(0, 1, i)})
	}
	if n := price(t, a, c.Batches()); n != 3 {
		t.Errorf("%d requests for three pages", n)
	}
}

func TestTheEndOfOneListingIsNotThatOfAnother(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 6)
	c := of(t, a)
	a.SetStatus(ids[1], "paused")
	a.SetStatus(ids[3], "paused")
	if got := finish(t, c.Batches(apiclient.BatchPaused), nil); !slices.Equal(got, []string{ids[1], ids[3]}) {
		t.Errorf("paused: %v", got)
	}
	if got := finish(t, c.Batches(), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

// The filtered listing alone has none: batches join it behind its last one.
func TestEveryListingKeepsItsProof(t *testing.T) {
	a := unlimited(2)
	var listings []func(*apiclient.Client) *apiclient.Walk
	for range 2 {
		series := a.Add(simulator.Campaign{Recurrence: "daily", CreatedAt: longAgo()})
		for i := range 4 {
			a.Add(simulator.Campaign{Parent: series, CreatedAt: longAgo().AddDate(0, 0, i)})
		}
		listings = append(listings, func(c *apiclient.Client) *apiclient.Walk { return c.Runs(series) })
	}
	listings = append(listings,
		func(c *apiclient.Client) *apiclient.Walk { return c.Batches() },
		func(c *apiclient.Client) *apiclient.Walk { return c.Batches(apiclient.BatchRecurring) })
	c := pages(t, a, 2)
	for i, want := range []int{3 + 3 + 2 + 2, 2 + 2 + 1 + 2} {
		got := 0
		for _, w := range listings {
			got += price(t, a, w(c))
		}
		if got != want {
			t.Errorf("round %d took %d requests, want %d", i+1, got, want)
		}
	}
}

func TestTheLongestPageOutlivesShorterOnes(t *testing.T) {
	a := unlimited(10)
	ids := fill(a, 10)
	for i, status := range []string{"paused", "failed", "draft"} {
		a.SetStatus(ids[i], status)
	}
	c := of(t, a)
	price(t, a, c.Batches())
	for _, s := range []apiclient.BatchStatus{apiclient.BatchPaused, apiclient.BatchFailed, apiclient.BatchDraft} {
		if n := price(t, a, c.Batches(s)); n != 1 {
			t.Errorf("%s: %d requests for one row", s, n)
		}
	}
}

func TestABatchThatStartsRunningBehindTheLastOneIsListed(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 3)
	a.SetStatus(ids[2], "scheduled")
	c := of(t, a)
	finish(t, c.Batches(apiclient.BatchRunning), nil)
	a.SetStatus(ids[2], "running")
	if got := finish(t, c.Batches(apiclient.BatchRunning), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}
