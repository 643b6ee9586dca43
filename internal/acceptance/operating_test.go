package acceptance

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestSIGHUPIsLoggedAndEndsNothing(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo")
	const line = "SIGHUP has no effect: the key file and the web config file are reloaded automatically"
	for n := 1; n <= 2; n++ {
		if err := p.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "the signal is logged", func() bool {
			return strings.Count(p.Log(), "level=info caller=listener.go") >= n && strings.Count(p.Log(), line) == n
		})
	}
	want(t, get(t, p.url+"/metrics"), http.StatusOK, "text/plain", "\nmagpipe_up 1\n")
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != 0 {
		t.Errorf("the exit code is %d, want 0", code)
	}
}

func TestItGetsReadyWithoutAScrapeOnceTheAPIAnswers(t *testing.T) {
	t.Parallel()
	account := simulator.New(simulator.Options{})
	account.Add(simulator.Campaign{Status: "draft"})
	var requests atomic.Int32
	began := time.Now()
	api := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1); time.Since(began) < 3*time.Second {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		account.ServeHTTP(w, r)
	})
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api)
	eventually(t, 10*time.Second, "a request has failed", func() bool { return requests.Load() == 1 })
	if ready := get(t, p.url+"/-/ready"); ready.status != http.StatusServiceUnavailable {
		t.Errorf("/-/ready answers %d before a list was read", ready.status)
	}
	eventually(t, 40*time.Second, "it is ready", func() bool { return get(t, p.url+"/-/ready").status == http.StatusOK })
	if n := requests.Load(); n > 3 {
		t.Errorf("%d requests were sent, want one that failed, one for the list and one past its end", n)
	}
}

func TestTheExportersOwnMetricsCanBeLeftOut(t *testing.T) {
	t.Parallel()
	const leaveOut = "--web.disable-exporter-metrics"
	with, without := start(t, nil, "--demo"), start(t, nil, "--demo", leaveOut)
	for name, page := range map[string]string{
		"the page":             get(t, without.url+"/metrics").body,
		"the OpenMetrics page": get(t, without.url+"/metrics", "Accept: application/openmetrics-text; version=1.0.0").body,
		"the page of --once":   execute(t, nil, "--demo", "--once", leaveOut).out,
		"the page without it":  get(t, with.url+"/metrics").body,
	} {
		all := !strings.HasPrefix(name, "the page without")
		for _, prefix := range []string{"go_", "process_", "promhttp_"} {
			if left := !strings.Contains(page, "\n"+prefix); left != all {
				t.Errorf("%s: %s* is left out: %t, want %t", name, prefix, left, all)
			}
		}
		if !strings.Contains(page, "\nmagpipe_exporter_build_info{") || !strings.Contains(page, "\nmagpipe_up 1") {
			t.Errorf("%s has no metrics of the account", name)
		}
	}
}

// In OpenMetrics, the name of a counter's family has no _total.
func TestNoTwoFamiliesOfAnOpenMetricsPageHaveOneName(t *testing.T) {
	t.Parallel()
	page := get(t, start(t, nil, "--demo").url+"/metrics", "Accept: application/openmetrics-text; version=1.0.0").body
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(page, -1) {
		if seen[m[1]] {
			t.Errorf("two families are called %s", m[1])
		}
		seen[m[1]] = true
	}
	if !seen["go_memstats_alloc_bytes"] || !seen["go_memstats_heap_alloc_bytes"] {
		t.Error("the page has no metric of allocations")
	}
}

func TestTheLandingPagesLinksWorkBehindAPath(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo", "--web.enable-pprof", "--web.telemetry-path=/internal/metrics")
	exporter, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix("/calls", httputil.NewSingleHostReverseProxy(exporter)))
	t.Cleanup(proxy.Close)
	base, err := url.Parse(proxy.URL + "/calls/")
	if err != nil {
		t.Fatal(err)
	}
	want(t, get(t, p.url+"/nowhere"), http.StatusNotFound, "", "")
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(get(t, base.String()).body, -1)
	followed := 0
	for _, m := range links {
		link, err := base.Parse(strings.ReplaceAll(m[1], "seconds=60", "seconds=1"))
		if err != nil {
			t.Fatal(err)
		}
		if link.Host != base.Host {
			continue
		}
		followed++
		eventually(t, 10*time.Second, m[1]+" leads somewhere", func() bool { return get(t, link.String()).status == http.StatusOK })
	}
	if followed != 5 {
		t.Errorf("%d links were followed, want 5: %v", followed, links)
	}
}

func TestABlankAroundTheURLIsTrimmed(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"batches":[]}`) })
	for _, given := range []struct{ env, args []string }{
		{args: []string{"--api.url=" + api + " "}},
		{env: []string{"MAGPIPE_API_URL= " + api + "\r\n"}},
	} {
		got := execute(t, append(given.env, "MAGPIPE_API_KEY="+madeUpKey), append(given.args, "--once")...)
		if got.code != 0 || !strings.Contains(got.out, "\nmagpipe_up 1\n") {
			t.Errorf("%q: the exit code is %d; standard error:\n%s", given, got.code, got.err)
		}
	}
}

func TestEachLineOfTheLogHasItsKeysInOneOrder(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey, "TZ=Asia/Tokyo", "MAGPIPE_COLOUR=red"}, "--api.url="+api, "--log.level=debug")
	get(t, p.url+"/metrics")
	order := regexp.MustCompile(`^time=\d{4}-\d\d-\d\dT[\d:.]+Z level=(debug|info|warn|error) caller=\w+\.go:\d+ msg=`)
	for _, writer := range []string{"caller=main.go:", "caller=tls_config.go:", "level=warn caller=refresh.go:"} { // ours, exporter-toolkit, the collector
		eventually(t, 10*time.Second, "a line has "+writer, func() bool { return strings.Contains(p.Log(), writer) })
	}
	for line := range strings.Lines(p.Log()) {
		if !order.MatchString(line) {
			t.Errorf("this line has another order: %s", line)
		}
	}
}

func TestWhatTheAPISendsUnaskedIsNotRepeated(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"batches\":[]}"+
			"HTTP/1.1 400 Bad Request\r\n\r\nJane Doe")
		_ = conn.Close()
	})
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api, "--log.level=debug")
	eventually(t, 10*time.Second, "it is logged", func() bool { return strings.Contains(p.Log(), `level=debug caller=standard.go:`) })
	if strings.Contains(p.Log(), "Jane") || strings.Contains(p.Log(), "Bad Request") {
		t.Errorf("what came is in the log:\n%s", p.Log())
	}
}

func TestOnceWarnsOfWhatItHadNoBudgetToRead(t *testing.T) {
	t.Parallel()
	account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
	for range 60 {
		account.Add(simulator.Campaign{Recipients: 3, CreatedAt: time.Now().Add(-time.Hour), StartedAt: time.Now().Add(-time.Hour)})
	}
	api := serveAPI(t, account.ServeHTTP)
	once := func(args ...string) (warning string) {
		got := execute(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, append(args, "--once", "--api.url="+api)...)
		if got.code != 0 {
			t.Errorf("the exit code is %d; standard error:\n%s", got.code, got.err)
		}
		return regexp.MustCompile(`(?m)^.*level=warn.*--api\.requests-per-hour.*$`).FindString(got.err)
	}
	// Twenty requests at a start: two for the list, eighteen for batches.
	if warning := once(); !strings.Contains(warning, "unread=42") {
		t.Errorf("the warning is %q", warning)
	}
	if warning := once("--api.requests-per-minute=600", "--api.requests-per-hour=6000"); warning != "" {
		t.Errorf("with a budget for all of them there is the warning %q", warning)
	}
}
