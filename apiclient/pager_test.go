package apiclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
func finish(t *testing.T, c *apiclient.Client, w *apiclient.Walk, between func(page int)) (ids []string) {
	t.Helper()
	for !w.Done() {
		rows, err := next(t, c, w)
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

// cost returns the number of requests that a complete walk takes.
func cost(t *testing.T, a *simulator.Account, c *apiclient.Client, p *apiclient.Pager) int {
	t.Helper()
	before, w := len(a.Requests()), p.Walk()
	finish(t, c, w, nil)
	if w.Truncated() {
		t.Error("truncated")
	}
	return len(a.Requests()) - before
}

// sized makes a client that requests pages of this many rows.
func sized(t *testing.T, a *simulator.Account, size int) *apiclient.Client {
	t.Helper()
	return connect(t, apiclient.Config{Transport: inside(a), PageSize: size})
}

func TestAWalkShowsEveryBatchOnceInOrder(t *testing.T) {
	for _, pageCap := range []int{1, 7, 50, 1000} {
		for _, size := range []int{1, 7, 10, 50, 500} {
			for _, n := range []int{0, 1, 7, 50, 120} {
				a := unlimited(pageCap)
				want := fill(a, n)
				c := sized(t, a, size)
				w := c.Batches().Walk()
				if diff := cmp.Diff(want, finish(t, c, w, nil)); diff != "" || w.Truncated() {
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
			c := sized(t, a, size)
			w := c.Batches().Walk()
			got := finish(t, c, w, func(page int) {
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
	c := of(t, a)
	w := c.Batches().Walk()
	got := finish(t, c, w, nil)
	if want := []string{ids[0], ids[1], ids[2], ids[4]}; !slices.Equal(got, want) || w.Truncated() {
		t.Errorf("got %v, want %v, truncated %v", got, want, w.Truncated())
	}
}

func TestAWalkKnowsWhatItHasShown(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 10)
	c := sized(t, a, 5)
	w := c.Batches().Walk()
	if _, err := next(t, c, w); err != nil {
		t.Fatal(err)
	}
	if w.Done() || w.Pages() != 1 || !w.Has(ids[4]) || w.Has(ids[5]) {
		t.Errorf("after a page: done %v, %d pages", w.Done(), w.Pages())
	}
	finish(t, c, w, nil)
	if w.Pages() != 2 || !w.Has(ids[9]) || w.Has("") {
		t.Errorf("at the end: %d pages with rows", w.Pages())
	}
	sent := len(a.Requests())
	if rows, err := next(t, c, w); err != nil || rows != nil || len(a.Requests()) != sent {
		t.Errorf("after the end: %v, %d rows, %d requests", err, len(rows), len(a.Requests())-sent)
	}
}

func TestAWalkBegunAnewStartsAtTheFirstRow(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 10)
	c := sized(t, a, 5)
	p := c.Batches()
	if _, err := next(t, c, p.Walk()); err != nil {
		t.Fatal(err)
	}
	if got := finish(t, c, p.Walk(), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
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
	c := of(t, a)
	if diff := cmp.Diff(want, finish(t, c, c.BatchesIn(apiclient.BatchPaused).Walk(), nil)); diff != "" {
		t.Error(diff)
	}
	for _, r := range a.Requests() {
		if r.StatusFilter != "paused" {
			t.Errorf("asked %+v", r)
		}
	}
}

func TestRunsAreListedForTheirParentOnly(t *testing.T) {
	for _, pageCap := range []int{1, 4, 1000} {
		a := unlimited(pageCap)
		parent := a.Add(simulator.Campaign{Recurrence: "daily", CreatedAt: longAgo()})
		other := a.Add(simulator.Campaign{Recurrence: "weekly", CreatedAt: longAgo().Add(time.Second)})
		var want []string
		for i := range 9 {
			run := simulator.Campaign{Parent: parent, CreatedAt: longAgo().AddDate(0, 0, i), ID: fmt.Sprintf("run-%d", i)}
			want = slices.Insert(want, 0, a.Add(run))
		}
		a.Add(simulator.Campaign{Parent: other})
		c := of(t, a)
		if diff := cmp.Diff(want, finish(t, c, c.Runs(parent).Walk(), nil)); diff != "" {
			t.Errorf("cap %d: %s", pageCap, diff)
		}
		if got := finish(t, c, c.Batches().Walk(), nil); !slices.Equal(got, []string{other, parent}) {
			t.Errorf("listed %v", got)
		}
		rows, err := next(t, c, c.Runs(parent).Walk())
		if err != nil || rows[0].ParentID != parent || rows[0].Recurrence != "none" {
			t.Errorf("%v, %+v", err, rows)
		}
	}
}

func TestRunsOfAnUnknownParentAreNotFound(t *testing.T) {
	c := of(t, unlimited(0))
	w := c.Runs("nowhere").Walk()
	_, err := next(t, c, w)
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
	c := of(t, a)
	w := c.Batches().Walk()
	if got := finish(t, c, w, nil); got != nil || w.Truncated() || w.Pages() != 0 {
		t.Errorf("got %v, truncated %v, %d pages with rows", got, w.Truncated(), w.Pages())
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Finding the end.

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
		client := sized(t, a, c.size)
		p := client.Batches()
		for i, want := range []int{c.first, c.later, c.later} {
			if got := cost(t, a, client, p); got != want {
				t.Errorf("%s: walk %d took %d requests, want %d", name, i+1, got, want)
			}
		}
	}
}

func TestAPageThatTheServerCutsShorterThanBeforeIsNotTheEnd(t *testing.T) {
	small, large := unlimited(100), unlimited(1000)
	ids := fill(large, 400)
	if !slices.Equal(ids, fill(small, 400)) {
		t.Fatal("the accounts differ")
	}
	by := &switched{inside(large)}
	c := connect(t, apiclient.Config{Transport: by})
	p := c.Batches()
	if got := finish(t, c, p.Walk(), nil); !slices.Equal(got, ids) {
		t.Fatalf("%d batches", len(got))
	}
	by.RoundTripper = inside(small)
	w := p.Walk()
	if got := finish(t, c, w, nil); !slices.Equal(got, ids) || w.Truncated() {
		t.Errorf("%d batches once pages are cut at 100 rows, truncated %v", len(got), w.Truncated())
	}
}

// switched is a transport that may be replaced.
type switched struct{ http.RoundTripper }

func TestDeletingTheLastRowCostsOneMoreRequest(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 8)
	c := of(t, a)
	p := c.Batches()
	cost(t, a, c, p)
	a.Delete(ids[7])
	a.Delete(ids[6])
	if first, later := cost(t, a, c, p), cost(t, a, c, p); first != 4 || later != 3 {
		t.Errorf("%d requests, then %d, for three pages", first, later)
	}
}

func TestNewBatchesCostNoProof(t *testing.T) {
	a := unlimited(2)
	fill(a, 4)
	c := of(t, a)
	p := c.Batches()
	cost(t, a, c, p)
	for i := range 2 {
		a.Add(simulator.Campaign{CreatedAt: longAgo().AddDate(0, 1, i)})
	}
	if n := cost(t, a, c, p); n != 3 {
		t.Errorf("%d requests for three pages", n)
	}
}

func TestALastRowThatSharesItsTimeProvesNothing(t *testing.T) {
	for name, created := range map[string]func(i int) any{
		"equal times": func(int) any { return "2026-11-01T09:00:00+00:00" },
		"no times":    func(int) any { return nil },
	} {
		a := unlimited(0)
		for i, id := range fill(a, 3) {
			a.Set(id, "created_at", created(i))
		}
		c := of(t, a)
		p := c.Batches()
		for range 3 {
			if n := cost(t, a, c, p); n != 2 {
				t.Errorf("%s: %d requests", name, n)
			}
		}
	}
}

func TestThePagesOfAnotherListingProveNothing(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 6)
	c := of(t, a)
	a.SetStatus(ids[1], "paused")
	a.SetStatus(ids[3], "paused")
	if got := finish(t, c, c.BatchesIn(apiclient.BatchPaused).Walk(), nil); !slices.Equal(got, []string{ids[1], ids[3]}) {
		t.Errorf("paused: %v", got)
	}
	if got := finish(t, c, c.Batches().Walk(), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

// Only the filtered listing does not remember its end, because batches can join it after its last row.
func TestEveryListingKeepsItsProof(t *testing.T) {
	a := unlimited(2)
	c := sized(t, a, 2)
	var listings []*apiclient.Pager
	for range 2 {
		parent := a.Add(simulator.Campaign{Recurrence: "daily", CreatedAt: longAgo()})
		for i := range 4 {
			a.Add(simulator.Campaign{Parent: parent, CreatedAt: longAgo().AddDate(0, 0, i)})
		}
		a.Set(parent, "created_at", longAgo().AddDate(0, 0, len(listings)))
		listings = append(listings, c.Runs(parent))
	}
	listings = append(listings, c.Batches(), c.BatchesIn(apiclient.BatchRecurring))
	for i, want := range [][]int{{3, 3, 2, 2}, {2, 2, 1, 2}} {
		var got []int
		for _, p := range listings {
			got = append(got, cost(t, a, c, p))
		}
		if !slices.Equal(got, want) {
			t.Errorf("round %d took %d requests, want %d", i+1, got, want)
		}
	}
}

func TestABatchThatStartsRunningBehindTheLastOneIsListed(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 3)
	a.SetStatus(ids[2], "scheduled")
	c := of(t, a)
	p := c.BatchesIn(apiclient.BatchRunning)
	finish(t, c, p.Walk(), nil)
	a.SetStatus(ids[2], "running")
	if got := finish(t, c, p.Walk(), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

// Failures.

func TestAnOutageEndsNoWalk(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 3)
	c := of(t, a)
	p := c.Batches()
	for range 3 {
		w := p.Walk()
		if rows, err := next(t, c, w); err != nil || len(rows) != 3 {
			t.Fatalf("%v, %d rows", err, len(rows))
		}
		mend := a.Inject(simulator.Fault{Status: 500})
		for range 3 {
			if _, err := next(t, c, w); apiclient.Reason(err) != "server_error" || w.Done() || w.Truncated() {
				t.Errorf("%v, done %v, truncated %v", err, w.Done(), w.Truncated())
			}
		}
		mend()
	}
	w := p.Walk()
	if got := finish(t, c, w, nil); !slices.Equal(got, ids) || w.Truncated() {
		t.Errorf("got %v, truncated %v", got, w.Truncated())
	}
}

func TestAFailedPageIsReadAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fault   simulator.Fault
		pageCap int
		rows    int
	}{
		"500 after a full page":    {simulator.Fault{Status: 500}, 0, 12},
		"500 between cut pages":    {simulator.Fault{Status: 500}, 2, 6},
		"500 after a short page":   {simulator.Fault{Status: 500}, 0, 3},
		"501":                      {simulator.Fault{Status: 501}, 0, 12},
		"502":                      {simulator.Fault{Status: 502}, 0, 12},
		"503 after a short page":   {simulator.Fault{Status: 503}, 0, 3},
		"404 after a short page":   {simulator.Fault{Status: 404}, 0, 3},
		"cut body":                 {simulator.Fault{CutAfter: 1500}, 0, 12},
		"no main member":           {simulator.Fault{Body: `{"data":[]}`}, 0, 12},
		"no JSON after short page": {simulator.Fault{Status: 200, Body: "<html>"}, 0, 3},
	} {
		a := unlimited(c.pageCap)
		ids := fill(a, c.rows)
		client := sized(t, a, 5)
		w := client.Batches().Walk()
		first, err := next(t, client, w)
		c.fault.Times = 1
		a.Inject(c.fault)
		none, failed := next(t, client, w)
		if err != nil || failed == nil || none != nil || w.Done() || w.Pages() != 1 {
			t.Errorf("%s: %v, then %v with %d rows", name, err, failed, len(none))
		}
		if failed != nil && !strings.HasPrefix(failed.Error(), "list page 2: ") {
			t.Errorf("%s: error %q", name, failed)
		}
		var got []string
		for _, b := range first {
			got = append(got, b.ID)
		}
		if got = append(got, finish(t, client, w, nil)...); !slices.Equal(got, ids) || w.Truncated() {
			t.Errorf("%s: got %d rows, truncated %v", name, len(got), w.Truncated())
		}
	}
}

// Rows that may have been missed.

func TestPagesThatMeetAmongEqualTimesTruncate(t *testing.T) {
	a := unlimited(5)
	for range 60 {
		a.Add(simulator.Campaign{CreatedAt: longAgo()})
	}
	c := of(t, a)
	w := c.Batches().Walk()
	got := finish(t, c, w, nil)
	slices.Sort(got)
	if n := len(slices.Compact(got)); !w.Truncated() || n != len(got) || n > 59 {
		t.Errorf("%d ids, %d distinct, truncated %v", len(got), n, w.Truncated())
	}
}

// The pages of a, b, c, x and d, of which b, c and x have the same time: x has
// changed places with c between the first page and the second.
func TestAPageThatBeginsWithOneOfTheEqualTimesBeforeItTruncates(t *testing.T) {
	row := func(id string, minute int) string {
		return fmt.Sprintf(`{"id":%q,"created_at":"2026-11-01T09:%02d:00Z"}`, id, minute)
	}
	for name, c := range map[string]struct {
		second    int // minute of the second row
		truncated bool
	}{"equal times": {1, true}, "a batch created meanwhile": {2, false}} {
		a := pages{row("a", 3) + "," + row("b", c.second) + "," + row("c", 1), row("c", 1) + "," + row("d", 0), ""}
		client := connect(t, apiclient.Config{Transport: &a})
		w := client.Batches().Walk()
		if got := finish(t, client, w, nil); !slices.Equal(got, []string{"a", "b", "c", "d"}) || w.Truncated() != c.truncated {
			t.Errorf("%s: got %v, truncated %v", name, got, w.Truncated())
		}
	}
}

// pages answers with the rows of one page after the other.
type pages []string

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	rows := (*p)[0]
	*p = (*p)[1:]
	return exactly(`{"batches":[` + rows + `]}`).RoundTrip(r)
}

func TestEqualTimesWithinAPageHideNone(t *testing.T) {
	a := unlimited(0)
	for range 60 {
		a.Add(simulator.Campaign{CreatedAt: longAgo()})
	}
	c := of(t, a)
	w := c.Batches().Walk()
	if got := finish(t, c, w, nil); len(got) != 60 || w.Truncated() {
		t.Errorf("%d batches, truncated %v", len(got), w.Truncated())
	}
}

func TestAPageWithNothingNewEndsTheWalkTruncated(t *testing.T) {
	a := unlimited(3)
	ids := fill(a, 9)
	c := of(t, a)
	w := c.Batches().Walk()
	got := finish(t, c, w, func(int) {
		for i := range 3 {
			a.Add(simulator.Campaign{CreatedAt: longAgo().AddDate(0, 1, i)})
		}
	})
	if !slices.Equal(got, ids[:3]) || !w.Truncated() || w.Pages() != 2 {
		t.Errorf("got %v in %d pages, truncated %v", got, w.Pages(), w.Truncated())
	}
}

func TestARowWithoutAUsableIDTruncates(t *testing.T) {
	for name, c := range map[string]struct {
		id   any
		kept bool
	}{
		"null":           {nil, false},
		"missing":        {simulator.Omit, false},
		"empty":          {"", false},
		"number":         {7, false},
		"object":         {map[string]int{"a": 1}, false},
		"300 characters": {strings.Repeat("x", 300), false},
		"257 characters": {strings.Repeat("x", 257), false},
		"256 characters": {strings.Repeat("x", 256), true},
		"escapes":        {"a\"\\\n\u2028é", true},
	} {
		a := unlimited(0)
		ids := fill(a, 3)
		a.Set(ids[1], "id", c.id)
		want := []string{ids[0], ids[2]}
		if id, ok := c.id.(string); ok && c.kept {
			want = slices.Insert(want, 1, id)
		}
		client := of(t, a)
		w := client.Batches().Walk()
		if got := finish(t, client, w, nil); !slices.Equal(got, want) || w.Truncated() == c.kept {
			t.Errorf("%s: got %v, truncated %v", name, got, w.Truncated())
		}
	}
}

func TestLastRowsWithoutIDsDoNotProveTheEnd(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 4)
	a.Set(ids[1], "id", nil)
	a.Set(ids[3], "id", nil)
	c := of(t, a)
	p := c.Batches()
	for range 2 {
		if got := finish(t, c, p.Walk(), nil); !slices.Equal(got, []string{ids[0], ids[2]}) {
			t.Errorf("got %v", got)
		}
	}
}

func TestAWalkEndsTruncatedAfterMaxPages(t *testing.T) {
	a := unlimited(1)
	ids := fill(a, apiclient.MaxPages+1)
	c := of(t, a)
	w := c.Batches().Walk()
	if got := finish(t, c, w, nil); !slices.Equal(got, ids[:apiclient.MaxPages]) || !w.Truncated() {
		t.Errorf("%d batches, truncated %v", len(got), w.Truncated())
	}
	if n := len(a.Requests()); n != apiclient.MaxPages {
		t.Errorf("%d requests", n)
	}
}

// Two batches with equal times are separated by a page border: the second page
// starts with the row that the first one ended with, and hides the other.
func TestRowsRepeatedWalkAfterWalkTruncate(t *testing.T) {
	a := unlimited(2)
	for i, minutes := range []int{0, 1, 1, 2} {
		a.Add(simulator.Campaign{ID: string(rune('d' - i)), CreatedAt: longAgo().Add(time.Duration(minutes) * time.Minute)})
	}
	c := of(t, a)
	p := c.Batches()
	first, second := p.Walk(), p.Walk()
	if got := finish(t, c, first, nil); len(got) != 3 || first.Truncated() {
		t.Errorf("the first walk got %v, truncated %v; it cannot know", got, first.Truncated())
	}
	if got := finish(t, c, second, nil); len(got) != 3 || !second.Truncated() {
		t.Errorf("the second walk got %v, truncated %v", got, second.Truncated())
	}
	a.Add(simulator.Campaign{ID: "e", CreatedAt: longAgo().Add(time.Hour)})
	third := p.Walk()
	if got := finish(t, c, third, nil); len(got) != 5 || third.Truncated() {
		t.Errorf("the third walk got %v, truncated %v; its pages separate no pair", got, third.Truncated())
	}
}
