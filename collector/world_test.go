package collector_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a simulated account and a collector that reads it, on a fake clock
// that starts on Saturday, 2000-01-01 at 00:00 UTC.
type world struct {
	*testing.T
	account   *simulator.Account
	collector *collector.Collector
	registry  *prometheus.Registry
	logged    *strings.Builder
}

// setting changes what a world is made of.
type setting func(*simulator.Options, *collector.Config, *apiclient.Limits)

// inWorld runs a test against an account that arrange fills an hour before the
// collector starts, at 01:00.
func inWorld(t *testing.T, arrange func(*simulator.Account), test func(*world), settings ...setting) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options := simulator.Options{Seed: 7}
		cfg := collector.Config{
			MinRefresh: 10 * time.Second, MaxStaleness: 5 * time.Minute, FinishedRetention: time.Hour,
			MaxBatches: 500, BatchNames: true,
		}
		limits := apiclient.Limits{PerMinute: 50, PerHour: 500}
		for _, set := range settings {
			set(&options, &cfg, &limits)
		}
		w := &world{T: t, account: simulator.New(options), logged: &strings.Builder{}}
		arrange(w.account)
		time.Sleep(time.Hour)
		w.start(cfg, limits)
		defer func() { w.collector.Close() }()
		test(w)
	})
}

// start begins a process of the exporter's.
func (w *world) start(cfg collector.Config, limits apiclient.Limits) {
	w.Helper()
	toAccount := w.account.Client().Transport
	if broken, ok := cfg.API.Transport.(*brokenPages); ok {
		broken.RoundTripper = toAccount
	} else {
		cfg.API.Transport = toAccount
	}
	w.startWith(cfg, limits)
}

// startWith is start over a way to the account of its own.
func (w *world) startWith(cfg collector.Config, limits apiclient.Limits) {
	w.Helper()
	w.startAt("https://magpipe.example/batch-calls", cfg, limits)
}

// startAt is startWith for an API at a place of its own.
func (w *world) startAt(url string, cfg collector.Config, limits apiclient.Limits) {
	w.Helper()
	var err error
	if cfg.API.URL, err = apiclient.ParseURL(url, false); err != nil {
		w.Fatal(err)
	}
	if cfg.API.Key, err = (apiclient.KeySource{Value: "mgp_test"}).Open(); err != nil {
		w.Fatal(err)
	}
	cfg.API.Budget = apiclient.NewBudget(limits)
	if w.logged != nil {
		cfg.Logger = log.NewLogfmtLogger(w.logged)
	}
	w.collector = collector.New(cfg)
	w.registry = prometheus.NewPedanticRegistry()
	w.registry.MustRegister(w.collector)
}

// brokenPages has requests for pages of a listing at some offset and beyond
// answered with an error.
type brokenPages struct {
	http.RoundTripper     // to the account; set by start
	from, status      int // 0: none
}

func (b *brokenPages) RoundTrip(r *http.Request) (*http.Response, error) {
	var question struct{ Offset int }
	r, err := withBody(r, &question)
	if err != nil {
		return nil, err
	}
	if b.from == 0 || question.Offset < b.from {
		return b.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: b.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// withBody decodes the body of a request, and returns a request that has it
// still.
func withBody(r *http.Request, into any) (*http.Request, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(raw))
	return again, errors.Join(r.Body.Close(), json.Unmarshal(raw, into))
}

func withTransport(t http.RoundTripper) setting {
	return func(_ *simulator.Options, cfg *collector.Config, _ *apiclient.Limits) { cfg.API.Transport = t }
}

// scrape refreshes and returns the page, as Prometheus would get it.
func (w *world) scrape() string {
	w.Helper()
	w.collector.Refresh(w.Context())
	return w.page()
}

// page is what is known, without a refresh.
func (w *world) page() string {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	var page strings.Builder
	text := expfmt.NewEncoder(&page, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := text.Encode(family); err != nil {
			w.Fatal(err)
		}
	}
	return page.String()
}

// scrapeAfter lets time pass before it scrapes.
func (w *world) scrapeAfter(d time.Duration) string {
	w.Helper()
	time.Sleep(d)
	return w.scrape()
}

// scrapeFor scrapes every 15 s for a while and returns the last page.
func (w *world) scrapeFor(d time.Duration) string {
	w.Helper()
	for ; d > 0; d -= 15 * time.Second {
		time.Sleep(15 * time.Second)
		w.collector.Refresh(w.Context())
	}
	return w.page()
}

// golden compares a page with the one in testdata, and lints it.
func (w *world) golden(name, page string) {
	w.Helper()
	path := filepath.Join("testdata", name+".prom")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			w.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if diff := cmp.Diff(string(want), page); diff != "" {
		w.Errorf("the page is not %s (-want +got):\n%s", path, diff)
	}
	if problems, err := testutil.GatherAndLint(w.registry); err != nil || len(problems) > 0 {
		w.Errorf("lint: %v %v", problems, err)
	}
}

// has fails unless each line stands on the page. A line that starts with "!"
// must not start any line of it.
func (w *world) has(page string, lines ...string) {
	w.Helper()
	for _, line := range lines {
		if absent, ok := strings.CutPrefix(line, "!"); ok {
			if strings.Contains(page, "\n"+absent) {
				w.Errorf("the page has %s", absent)
			}
		} else if !strings.Contains(page, "\n"+line+"\n") {
			w.Errorf("the page lacks %s\nit has:\n%s", line, like(page, line))
		}
	}
}

// like picks the lines of the same metric.
func like(page, line string) string {
	name := line[:strings.IndexAny(line, "{ ")]
	var same []string
	for l := range strings.Lines(page) {
		if strings.HasPrefix(l, name) {
			same = append(same, l)
		}
	}
	return strings.Join(same, "")
}

// requests counts what the account was asked for, by action.
func (w *world) requests() map[string]int {
	counts := map[string]int{}
	for _, r := range w.account.Requests() {
		counts[r.Action]++
	}
	return counts
}

// at is a moment of the first day of the fake clock.
func at(hour, minute, second int) time.Time {
	return time.Date(2000, 1, 1, hour, minute, second, 0, time.UTC)
}
