package collector_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/web"
)

// victim is what a fault hits, and what shows on the page that it was read.
type victim struct {
	action, id string
	shown      string   // a sample that comes of its answer alone
	others     []string // samples that do not
	ready      bool     // though it has never been answered
}

// victims are one of each action, in the account of inOutage.
func victims() []victim {
	const up, batchA, batchB = `magpipe_up 1`, `magpipe_batch_attempted_recipients{batch_id="a"} 4`, `magpipe_batch_attempted_recipients{batch_id="b"} 4`
	const runS, runT = `magpipe_batch_status{batch_id="s-run",status="paused"} 1`, `magpipe_batch_status{batch_id="t-run",status="paused"} 1`
	return []victim{
		{action: "list", shown: `magpipe_batches{status="running"} 2`},
		{action: "list_runs", id: "s", shown: runS, others: []string{up, batchA, batchB, runT}, ready: true},
		{action: "get", id: "a", shown: batchA, others: []string{up, batchB, runS, runT, `magpipe_batch_target_recipients{batch_id="a"} 6`}, ready: true},
	}
}

// outage is a world whose requests go over a network in memory, and whose pages are served.
type outage struct {
	*world
	front   *front
	handler http.Handler
	began   time.Time
	scrapes int
}

const patience = 9500 * time.Millisecond // of a scrape with a timeout of 10 s

// inOutage runs a test with two running batches, a and b, and two series, s and t, each with a paused run.
func inOutage(t *testing.T, test func(*outage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, account: simulator.New(simulator.Options{PerMinute: -1, PerHour: -1}), logged: &strings.Builder{}}
		reminders(w.account, "a")
		reminders(w.account, "b")
		for _, id := range []string{"s", "t"} {
			w.account.Add(simulator.Campaign{ID: id, Recurrence: "daily", Recipients: 1})
			w.account.Add(simulator.Campaign{ID: id + "-run", Parent: id, Status: "paused", Recipients: 1})
		}
		time.Sleep(time.Hour)
		o := w.overTheWire(w.account, collector.Config{
			MinRefresh: 10 * time.Second, MaxStaleness: 5 * time.Minute, FinishedRetention: time.Hour, MaxBatches: 500,
		})
		test(o)
		o.close()
	})
}

// overTheWire starts an exporter that serves pages and reaches an API over a network in memory.
func (w *world) overTheWire(api http.Handler, cfg collector.Config) *outage {
	w.Helper()
	o := &outage{world: w, front: newFront(api)}
	cfg.API.Transport = o.front
	w.startWith(cfg, apiclient.Limits{PerMinute: 100_000, PerHour: 1_000_000})
	server := web.Server{
		Name: "magpipe_exporter", Collector: w.collector, Path: "/metrics",
		TimeoutOffset: 500 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	var err error
	if o.handler, err = server.Handler(); err != nil {
		w.Fatal(err)
	}
	o.began = time.Now()
	return o
}

// close ends the exporter and then the network; the bubble of the fake clock fails where a goroutine is left.
func (o *outage) close() {
	o.Helper()
	o.collector.Close()
	synctest.Wait()
	if open := o.front.wire.count(0); open != 0 {
		o.Errorf("%d connections are open after the end", open)
	}
	if err := o.front.server.Close(); err != nil {
		o.Error(err)
	}
}

// get asks an endpoint of the exporter, as Prometheus would.
func (o *outage) get(path string, accept ...string) (status int, body string) {
	o.Helper()
	r := httptest.NewRequestWithContext(o.Context(), http.MethodGet, path, http.NoBody)
	r.Header["Accept"] = accept
	r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// scrapeIn scrapes by the deadline, with a fault that lasts or not.
func (o *outage) scrapeIn(f *fault) string {
	o.Helper()
	begin := time.Now()
	o.scrapes++
	code, body := o.get("/metrics")
	if took := time.Since(begin); code != http.StatusOK || took > patience || took > 0 && !f.lasts {
		o.Errorf("the page is answered with %d after %v", code, took)
	}
	return body
}

// until sleeps to a moment after the beginning.
func (o *outage) until(d time.Duration) { time.Sleep(time.Until(o.began.Add(d))) }

// recovers fails unless all is shown again by the next refresh that may send, and fresh.
func (o *outage) recovers(f *fault, v victim) {
	o.Helper()
	o.front.spoil(nil, "", "")
	longest := max(f.pause, 20*time.Second)
	for waited := time.Duration(0); ; waited += 15 * time.Second {
		time.Sleep(15 * time.Second)
		begin := time.Now()
		page := o.scrapeIn(f)
		if strings.Contains(page, "\n"+v.shown+"\n") || waited > longest || !f.lasts && f.pause == 0 {
			o.has(page, append(v.others, v.shown, "magpipe_up 1", refreshedAt("a", begin), refreshedAt("b", begin))...)
			return
		}
	}
}

func refreshedAt(id string, t time.Time) string {
	return fmt.Sprintf(`magpipe_batch_refreshed_timestamp_seconds{batch_id=%q} %v`, id, float64(t.Unix()))
}

// counted fails unless the failures on the page are those of the requests that failed, with one reason, and none was
// wasted: one a scrape at most, none in a pause, and none longer than its limit.
func (o *outage) counted(f *fault, v victim) {
	o.Helper()
	failed, before := 0, time.Time{}
	for _, s := range o.front.requests() {
		if !before.IsZero() && s.at.After(before) && s.at.Before(before.Add(f.pause)) {
			o.Errorf("%s was asked for %v into a pause of %v", s.action, s.at.Sub(before), f.pause)
		}
		if !s.faulty {
			continue
		}
		before = s.at
		switch limit := 20 * time.Second; {
		case s.took < 0:
			continue // under way
		case f.lasts && s.took != limit, !f.lasts && s.took != 0:
			o.Errorf("a request took %v", s.took)
		}
		failed++
	}
	if failed == 0 || failed > o.scrapes {
		o.Errorf("%d requests failed in %d scrapes", failed, o.scrapes)
	}
	want := fmt.Sprintf(`magpipe_exporter_api_request_failures_total{action=%q,reason=%q} %d`, v.action, f.reason, failed)
	page := o.page()
	o.has(page, want)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "magpipe_exporter_api_request_failures_total{") && !strings.HasSuffix(line, " 0\n") && line != want+"\n" {
			o.Errorf("also counted: %s", line)
		}
	}
}

// weighed fails unless so many bytes were read of the first answer that failed; 0: any number.
func (o *outage) weighed(want int) {
	o.Helper()
	for _, s := range o.front.requests() {
		if s.faulty {
			if want != 0 && s.read != want {
				o.Errorf("%d bytes were read, want %d", s.read, want)
			}
			return
		}
	}
}
