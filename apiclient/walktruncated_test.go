package apiclient_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestPagesThatMeetAmongEqualTimesTruncate(t *testing.T) {
	a := unlimited(5)
	for range 60 {
		a.Add(simulator.Campaign{CreatedAt: longAgo()})
	}
	w := of(t, a).Batches()
	got := finish(t, w, nil)
	slices.Sort(got)
	if n := len(slices.Compact(got)); !w.Truncated() || n != len(got) || n > 59 {
		t.Errorf("%d ids, %d distinct, truncated %v", len(got), n, w.Truncated())
	}
}

func TestEqualTimesWithinAPageHideNone(t *testing.T) {
	a := unlimited(0)
	for range 60 {
		a.Add(simulator.Campaign{CreatedAt: longAgo()})
	}
	w := of(t, a).Batches()
	if got := finish(t, w, nil); len(got) != 60 || w.Truncated() {
		t.Errorf("%d batches, truncated %v", len(got), w.Truncated())
	}
}

func TestAPageWithNothingNewEndsTheWalkTruncated(t *testing.T) {
	a := unlimited(3)
	ids := fill(a, 9)
	w := of(t, a).Batches()
	got := finish(t, w, func(int) {
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
		w := of(t, a).Batches()
		if got := finish(t, w, nil); !slices.Equal(got, want) || w.Truncated() == c.kept {
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
	for range 2 {
		if got := finish(t, c.Batches(), nil); !slices.Equal(got, []string{ids[0], ids[2]}) {
			t.Errorf("got %v", got)
		}
	}
}

func TestAWalkEndsTruncatedAfterMaxPages(t *testing.T) {
	a := unlimited(1)
	ids := fill(a, apiclient.MaxPages+1)
	w := of(t, a).Batches()
	if got := finish(t, w, nil); !slices.Equal(got, ids[:apiclient.MaxPages]) || !w.Truncated() {
		t.Errorf("%d batches, truncated %v", len(got), w.Truncated())
	}
	if n := len(a.Requests()); n != apiclient.MaxPages {
		t.Errorf("%d requests", n)
	}
}

// Two batches with equal times, parted by a page border: the second page starts
// with the row that the first one ended with, and hides the other.
func TestRowsThatComeTwiceWalkAfterWalkTruncate(t *testing.T) {
	a := unlimited(2)
	for i, minutes := range []int{0, 1, 1, 2} {
		a.Add(simulator.Campaign{ID: string(rune('d' - i)), CreatedAt: longAgo().Add(time.Duration(minutes) * time.Minute)})
	}
	c := of(t, a)
	first, second := c.Batches(), c.Batches()
	if got := finish(t, first, nil); len(got) != 3 || first.Truncated() {
		t.Errorf("the first walk got %v, truncated %v; it can't know", got, first.Truncated())
	}
	if got := finish(t, second, nil); len(got) != 3 || !second.Truncated() {
		t.Errorf("the second walk got %v, truncated %v", got, second.Truncated())
	}
	a.Add(simulator.Campaign{ID: "e", CreatedAt: longAgo().Add(time.Hour)})
	third := c.Batches()
	if got := finish(t, third, nil); len(got) != 5 || third.Truncated() {
		t.Errorf("the third walk got %v, truncated %v; its pages part no pair", got, third.Truncated())
	}
}
