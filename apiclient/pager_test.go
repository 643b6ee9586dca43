package apiclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// fill adds n batches, a minute apart, and returns their ids in the order of list.
func fill(a *simulator.Account, n int) (ids []string) {
	for i := range n {
		c := simulator.Campaign{CreatedAt: longAgo().Add(time.Duration(i) * time.Minute)}
		ids = append(ids, a.Add(c))
	}
	slices.Reverse(ids)
	return ids
}

func longAgo() time.Time { return time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC) }

// finish reads a walk to its end; between is called after each page but the last.
func finish(t *testing.T, w *apiclient.Walk, between func(page int)) (ids []string) {
	t.Helper()
	for !w.Done() {
		rows, err := w.Next(t.Context(), paid(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range rows {
			ids = append(ids, b.ID)
		}
		if between != nil && !w.Done() {
			between(w.Pages())
		}
	}
	return ids
}

// pages makes a client that asks for as many rows.
func pages(t *testing.T, a *simulator.Account, size int) *apiclient.Client {
	t.Helper()
	return connect(t, apiclient.Config{Transport: inside(a), PageSize: size})
}

func TestAWalkShowsEveryBatchOnceInOrder(t *testing.T) {
	for _, pageCap := range []int{1, 7, 50, 1000} {
		for _, size := range []int{1, 7, 10, 50, 500} {
			for _, n := range []int{0, 1, 7, 50, 120} {
				a := unlimited(pageCap)
				want := fill(a, n)
				w := pages(t, a, size).Batches()
				if diff := cmp.Diff(want, finish(t, w, nil)); diff != "" || w.Truncated() {
					t.Errorf("%d batches, pages of %d, cap %d: truncated %v\n%s", n, size, pageCap, w.Truncated(), diff)
				}
			}
		}
	}
}

func TestBatchesCreatedWhilePagingHideNone(t *testing.T) {
	for _, pageCap := range []int{7, 50, 1000} {
		for _, size := range []int{7, 10, 50, 500} {
			a := unlimited(pageCap)
			want := fill(a, 120)
			w := pages(t, a, size).Batches()
			got := finish(t, w, func(page int) {
				for i := range 1 + page%3 {
					a.Add(simulator.Campaign{CreatedAt: longAgo().AddDate(0, 0, page).Add(time.Duration(i) * time.Second)})
				}
			})
			if diff := cmp.Diff(want, got); diff != "" || w.Truncated() {
				t.Errorf("pages of %d, cap %d: truncated %v\n%s", size, pageCap, w.Truncated(), diff)
			}
		}
	}
}

func TestAnIDThatRepeatsWithinAPageCountsOnce(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 5)
	a.Set(ids[3], "id", ids[1])
	w := of(t, a).Batches()
	got := finish(t, w, nil)
	if want := []string{ids[0], ids[1], ids[2], ids[4]}; !slices.Equal(got, want) || w.Truncated() {
		t.Errorf("got %v, want %v, truncated %v", got, want, w.Truncated())
	}
}

func TestAWalkKnowsWhatItHasShown(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 12)
	w := pages(t, a, 5).Batches()
	if _, err := w.Next(t.Context(), paid(t)); err != nil {
		t.Fatal(err)
	}
	if w.Done() || w.Pages() != 1 || w.RowPages() != 1 || !w.Has(ids[4]) || w.Has(ids[5]) {
		t.Errorf("after a page: done %v, %d pages, %d with rows", w.Done(), w.Pages(), w.RowPages())
	}
	finish(t, w, nil)
	if w.Pages() != 3 || w.RowPages() != 3 || !w.Has(ids[11]) || w.Has("") {
		t.Errorf("at the end: %d pages, %d with rows", w.Pages(), w.RowPages())
	}
}

func TestAStatusFilterListsBatchesInThatStateAlone(t *testing.T) {
	a := unlimited(3)
	ids := fill(a, 20)
	var want []string
	for i, id := range ids {
		if i%3 == 0 {
			a.SetStatus(id, "paused")
			want = append(want, id)
		}
	}
	got := finish(t, of(t, a).Batches(apiclient.BatchPaused), nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range a.Requests() {
		if r.StatusFilter != "paused" {
			t.Errorf("asked %+v", r)
		}
	}
}

func TestRunsAreListedForTheirSeriesOnly(t *testing.T) {
	for _, pageCap := range []int{1, 4, 1000} {
		a := unlimited(pageCap)
		series := a.Add(simulator.Campaign{Recurrence: "daily", CreatedAt: longAgo()})
		other := a.Add(simulator.Campaign{Recurrence: "weekly", CreatedAt: longAgo().Add(time.Second)})
		var want []string
		for i := range 9 {
			run := simulator.Campaign{Parent: series, CreatedAt: longAgo().AddDate(0, 0, i), ID: fmt.Sprintf("run-%d", i)}
			want = slices.Insert(want, 0, a.Add(run))
		}
		a.Add(simulator.Campaign{Parent: other})
		c := of(t, a)
		if diff := cmp.Diff(want, finish(t, c.Runs(series), nil)); diff != "" {
			t.Errorf("cap %d: %s", pageCap, diff)
		}
		if got := finish(t, c.Batches(), nil); !slices.Equal(got, []string{other, series}) {
			t.Errorf("listed %v", got)
		}
		rows, err := c.Runs(series).Next(t.Context(), paid(t))
		if err != nil || rows[0].ParentID != series || rows[0].Recurrence != "none" {
			t.Errorf("%v, %+v", err, rows)
		}
	}
}

func TestRunsOfAnUnknownSeriesAreNotFound(t *testing.T) {
	w := of(t, unlimited(0)).Runs("nowhere")
	_, err := w.Next(t.Context(), paid(t))
	var failed *apiclient.StatusError
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusNotFound || w.Done() {
		t.Errorf("%v, done %v", err, w.Done())
	}
	if want := "list_runs page 1: the API answered 404 Not Found"; err == nil || err.Error() != want {
		t.Errorf("error %q", err)
	}
}

func TestAnEmptyAccountTakesOneRequest(t *testing.T) {
	a := unlimited(0)
	w := of(t, a).Batches()
	if got := finish(t, w, nil); got != nil || w.Truncated() || w.Pages() != 1 || w.RowPages() != 0 {
		t.Errorf("got %v, truncated %v, %d pages", got, w.Truncated(), w.Pages())
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
