package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRowsStayWithinATurnAndChangeWithTheNext(t *testing.T) {
	t.Parallel()
	account, err := serveAPI(t.Context(), ended(3)...)
	if err != nil {
		t.Fatal(err)
	}
	first, again := list(t, account), list(t, account)
	account.next()
	next := list(t, account)
	account.next()
	if strings.Count(first, `"parent_batch_id"`) != 3 || first != again || first != list(t, account) {
		t.Errorf("the answers of a turn differ, or lack batches:\n%s\n%s", first, again)
	}
	if strings.Count(next, `"completed_count":13`) != 3 || strings.Count(first, `"completed_count":12`) != 3 {
		t.Errorf("the rows do not change with the turn:\n%s\n%s", first, next)
	}
	if n := account.asked(); n != 4 {
		t.Errorf("%d requests were counted, want 4", n)
	}
}

func list(t *testing.T, account *api) string {
	t.Helper()
	question := strings.NewReader(`{"action":"list","limit":1000,"offset":0}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, account.url, question)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+madeUpKey)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the account answers %s, %v", response.Status, err)
	}
	return string(body)
}

func TestSamplesAreSharedWhereNameLabelsAndValueAgree(t *testing.T) {
	t.Parallel()
	const text = "# TYPE a gauge\na{batch_id=\"1\",name=\"x } 2\"} 3\na{batch_id=\"2\"} 1.5e+09\nup 1\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	a, b := answer{body: zipped.Bytes(), zipped: true}, answer{body: []byte("a{batch_id=\"1\",name=\"x } 2\"} 4\na{batch_id=\"2\"} 1500000000\nup 1\n")}
	for _, x := range []*answer{&a, &b} {
		if err := x.unpack(); err != nil {
			t.Fatal(err)
		}
	}
	if a.ofBatches() != 2 || a.sharedWith(&a) != 2 || a.sharedWith(&b) != 1 {
		t.Errorf("%d of batches, %d shared with itself, %d with the other; want 2, 2, 1", a.ofBatches(), a.sharedWith(&a), a.sharedWith(&b))
	}
}

func TestFiguresAreOfAllThatWasMeasured(t *testing.T) {
	t.Parallel()
	of := []time.Duration{9 * time.Millisecond, time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond}
	if got := []string{ms(median(of)), ms(mean(of)), ratio(0.04), ratio(1.5)}; strings.Join(got, ", ") != "3 ms, 4 ms, 1/25, 1.5" {
		t.Errorf("median, mean, ratios are %v", got)
	}
}
