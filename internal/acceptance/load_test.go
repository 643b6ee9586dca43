package acceptance

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

var load = flag.Duration("load", 3*time.Second, "how long fifty scrapers scrape; from a minute on, the binary with the race detector as well")

const (
	scrapers = 50
	pause    = 2 * time.Second // from one round of scrapes to the next
	idle     = 45              // goroutines at most without scrapes: two for each of eight connections to the API among them
)

func TestFiftyScrapersAtOnceCostNoMemoryAndNoRequest(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		scrapeFor(t, binary, *load)
	})
	if *load < time.Minute {
		return
	}
	t.Run("race", func(t *testing.T) {
		t.Parallel()
		raced := filepath.Join(t.TempDir(), program)
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-race", "-o", raced, root).CombinedOutput(); err != nil {
			t.Fatalf("build with the race detector: %v\n%s", err, out)
		}
		scrapeFor(t, raced, *load)
	})
}

// figures are what one round of scrapes left on the page.
type figures struct{ goroutines, heap, resident float64 }

func scrapeFor(t *testing.T, program string, long time.Duration) {
	t.Helper()
	account := simulator.Demo(simulator.Options{Seed: 1, Key: madeUpKey})
	p := startProgram(t, program, []string{"MAGPIPE_API_KEY=" + madeUpKey, "GORACE=halt_on_error=1"},
		"--api.url="+serveAPI(t, account.ServeHTTP), "--api.timeout=1m") // for this machine may be slow as well
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: scrapers}}
	began := time.Now()
	var rounds []figures
	for begin := time.Now(); time.Since(began) < long; begin = time.Now() {
		var all sync.WaitGroup
		for range scrapers {
			all.Go(func() { scrapeOnce(t, client, p.url) })
		}
		all.Wait()
		rounds = append(rounds, figuresOf(t, p))
		<-time.After(pause - time.Since(begin))
	}
	client.CloseIdleConnections()
	eventually(t, 20*time.Second, "the goroutines of the scrapes have ended", func() bool { return figuresOf(t, p).goroutines <= idle })
	took := time.Since(began)
	asked := len(account.Requests())
	if most := 20 + int(took.Seconds()*0.128); asked == 0 || asked > most {
		t.Errorf("%d requests in %v, want at most %d, which is the budget", asked, took, most)
	}
	for _, line := range []string{"level=warn", "level=error", "DATA RACE", "panic"} {
		if strings.Contains(p.Log(), line) {
			t.Errorf("logged: %s", p.Log())
		}
	}
	if long < time.Minute {
		return
	}
	early, late := typical(rounds[len(rounds)/8:len(rounds)/2]), typical(rounds[len(rounds)/2:])
	if late.goroutines > early.goroutines+scrapers || late.heap > 1.25*early.heap || late.resident > 1.25*early.resident {
		t.Errorf("it grows: from %+v to %+v", early, late)
	}
	t.Logf("%d scrapes in %v for %d requests; on the page in the first half %+v, in the second %+v",
		len(rounds)*scrapers, took.Round(time.Second), asked, early, late)
}

// typical returns the medians.
func typical(rounds []figures) (m figures) {
	median := func(of func(figures) float64) float64 {
		values := make([]float64, 0, len(rounds))
		for _, r := range rounds {
			values = append(values, of(r))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		median(func(f figures) float64 { return f.goroutines }),
		median(func(f figures) float64 { return f.heap }),
		median(func(f figures) float64 { return f.resident }),
	}
}

// scrapeOnce fails unless the page is complete and says that the list can be read.
func scrapeOnce(t *testing.T, client *http.Client, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url+"/metrics", nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	lines := strings.Split(string(body), "\n")
	if err != nil || resp.StatusCode != http.StatusOK || !slices.Contains(lines, "magpipe_up 1") || lines[len(lines)-1] != "" {
		t.Errorf("answered %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
}

func figuresOf(t *testing.T, p exporter) figures {
	t.Helper()
	samples := samplesOf(get(t, p.url+"/metrics").body)
	f := figures{samples["go_goroutines"], samples["go_memstats_heap_inuse_bytes"], samples["process_resident_memory_bytes"]}
	if f.goroutines == 0 || f.heap == 0 {
		t.Errorf("the page has no process metrics: %s", fmt.Sprint(f))
	}
	return f
}
