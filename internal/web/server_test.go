package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/goleak"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server serves an account on the fake clock of a synctest bubble.
func server(tb testing.TB, account *simulator.Account, changes ...func(*collector.Config)) *web.Server {
	tb.Helper()
	url, err := apiclient.ParseURL("https://magpipe.example", false)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := apiclient.KeySource{Value: "mgp_test"}.Open()
	if err != nil {
		tb.Fatal(err)
	}
	cfg := collector.Config{
		API:        apiclient.Config{URL: url, Key: key, Timeout: time.Hour, Budget: budget(50, 500), Transport: account.Client().Transport},
		MaxBatches: 500, MinRefresh: 10 * time.Second, FinishedRetention: time.Hour, MaxStaleness: 5 * time.Minute,
	}
	for _, change := range changes {
		change(&cfg)
	}
	c := collector.New(cfg)
	tb.Cleanup(c.Close)
	return &web.Server{Name: "magpipe_exporter", Collector: c, Path: "/metrics", TimeoutOffset: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
}

// budget allows that many requests a minute and an hour.
func budget(perMinute, perHour int) *apiclient.Budget {
	return apiclient.NewBudget(apiclient.Limits{PerMinute: perMinute, PerHour: perHour})
}

// get asks a server for a path, and returns how long the answer took.
func get(t *testing.T, s *web.Server, path string, header http.Header) (*httptest.ResponseRecorder, time.Duration) {
	t.Helper()
	handler, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header = header
	answer, began := httptest.NewRecorder(), time.Now()
	handler.ServeHTTP(answer, request)
	return answer, time.Since(began)
}

func TestAScrapeWaitsUntilItsOwnDeadline(t *testing.T) {
	for timeout, want := range map[string]time.Duration{
		"10":      9500 * time.Millisecond,
		"5":       4500 * time.Millisecond,
		"0.8":     400 * time.Millisecond, // at least half of it remains
		"":        10 * time.Second,
		"soon":    10 * time.Second,
		"-1":      10 * time.Second,
		"NaN":     10 * time.Second,
		"+Inf":    10 * time.Second,
		"1000000": 10 * time.Second,
	} {
		t.Run(timeout, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulator.New(simulator.Options{})
				account.Inject(simulator.Fault{Hang: true})
				answer, waited := get(t, server(t, account), "/metrics", http.Header{"X-Prometheus-Scrape-Timeout-Seconds": {timeout}})
				if waited != want {
					t.Errorf("waited %v, want %v", waited, want)
				}
				if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "\nmagpipe_up 0\n") {
					t.Errorf("status %d, page:\n%s", answer.Code, answer.Body)
				}
			})
		})
	}
}

func TestReadyAndHealthyDifferAndSpendNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		s := server(t, account)
		for path, status := range map[string]int{"/-/healthy": 200, "/-/ready": 503, "/": 200, "/nothing": 404} {
			if answer, _ := get(t, s, path, nil); answer.Code != status {
				t.Errorf("%s answers %d, want %d", path, answer.Code, status)
			}
		}
		if n := len(account.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
		if answer, _ := get(t, s, "/-/ready", nil); strings.Count(answer.Body.String(), "\n") != 1 {
			t.Errorf("ready says %q, want one line", answer.Body)
		}
		<-s.Collector.Begin()
		if answer, _ := get(t, s, "/-/ready", nil); answer.Code != http.StatusOK {
			t.Errorf("ready answers %d after a list was read", answer.Code)
		}
	})
}

func TestItRefreshesEach15sUntilAListWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		account.Add(simulator.Campaign{Status: "draft"})
		account.Inject(simulator.Fault{Status: 502, Times: 3})
		s, began := server(t, account), time.Now()
		web.RefreshUntilReady(s, t.Context())
		if took := time.Since(began); took != 45*time.Second || s.Collector.Ready() != nil {
			t.Errorf("it took %v to get ready, want 45 s: %v", took, s.Collector.Ready())
		}
	})
}

func TestItRefreshesWithinTheBudgetUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		account.Inject(simulator.Fault{Status: 502})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		s, began := server(t, account), time.Now()
		web.RefreshUntilReady(s, ctx)
		if took := time.Since(began); took != 2*time.Hour {
			t.Errorf("it gave up after %v", took)
		}
		if n := len(account.Requests()); n < 200 || n > 500 {
			t.Errorf("%d requests in two hours, want one each 15 s at most, and no long pause", n)
		}
	})
}

func TestThePageComesInTheFormatAndCompressionAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t, simulator.New(simulator.Options{}))
		for accept, want := range map[string]string{
			"": "text/plain; version=0.0.4",
			"application/openmetrics-text;version=1.0.0":                                                       "application/openmetrics-text; version=1.0.0",
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7": "application/vnd.google.protobuf",
		} {
			if answer, _ := get(t, s, "/metrics", http.Header{"Accept": {accept}}); !strings.HasPrefix(answer.Header().Get("Content-Type"), want) {
				t.Errorf("for %q the page is %s", accept, answer.Header().Get("Content-Type"))
			}
		}
		answer, _ := get(t, s, "/metrics", http.Header{"Accept-Encoding": {"gzip"}})
		unzipped, err := gzip.NewReader(bytes.NewReader(answer.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if page, err := io.ReadAll(unzipped); err != nil || !bytes.Contains(page, []byte("\nmagpipe_up 1\n")) {
			t.Errorf("gzip: %v", err)
		}
	})
}

func TestWriteOnceWritesWhatThereIsAndFailsWithoutAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		remove := account.Inject(simulator.Fault{Status: 500})
		var page strings.Builder
		if err := server(t, account).WriteOnce(t.Context(), &page); err == nil || !strings.Contains(page.String(), "\nmagpipe_up 0\n") {
			t.Errorf("without a list: %v, page:\n%s", err, page.String())
		}
		remove()
		page.Reset()
		if err := server(t, account).WriteOnce(t.Context(), &page); err != nil || !strings.Contains(page.String(), "\nmagpipe_up 1\n") {
			t.Errorf("with one: %v, page:\n%s", err, page.String())
		}
	})
}

func TestWriteOnceFailsIfTheListCouldNotBeReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{PageCap: 2})
		for i := range 5 {
			account.Add(simulator.Campaign{CreatedAt: time.Now().Add(time.Duration(i) * time.Minute)})
		}
		account.Inject(simulator.Fault{Action: "list", Status: 503})
		account.Inject(simulator.Fault{Action: "list", Times: 1})
		if err := server(t, account).WriteOnce(t.Context(), io.Discard); err == nil {
			t.Error("no error, though only the first page was read")
		}
	})
}

func TestWriteOnceNamesTheFlagsOnlyIfABiggerBudgetWouldHaveHelped(t *testing.T) {
	const whole, batches, flags = "was not read to its end", "running batches were not read", "raise --api.requests-per-minute"
	for name, c := range map[string]struct {
		pages int // of the batch list
		fault simulator.Fault
		says  []string
	}{
		"everything was read":      {pages: 1},
		"no budget for each batch": {pages: 2, says: []string{batches, flags}},
		"no budget for the list":   {pages: 30, says: []string{whole, batches, flags}},
		"reads of batches fail":    {pages: 1, fault: simulator.Fault{Action: "get", Status: 500}, says: []string{batches}},
		"the API asks for a pause": {pages: 2, fault: simulator.Fault{Action: "get", Status: 429, Latency: time.Second}, says: []string{batches}},
		"the API's window is nearly spent": {pages: 1, says: []string{batches}, fault: simulator.Fault{Header: http.Header{
			"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"9"},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulator.New(simulator.Options{PageCap: 15})
				for i := range 15 * c.pages {
					account.Add(simulator.Campaign{Recipients: 1, CreatedAt: time.Now().Add(-time.Duration(i) * time.Minute)})
				}
				if c.fault.Status > 0 || c.fault.Header != nil {
					account.Inject(c.fault)
				}
				var log strings.Builder
				s := server(t, account)
				s.Logger = slog.New(slog.NewTextHandler(&log, nil))
				if err := s.WriteOnce(t.Context(), io.Discard); err != nil {
					t.Fatal(err)
				}
				for _, part := range []string{whole, batches, flags} {
					if strings.Contains(log.String(), part) != slices.Contains(c.says, part) {
						t.Errorf("the log is\n%s", log.String())
					}
				}
			})
		})
	}
}

func listeningOn(addresses ...string) *toolkit.FlagConfig {
	return &toolkit.FlagConfig{WebListenAddresses: &addresses}
}

func TestAnEmptyListenAddressIsRefused(t *testing.T) {
	for _, c := range []struct {
		addresses []string
		ok        bool
	}{{[]string{":10240"}, true}, {[]string{"127.0.0.1:0", ":1"}, true}, {[]string{""}, false}, {[]string{":10240", ""}, false}} {
		s := web.Server{Path: "/metrics", Web: listeningOn(c.addresses...)}
		if err := s.Check(); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.addresses, err)
		}
	}
}

func TestAPathThatIsNotAPlainMuxPatternIsRefused(t *testing.T) {
	for path, ok := range map[string]bool{
		"/metrics": true, "/": true, "/a/b": true, "/a/": true,
		"": false, "metrics": false, "/{x}": false, "/a b": false, "/-/ready": false, "/a?b": false, "/../a": false, "//a": false,
	} {
		s := web.Server{Path: path, Web: listeningOn(":10240")}
		if err := s.Check(); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
	for path, ok := range map[string]bool{"/debug/pprof": true, "/debug/pprof/": false, "/debug/pprof/heap": false} {
		profiles, plain := web.Server{Path: path, Profiles: true, Web: listeningOn(":10240")}, web.Server{Path: path, Web: listeningOn(":10240")}
		if err := profiles.Check(); (err == nil) != ok || plain.Check() != nil {
			t.Errorf("%q with profiles: %v", path, err)
		}
	}
}
