package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRowsOfEndedBatchesChangeWithTheTurnAlone(t *testing.T) {
	t.Parallel()
	a := serve(frozenTurns(3, 1)...)
	defer a.Close()
	list := func() string {
		body := strings.NewReader(`{"action":"list","limit":1000,"offset":0}`)
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
		request.Header.Set("Authorization", "Bearer "+madeUpKey)
		answer := httptest.NewRecorder()
		a.ServeHTTP(answer, request)
		return answer.Body.String()
	}
	for turn, row := range []string{`"completed_count":12`, `"completed_count":13`, `"completed_count":12`} {
		if page := list(); strings.Count(page, row) != 3 || strings.Count(page, `"running"`) != 1 || page != list() {
			t.Errorf("turn %d: no three rows with %s and a running one, or the second answer differs:\n%s", turn, row, page)
		}
		a.turn.Add(1)
	}
	if n := a.requests.Load(); n != 6 {
		t.Errorf("%d requests were counted, want 6", n)
	}
}

func TestSamplesAreSharedIfNameLabelsAndValueAgree(t *testing.T) {
	t.Parallel()
	p := program{samples: batchSamples("# TYPE a gauge\na{batch_id=\"1\",name=\"x } 2\"} 3\na{batch_id=\"2\"} 1.5e+09\nup 1\n")}
	other := program{samples: batchSamples("a{batch_id=\"1\",name=\"x } 2\"} 4\na{batch_id=\"2\"} 1500000000\nup 1\n")}
	if n, self, shared := len(p.samples), p.shared(&p), p.shared(&other); n != 2 || self != 2 || shared != 1 {
		t.Errorf("%d samples, %d shared with itself, %d with the other; want 2, 2, 1", n, self, shared)
	}
}

func TestFiguresSummarizeAllScrapes(t *testing.T) {
	t.Parallel()
	scrapes := []time.Duration{9 * time.Millisecond, time.Millisecond, 2 * time.Millisecond, 36 * time.Millisecond}
	got := []string{milliseconds(median(scrapes)), milliseconds(mean(scrapes)), ratio(4, 100), ratio(150, 100)}
	if s := strings.Join(got, ", "); s != "5.5 ms, 12 ms, 1/25, 1.5" {
		t.Errorf("median, mean and ratios are %s", s)
	}
}
