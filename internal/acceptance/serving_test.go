package acceptance

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

func TestEachEndpointAnswersInTheFormThatIsAskedFor(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo")
	text := get(t, p.url+"/metrics")
	want(t, text, http.StatusOK, "text/plain; version=0.0.4", "\nmagpipe_up 1\n")
	open := get(t, p.url+"/metrics", "Accept: application/openmetrics-text; version=1.0.0")
	want(t, open, http.StatusOK, "application/openmetrics-text; version=1.0.0", "\nmagpipe_calls_started_total ")
	if !strings.HasSuffix(open.body, "# EOF\n") {
		t.Error("the OpenMetrics page has no # EOF")
	}
	zipped := get(t, p.url+"/metrics", "Accept-Encoding: gzip")
	if encoding := zipped.header.Get("Content-Encoding"); encoding != "gzip" {
		t.Errorf("the content encoding is %q, want gzip", encoding)
	}
	unzipped, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(unzipped); err != nil || !bytes.Contains(body, []byte("\nmagpipe_up 1\n")) {
		t.Errorf("the compressed page is not the page: %v", err)
	}

	proto := get(t, p.url+"/metrics", "Accept: "+string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	want(t, proto, http.StatusOK, "application/vnd.google.protobuf", "magpipe_up")
	families := all(t, expfmt.NewDecoder(strings.NewReader(proto.body), expfmt.ResponseFormat(proto.header)).Decode)
	native := false
	for _, f := range families {
		if f.GetName() == "magpipe_call_duration_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			native = h.Schema != nil && len(h.GetBucket()) == 15
		}
	}
	if !native {
		t.Error("the protobuf page has no classic or no native buckets of magpipe_call_duration_seconds")
	}

	landing := get(t, p.url+"/")
	want(t, landing, http.StatusOK, "text/html", `href="./metrics"`)
	if strings.Contains(landing.body, "debug/pprof") {
		t.Error("the landing page links to profiles, which are not served")
	}
	want(t, get(t, p.url+"/-/healthy"), http.StatusOK, "text/plain", "healthy\n")
	want(t, get(t, p.url+"/-/ready"), http.StatusOK, "text/plain", "ready\n")
	want(t, get(t, p.url+"/elsewhere"), http.StatusNotFound, "text/plain", "")
	want(t, get(t, p.url+"/debug/pprof/"), http.StatusNotFound, "text/plain", "")
}

func TestReadinessFollowsTheFirstBatchListAndHealthSpendsNoRequest(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	release := make(chan struct{})
	api := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-release:
			_, _ = io.WriteString(w, `{"batches":[]}`)
		case <-r.Context().Done():
		}
	})
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api)
	eventually(t, 10*time.Second, "a refresh starts without a scrape", func() bool { return asked.Load() == 1 })
	notReady := get(t, p.url+"/-/ready")
	want(t, notReady, http.StatusServiceUnavailable, "text/plain", "no batch list has been read yet: the first read is under way\n")
	if lines := strings.Count(notReady.body, "\n"); lines != 1 {
		t.Errorf("the reason has %d lines, want 1", lines)
	}
	want(t, get(t, p.url+"/-/healthy"), http.StatusOK, "text/plain", "healthy\n")
	close(release)
	eventually(t, 10*time.Second, "it gets ready without a scrape", func() bool {
		return get(t, p.url+"/-/ready").status == http.StatusOK
	})
	get(t, p.url+"/-/healthy")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests were sent for one empty list", n)
	}
}

func TestScrapeIsAnsweredAndTheExitIsCleanWhenTheAPIHangs(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			api := serveAPI(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has left
				<-r.Context().Done()
			})
			p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api)
			scraped := make(chan answer, 1)
			go func() { scraped <- tryGet(t, p.url+"/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 60") }()
			eventually(t, 10*time.Second, "the scrape waits", func() bool {
				short := get(t, p.url+"/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.01")
				return samplesOf(short.body)["promhttp_metric_handler_requests_in_flight"] == 2
			})
			asked := time.Now()
			if err := p.Signal(signal); err != nil {
				t.Fatal(err)
			}
			select {
			case a := <-scraped:
				want(t, a, http.StatusOK, "text/plain", "\nmagpipe_up 0\n")
			case <-time.After(10 * time.Second):
				t.Fatal("the scrape still waits")
			}
			if code := p.wait(t); code != 0 {
				t.Errorf("the exit code is %d, want 0", code)
			}
			if took := time.Since(asked); took > 5*time.Second {
				t.Errorf("the exit took %s, want at most 5 s", took)
			}
			if strings.Contains(p.Log(), "level=error") {
				t.Errorf("an error was logged:\n%s", p.Log())
			}
		})
	}
}

func TestBasicAuthenticationCoversEveryEndpoint(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "web.yml")
	const users = "basic_auth_users:\n  prometheus: $2a$04$Wo8i/qrgrgKMzszzlMvCqueMQG5JQnebwlnsLM9JZBEU9/.3okFzK\n"
	if err := os.WriteFile(config, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--demo", "--web.enable-pprof", "--web.config.file="+config)
	signedIn := strings.Replace(p.url, "http://", "http://prometheus:open%20sesame@", 1)
	for _, path := range []string{"/metrics", "/-/healthy", "/-/ready", "/", "/debug/pprof/", "/debug/pprof/heap"} {
		if a := get(t, p.url+path); a.status != http.StatusUnauthorized || strings.Contains(a.body, "magpipe") {
			t.Errorf("%s answers a client without a password with %d", path, a.status)
		}
		eventually(t, 10*time.Second, path+" answers a client with a password", func() bool { return get(t, signedIn+path).status == http.StatusOK })
	}
}
