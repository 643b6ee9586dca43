package apiclient_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestA500PastTheEndThatComesAgainEndsTheWalkTruncated(t *testing.T) {
	a := unlimited(0)
	ids := fill(a, 3)
	c := pages(t, a, 10)
	for i := range 3 {
		w := c.Batches()
		rows, err := w.Next(t.Context(), paid(t))
		if err != nil || len(rows) != 3 {
			t.Fatalf("%v, %d rows", err, len(rows))
		}
		mend := a.Inject(simulator.Fault{Status: 500})
		_, err = w.Next(t.Context(), paid(t))
		mend()
		if first := i == 0; (err != nil) != first || w.Done() == first || w.Truncated() == first || !w.Has(ids[2]) || w.Pages() != 1 {
			t.Errorf("walk %d: %v in %d pages, done %v, truncated %v", i+1, err, w.Pages(), w.Done(), w.Truncated())
		}
	}
	if got := finish(t, c.Batches(), nil); !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

func TestA500BetweenPagesThatTheServerCapsIsAnError(t *testing.T) {
	a := unlimited(2)
	ids := fill(a, 6)
	w := of(t, a).Batches()
	var got []string
	for page := range 3 {
		if page == 2 {
			a.Inject(simulator.Fault{Status: 500, Times: 1})
		}
		rows, err := w.Next(t.Context(), paid(t))
		if (err != nil) != (page == 2) || w.Done() || w.Truncated() {
			t.Fatalf("page %d: %v, done %v, truncated %v", page+1, err, w.Done(), w.Truncated())
		}
		for _, row := range rows {
			got = append(got, row.ID)
		}
	}
	if got = append(got, finish(t, w, nil)...); !slices.Equal(got, ids) || w.Truncated() {
		t.Errorf("got %v, truncated %v", got, w.Truncated())
	}
}

func TestAFailedPageIsReadAgain(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"500 after a full page": {Status: 500},
		"502":                   {Status: 502},
		"429":                   {Status: 429},
		"cut body":              {CutAfter: 1500},
		"no main member":        {Body: `{"data":[]}`},
	} {
		a := unlimited(0)
		ids := fill(a, 12)
		w := pages(t, a, 5).Batches()
		rows, err := w.Next(t.Context(), paid(t))
		fault.Times = 1
		a.Inject(fault)
		none, failed := w.Next(t.Context(), paid(t))
		if err != nil || failed == nil || none != nil || w.Done() || w.Pages() != 1 {
			t.Errorf("%s: %v, then %v with %d rows", name, err, failed, len(none))
		}
		if failed != nil && !strings.HasPrefix(failed.Error(), "list page 2: ") {
			t.Errorf("%s: error %q", name, failed)
		}
		got := []string{rows[0].ID, rows[1].ID, rows[2].ID, rows[3].ID, rows[4].ID}
		if got = append(got, finish(t, w, nil)...); !slices.Equal(got, ids) || w.Truncated() {
			t.Errorf("%s: got %d rows, truncated %v", name, len(got), w.Truncated())
		}
	}
}

func TestA500OnTheFirstPageIsAnError(t *testing.T) {
	a := unlimited(0)
	a.Inject(simulator.Fault{Status: 500})
	w := of(t, a).Batches()
	_, err := w.Next(t.Context(), paid(t))
	var failed *apiclient.StatusError
	if !errors.As(err, &failed) || w.Done() || w.Truncated() {
		t.Errorf("%v, done %v, truncated %v", err, w.Done(), w.Truncated())
	}
}

func TestOtherFailuresPastAShortPageDoNotEndTheWalk(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"501": {Status: 501}, "503": {Status: 503}, "404": {Status: 404}, "429": {Status: 429}, "no JSON": {Status: 200, Body: "<html>"},
	} {
		a := unlimited(0)
		ids := fill(a, 3)
		w := of(t, a).Batches()
		rows, first := w.Next(t.Context(), paid(t))
		fault.Times = 1
		a.Inject(fault)
		if _, err := w.Next(t.Context(), paid(t)); first != nil || len(rows) != 3 || err == nil || w.Done() {
			t.Errorf("%s: %v, then %v, done %v", name, first, err, w.Done())
		}
		if got := finish(t, w, nil); got != nil || w.Truncated() || !w.Has(ids[2]) {
			t.Errorf("%s: then %v, truncated %v", name, got, w.Truncated())
		}
	}
}
