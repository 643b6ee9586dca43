package acceptance

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask sends a request byte by byte as it is given, and then more, until the server stops reading.
func ask(t *testing.T, p exporter, head string, more io.Reader) (a answer, sent int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(head)[0]})
		if err == nil {
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body) // it may be cut if the rest of the request is refused
			a = answer{resp.StatusCode, resp.Header, string(body)}
		}
		answered <- err
	}()
	sent, _ = io.Copy(conn, more) // fails if the rest is refused
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	return a, sent
}

// zeros never end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestOnlyGETAndHEADAreAnswered(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo", "--web.enable-pprof")
	for _, path := range []string{"/metrics", "/-/healthy", "/-/ready", "/", "/debug/pprof/", "/debug/pprof/cmdline"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			a, _ := ask(t, p, method+" "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", strings.NewReader(""))
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s is answered %d, Allow: %s", method, path, a.status, a.header.Get("Allow"))
			}
		}
		head, _ := ask(t, p, "HEAD "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", strings.NewReader(""))
		if full := get(t, p.url+path); head.status != full.status || head.body != "" || head.header.Get("Content-Type") != full.header.Get("Content-Type") {
			t.Errorf("HEAD %s is answered %d with %q, GET %d", path, head.status, head.body, full.status)
		}
	}
}

func TestWhatIsTooMuchToReadIsNotRead(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo")
	const most = 64 << 20 // what the buffers of the system may take, and far less than is offered
	for name, framing := range map[string]string{
		"length": "Content-Length: 1073741824\r\n\r\n",
		"chunks": "Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
	} {
		a, sent := ask(t, p, "GET /-/healthy HTTP/1.1\r\nHost: a\r\n"+framing, io.LimitReader(zeros{}, 1<<30))
		t.Logf("%s: %d bytes of a body of 1 GiB were taken", name, sent)
		if a.status != http.StatusOK || sent > most {
			t.Errorf("%s: answered %d, after %d bytes of a body", name, a.status, sent)
		}
	}
	long := func(size int) answer {
		a, _ := ask(t, p, fmt.Sprintf("GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", size)), strings.NewReader(""))
		return a
	}
	want(t, long(60<<10), http.StatusOK, "text/plain", "healthy")
	want(t, long(80<<10), http.StatusRequestHeaderFieldsTooLarge, "text/plain", "")
	want(t, get(t, p.url+"/-/healthy"), http.StatusOK, "text/plain", "healthy")
}

func TestBrowsersAreToldToRunAndToFrameNothing(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo", "--web.enable-pprof")
	// The page must not need anything that the policy forbids.
	landing := get(t, p.url+"/").body
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(landing)
	if style == nil {
		t.Fatal("the landing page has no style inside")
	}
	for _, needed := range []string{"<script", "<link", "<img", "<form", "<base", "@import", "url(", "javascript:", " onload", " style="} {
		if strings.Contains(landing, needed) {
			t.Errorf("the landing page has %s", needed)
		}
	}
	hash := sha256.Sum256([]byte(style[1]))
	allowed := "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
	for _, path := range []string{"/", "/metrics", "/-/healthy", "/debug/pprof/", "/elsewhere"} {
		header := get(t, p.url+path).header
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src " + allowed + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "no-referrer",
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "deny",
		} {
			if got := header.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got, value)
			}
		}
	}
}

func TestHeadersOfTheWebConfigAreKept(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "web.yml")
	const own = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    Content-Security-Policy: default-src 'self'\n"
	if err := os.WriteFile(config, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	header := get(t, start(t, nil, "--demo", "--web.config.file="+config).url+"/").header
	for name, value := range map[string]string{"X-Frame-Options": "sameorigin", "Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff"} {
		if got := header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestProfilesAreServedWhereAskedFor(t *testing.T) {
	t.Parallel()
	without, with := start(t, nil, "--demo"), start(t, nil, "--demo", "--web.enable-pprof")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=1"} {
		want(t, get(t, without.url+path), http.StatusNotFound, "text/plain", "")
		if a := get(t, with.url+path); a.status != http.StatusOK || a.body == "" {
			t.Errorf("%s is answered %d, with %d bytes", path, a.status, len(a.body))
		}
	}
	want(t, get(t, with.url+"/"), http.StatusOK, "text/html", `href="./debug/pprof/heap"`)
}

func TestAStopTakesLessThan5sWhateverTheClientsDo(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+api)
	for _, said := range []string{
		"",
		"GET /metr",
		"GET /-/healthy HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody",
		"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Prometheus-Scrape-Timeout-Seconds: 60\r\n\r\n",
		"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, "the scrape waits", func() bool {
		short := get(t, p.url+"/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.01")
		return samplesOf(short.body)["promhttp_metric_handler_requests_in_flight"] == 2
	})
	asked := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, took := p.wait(t), time.Since(asked)
	t.Logf("ended %v after the signal", took)
	if code != 0 || took >= 5*time.Second {
		t.Errorf("it ended %v after the signal, with %d", took, code)
	}
}
