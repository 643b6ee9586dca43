package collector_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
	"magpipe_exporter/internal/web"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a simulated account and an exporter that reads it.
type world struct {
	testing.TB
	settings  settings
	account   *simulator.Account
	transport http.RoundTripper
	budget    *apiclient.Budget
	collector *collector.Collector
	registry  *prometheus.Registry
	handler   http.Handler // of the exporter's endpoints; nil: not used yet
	logged    strings.Builder
}

// settings configure a world.
type settings struct {
	account   simulator.Options
	collector collector.Config
	limits    apiclient.Limits // of the exporter's budget
	url       string
	transport func(*simulator.Account) http.RoundTripper // returns nil for the exporter's own
	silent    bool                                       // the exporter has no logger
	stateFile string                                     // "": none
}

// setting changes the default settings.
type setting func(*settings)

func withAccount(change func(*simulator.Options)) setting {
	return func(s *settings) { change(&s.account) }
}

func withConfig(change func(*collector.Config)) setting {
	return func(s *settings) { change(&s.collector) }
}

func withLimits(perMinute, perHour int) setting {
	return func(s *settings) { s.limits = apiclient.Limits{PerMinute: perMinute, PerHour: perHour} }
}

// withoutLimits lets every refresh read everything.
func withoutLimits(s *settings) {
	s.account.PerMinute, s.account.PerHour = -1, -1
	s.limits = apiclient.Limits{PerMinute: 1_000_000, PerHour: 10_000_000}
}

func withPageCap(rows int) setting {
	return withAccount(func(o *simulator.Options) { o.PageCap = rows })
}

// withState keeps the state of the exporter in a file.
func withState(tb testing.TB) setting {
	tb.Helper()
	return func(s *settings) { s.stateFile = filepath.Join(tb.TempDir(), "state") }
}

func withoutLog(s *settings) { s.silent = true }

// withTransport sends requests through a transport instead of directly to the account.
func withTransport(transport func(*simulator.Account) http.RoundTripper) setting {
	return func(s *settings) { s.transport = transport }
}

// withServer sends requests to a server over sockets.
func withServer(url string) setting {
	return func(s *settings) {
		s.url = url
		s.transport = func(*simulator.Account) http.RoundTripper { return nil }
	}
}

// newWorld makes an empty account and an exporter that has not started.
func newWorld(tb testing.TB, changes ...setting) *world {
	tb.Helper()
	s := settings{
		account: simulator.Options{Seed: 7},
		collector: collector.Config{
			MinRefresh: 10 * time.Second, MaxStaleness: 5 * time.Minute, FinishedRetention: time.Hour,
			MaxBatches: 500, BatchNames: true, CallRecords: true,
		},
		limits:    apiclient.Limits{PerMinute: 50, PerHour: 500},
		url:       "https://magpipe.example/batch-calls",
		transport: func(a *simulator.Account) http.RoundTripper { return a.Client().Transport },
	}
	for _, change := range changes {
		change(&s)
	}
	w := &world{TB: tb, settings: s, account: simulator.New(s.account)}
	w.transport = s.transport(w.account)
	return w
}

// inWorld runs a test on a fake clock that starts on Saturday, 2000-01-01 at
// 00:00 UTC. arrange fills the account then; the exporter starts at 01:00.
func inWorld(t *testing.T, arrange func(*simulator.Account), test func(*world), changes ...setting) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, changes...)
		arrange(w.account)
		time.Sleep(time.Hour)
		w.start()
		test(w)
	})
}

// start starts a process of the exporter, which is closed at the end of the test.
func (w *world) start() {
	w.Helper()
	cfg := w.settings.collector
	var err error
	if cfg.API.URL, err = apiclient.ParseURL(w.settings.url, false); err != nil {
		w.Fatal(err)
	}
	if cfg.API.Key, err = (apiclient.KeySource{Value: "mgp_test"}).Open(); err != nil {
		w.Fatal(err)
	}
	w.budget = apiclient.NewBudget(w.settings.limits)
	cfg.API.Budget, cfg.API.Transport = w.budget, w.transport
	if !w.settings.silent && cfg.Logger == nil {
		cfg.Logger = log.NewSyncLogger(log.NewLogfmtLogger(&w.logged))
	}
	if w.settings.stateFile != "" {
		if cfg.State, err = collector.OpenState(w.settings.stateFile, cfg.API.URL, cfg.Logger); err != nil {
			w.Fatal(err)
		}
	}
	w.collector, w.handler = collector.New(cfg), nil
	w.Cleanup(w.collector.Close)
	w.registry = prometheus.NewPedanticRegistry()
	w.registry.MustRegister(w.collector)
}

// restart ends the process and starts another one after a pause.
func (w *world) restart(pause time.Duration) {
	w.Helper()
	w.collector.Close()
	time.Sleep(pause)
	w.start()
}

// crash ends the process without its having saved anything at the end, and starts
// another one after a pause.
func (w *world) crash(pause time.Duration) {
	w.Helper()
	before := w.readState()
	w.collector.Close()
	w.writeState(before)
	time.Sleep(pause)
	w.start()
}

func (w *world) readState() []byte {
	w.Helper()
	raw, err := os.ReadFile(w.settings.stateFile)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

func (w *world) writeState(raw []byte) {
	w.Helper()
	if err := os.WriteFile(w.settings.stateFile, raw, 0o600); err != nil {
		w.Fatal(err)
	}
}

// scrape refreshes and returns the page, as Prometheus would get it.
func (w *world) scrape() string {
	w.Helper()
	w.collector.Refresh(w.Context())
	return w.page()
}

// page returns the page without a refresh.
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

// values returns the samples of a metric that is not a histogram, by the values of
// their labels, separated by spaces.
func (w *world) values(metric string) map[string]float64 {
	w.Helper()
	families, err := w.collector.Gather()
	if err != nil {
		w.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != metric {
			continue
		}
		for _, m := range family.Metric {
			labels := make([]string, len(m.Label))
			for i, label := range m.Label {
				labels[i] = label.GetValue()
			}
			values[strings.Join(labels, " ")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// scrapeAfter lets time pass before it scrapes.
func (w *world) scrapeAfter(d time.Duration) string {
	w.Helper()
	time.Sleep(d)
	return w.scrape()
}

const scrapeInterval = 15 * time.Second

// refreshFor refreshes once each scrapeInterval for a while.
func (w *world) refreshFor(d time.Duration) {
	w.Helper()
	for ; d > 0; d -= scrapeInterval {
		time.Sleep(scrapeInterval)
		w.collector.Refresh(w.Context())
	}
}

// scrapeFor is refreshFor, and returns the last page.
func (w *world) scrapeFor(d time.Duration) string {
	w.Helper()
	w.refreshFor(d)
	return w.page()
}

// refreshUntil refreshes until the account has just received some request.
func (w *world) refreshUntil(wanted func(simulator.Request) bool) {
	w.Helper()
	for range 1000 {
		before := len(w.account.Requests())
		w.refreshFor(scrapeInterval)
		if slices.ContainsFunc(w.account.Requests()[before:], wanted) {
			return
		}
	}
	w.Fatal("the request is not sent any more")
}

// scrapeUntilShown scrapes until the page shows some lines, or for a time at most,
// and returns how long that took.
func (w *world) scrapeUntilShown(most time.Duration, lines ...string) (took time.Duration) {
	w.Helper()
	for page := w.page(); took <= most && !shows(page, lines...); took += scrapeInterval {
		page = w.scrapeFor(scrapeInterval)
	}
	return took
}

// get sends a request to the exporter, as Prometheus does with a timeout of 10 s.
func (w *world) get(path string, accept ...string) (status int, body string) {
	w.Helper()
	if w.handler == nil {
		server := web.Server{
			Name: "magpipe_exporter", Collector: w.collector, Path: "/metrics",
			TimeoutOffset: 10*time.Second - scrapeTimeout, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		var err error
		if w.handler, err = server.Handler(); err != nil {
			w.Fatal(err)
		}
	}
	request := httptest.NewRequestWithContext(w.Context(), http.MethodGet, path, http.NoBody)
	request.Header["Accept"] = accept
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	response := httptest.NewRecorder()
	w.handler.ServeHTTP(response, request)
	return response.Code, response.Body.String()
}

// scrapeTimeout is how long a scrape may take.
const scrapeTimeout = 9500 * time.Millisecond

// refreshWithin refreshes for a scrape with a deadline, and returns how long that
// took.
func (w *world) refreshWithin(timeout time.Duration) (took time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), timeout)
	defer cancel()
	began := time.Now()
	w.collector.Refresh(ctx)
	return time.Since(began)
}

// golden compares a page with the one in testdata, and lints it. Only the page
// "healthy" has the help and the types.
func (w *world) golden(name, page string) {
	w.Helper()
	if name != "healthy" {
		page = samples(page)
	}
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

// samples returns a page without its comments.
func samples(page string) string {
	var kept strings.Builder
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			_, _ = kept.WriteString(line)
		}
	}
	return kept.String()
}

// has fails unless the page has each line. If a line starts with "!", no line of
// the page may start with the rest of it.
func (w *world) has(page string, lines ...string) {
	w.Helper()
	for _, line := range lines {
		if absent, ok := strings.CutPrefix(line, "!"); ok && !shows(page, line) {
			w.Errorf("the page has %s", absent)
		} else if !shows(page, line) {
			w.Errorf("the page does not have %s\nit has:\n%s", line, ofMetric(page, line))
		}
	}
}

// shows reports whether has would succeed.
func shows(page string, lines ...string) bool {
	for _, line := range lines {
		if absent, ok := strings.CutPrefix(line, "!"); ok {
			if strings.Contains(page, "\n"+absent) {
				return false
			}
		} else if !strings.Contains(page, "\n"+line+"\n") {
			return false
		}
	}
	return true
}

// ofMetric returns the lines of the same metric as a line.
func ofMetric(page, line string) string {
	name := line[:strings.IndexAny(line, "{ ")]
	var same []string
	for l := range strings.Lines(page) {
		if strings.HasPrefix(l, name) {
			same = append(same, l)
		}
	}
	return strings.Join(same, "")
}

// requests returns how many requests of an action the account has received.
func (w *world) requests(action string) (n int) {
	for _, r := range w.account.Requests() {
		if r.Action == action {
			n++
		}
	}
	return n
}

// gets returns how many gets of a batch the account has received.
func (w *world) gets(batch string) (n int) {
	for _, r := range w.account.Requests() {
		if r.Action == "get" && r.BatchID == batch {
			n++
		}
	}
	return n
}

// at returns a time on the first day of the fake clock.
func at(hour, minute, second int) time.Time {
	return time.Date(2000, 1, 1, hour, minute, second, 0, time.UTC)
}

// reminders adds a running batch with six recipients: two calls have ended, after
// one minute and two; one is in progress; one failed; two are pending.
func reminders(a *simulator.Account, id string) {
	a.Add(simulator.Campaign{
		ID: id, Name: "Appointment \"Reminders\"", Recipients: 6, StartedAt: at(0, 0, 5), MaxConcurrency: 5,
		WindowStart: "00:30", WindowEnd: "17:00:00", WindowDays: []int{0, 6},
	})
	a.SetRecipients(id, []simulator.Recipient{
		{ID: id + "-1", Status: "completed", AttemptedAt: at(0, 10, 0), CompletedAt: at(0, 12, 0), Talk: 100 * time.Second},
		{ID: id + "-2", Status: "no_answer", AttemptedAt: at(0, 20, 0), CompletedAt: at(0, 21, 0)},
		{ID: id + "-3", Status: "calling", AttemptedAt: at(0, 59, 0)},
		{ID: id + "-4", Status: "failed", AttemptedAt: at(0, 30, 0), CompletedAt: at(0, 30, 3)},
		{ID: id + "-5"}, {ID: id + "-6"},
	})
}

// completeReminders ends a batch of reminders and its call in progress.
func completeReminders(a *simulator.Account, id string) {
	a.SetRecipient(id, 2, simulator.Recipient{Status: "completed", AttemptedAt: at(0, 59, 0), CompletedAt: time.Now()})
	a.Complete(id)
}

// shortCall returns a recipient that is dialled now and whose call ends in a second.
func shortCall(status string) simulator.Recipient {
	return simulator.Recipient{Status: status, AttemptedAt: time.Now(), CompletedAt: time.Now().Add(time.Second)}
}
