package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// fault is one way in which a request can fail.
type fault struct {
	name     string
	reason   string           // as counted
	err      error            // of a connection that reaches no server; nil: the server is reached
	answer   http.HandlerFunc // of the server
	timesOut bool             // the request ends at its own time limit
	pause    time.Duration    // that a 429 asks for
	read     int              // bytes of the first answer to each action that are read; 0: any number
}

// everyFault returns the faults that are tested; dialErrors comes from realErrors.
func everyFault(dialErrors map[string]error) []fault {
	return []fault{
		{name: "a refused connection", reason: "network", err: dialErrors["refused"]},
		{name: "a failed TLS handshake", reason: "network", err: dialErrors["TLS"]},
		{name: "an unknown host", reason: "network", err: dialErrors["DNS"]},
		{name: "a reset in the headers", reason: "network", answer: breakAfter("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "a reset in the body", reason: "network", answer: breakAfter("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"batches\":[{")},
		{name: "a hang before the headers", reason: "timeout", timesOut: true, answer: hangAfter("")},
		{name: "a hang in the body", reason: "timeout", timesOut: true, answer: hangAfter(`{"batches":[{"id":"x"`)},
		{name: "a slow drip", reason: "timeout", timesOut: true, answer: drip},
		{name: "429 without Retry-After", reason: "rate_limited", pause: 10 * time.Second, answer: answerJSON(429, "{}")},
		{name: "429 with Retry-After in seconds", reason: "rate_limited", pause: 90 * time.Second, answer: retryAfter(429, func() string { return "90" })},
		{name: "429 with Retry-After as a date", reason: "rate_limited", pause: 90 * time.Second, answer: retryAfter(429, func() string {
			return time.Now().UTC().Add(90 * time.Second).Format(http.TimeFormat)
		})},
		{name: "502 with HTML", reason: "server_error", answer: answerHTML(502, "<html>Bad gateway</html>")},
		{name: "a page of HTML with status 200", reason: "malformed", answer: answerHTML(200, "<html>Sign in</html>")},
		{name: "cut JSON", reason: "malformed", answer: answerJSON(200, `{"batch":{},"recipients":[],"batches":[{"id":"x"`)},
		{name: "JSON of another shape", reason: "malformed", answer: answerJSON(200, `{"batch":[],"recipients":{},"batches":{},"runs":{},"calls":{}}`)},
		{name: "an empty body", reason: "malformed", answer: answerJSON(200, "")},
		{name: "a body of 64 MiB and one byte", reason: "too_large", read: 64<<20 + 1, answer: answerTooMuch()},
		{name: "a gzip bomb", reason: "too_large", answer: answerGzipBomb},
		{name: "a redirect", reason: "client_error", answer: http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP},
		{name: "400", reason: "client_error", answer: answerJSON(400, errorBody)},
		{name: "401", reason: "unauthorized", answer: answerJSON(401, errorBody)},
		{name: "403", reason: "unauthorized", answer: answerJSON(403, errorBody)},
		{name: "404", reason: "not_found", answer: answerJSON(404, errorBody)},
		{name: "500", reason: "server_error", answer: answerJSON(500, errorBody)},
		{name: "503", reason: "server_error", answer: answerJSON(503, errorBody)},
		{name: "503 with Retry-After", reason: "server_error", pause: 90 * time.Second, answer: retryAfter(503, func() string { return "90" })},
		{name: "504", reason: "server_error", answer: answerJSON(504, errorBody)},
		{name: "403 with HTML", reason: "client_error", answer: answerHTML(403, "<html>Blocked</html>")},
		{name: "a 200 that reports an error", reason: "malformed",
			answer: answerJSON(200, `{"batch":{"total_recipients":0},"recipients":[],"batches":[],"runs":[],"calls":[],"error":"no"}`)},
		{name: "a body that is not the gzip that it announces", reason: "malformed", answer: announceGzip(`{"batch":{},"recipients":[],"batches":[],"runs":[],"calls":[]}`)},
		{name: "gzip that breaks off", reason: "network", answer: announceGzip(string(gzipBomb()[:100]))},
		{name: "429 with Retry-After in fractions of seconds", reason: "rate_limited", pause: 90*time.Second + 500*time.Millisecond,
			answer: retryAfter(429, func() string { return "90.5" })},
		{name: "429 with Retry-After whose body never ends", reason: "rate_limited", pause: 90 * time.Second, timesOut: true, answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{name: "204", reason: "malformed", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{name: "206", reason: "malformed", answer: answerJSON(206, `{"batch":{},"recipients":[],"batches":[],"runs":[],"calls":[]}`)},
		{name: "a proxy that refuses", reason: "network", err: dialErrors["proxy"]},
		{name: "plain HTTP on the port of an https URL", reason: "network", err: dialErrors["no TLS"]},
	}
}

func announceGzip(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, body)
	}
}

const errorBody = `{"error":"no"}`

func answerJSON(status int, body string) http.HandlerFunc {
	return answerWith("application/json", status, body)
}

func answerHTML(status int, body string) http.HandlerFunc {
	return answerWith("text/html", status, body)
}

func answerWith(contentType string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func retryAfter(status int, value func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value())
		w.WriteHeader(status)
	}
}

// breakAfter sends raw bytes and closes the connection.
func breakAfter(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.Close()
	}
}

// hangAfter sends the beginning of a body, and then nothing.
func hangAfter(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if begin != "" {
			_, _ = io.WriteString(w, begin)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// drip sends one byte per second forever.
func drip(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// answerTooMuch answers each action with more than 64 MiB of rows once. That
// takes a while, so later answers hold a single row that is too large by itself.
func answerTooMuch() http.HandlerFunc {
	const row = 128 << 10
	begin := map[string]string{"list": `{"batches":[`, "list_runs": `{"runs":[`, "get": `{"batch":{},"recipients":[`, "list_calls": `{"calls":[`}
	filler, answered := strings.Repeat("x", row), map[string]bool{}
	return func(w http.ResponseWriter, r *http.Request) {
		action := r.Header.Get(failHeader)
		_, _ = io.WriteString(w, begin[action])
		if answered[action] {
			_, _ = io.WriteString(w, `{"goal":"`+strings.Repeat(filler, 4))
			return
		}
		answered[action] = true
		for range 64<<20/row + 1 {
			if _, err := io.WriteString(w, `{"goal":"`+filler+`"},`); err != nil {
				return
			}
		}
	}
}

// gzipBomb is a small body with one row of 32 MiB.
var gzipBomb = sync.OnceValue(func() []byte {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	_, _ = io.WriteString(z, `{"batches":[{"goal":"`)
	for range 32 {
		_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	_ = z.Close()
	return packed.Bytes()
})

func answerGzipBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(gzipBomb())
}

// realErrors are the errors of connections that reach no server. They come from
// sockets, which do not run on the fake clock.
func realErrors(t *testing.T) map[string]error {
	t.Helper()
	plain, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	names, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	go serveNoNames(names)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", names.LocalAddr().String())
	}}
	refusing := httptest.NewServer(answerJSON(http.StatusProxyAuthRequired, "{}"))
	defer refusing.Close()
	proxy, err := url.Parse(refusing.URL)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]error{}
	for name, endpoint := range map[string]string{"refused": plain.URL, "TLS": secure.URL, "DNS": "http://magpipe.invalid.", "no TLS": strings.Replace(refusing.URL, "http:", "https:", 1), "proxy": "https://magpipe.invalid."} {
		transport := &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}
		if name == "proxy" {
			transport.Proxy = http.ProxyURL(proxy)
			transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
				return &apiclient.ProxyError{StatusCode: resp.StatusCode}
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
			t.Fatalf("%s: no error", name)
		}
		transport.CloseIdleConnections()
		found[name] = err
	}
	return found
}

// serveNoNames is a name server that knows no name.
func serveNoNames(conn *net.UDPConn) {
	for question := make([]byte, 1500); ; {
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return
		}
		question[2], question[3] = question[2]|0x80, 0x80|3 // a response with NXDOMAIN
		_, _ = conn.WriteTo(question[:n], from)
	}
}

// TestNoFaultLeavesASocketOrAGoroutineBehind makes all requests fail over
// sockets, with each fault that a server can cause.
func TestNoFaultLeavesASocketOrAGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("faults", func(t *testing.T) {
		for _, f := range everyFault(nil) {
			if f.answer == nil || f.reason == "too_large" && f.name != "a gzip bomb" {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				failOverSockets(t, &f)
			})
		}
	})
	goleak.VerifyNone(t, before)
}

// failOverSockets scrapes before a fault, in it and after it, and fails if the
// server has an open connection in the end.
func failOverSockets(t *testing.T, f *fault) {
	t.Helper()
	account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
	account.Add(simulator.Campaign{ID: "a", Recipients: 1})
	account.Add(simulator.Campaign{ID: "s", Recurrence: "daily", Recipients: 1})
	var failing atomic.Bool
	var open atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !failing.Load() {
			account.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has left
		f.answer(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	w := newWorld(t, withServer(server.URL), withoutLimits, withConfig(func(c *collector.Config) {
		c.MinRefresh = 0
		if f.timesOut {
			c.API.Timeout = time.Second
		}
	}))
	w.start()
	good := []string{"magpipe_up 1", `magpipe_batch_attempted_recipients{batch_id="a"} 0`}
	w.has(w.scrape(), good...)
	failing.Store(true)
	w.has(w.scrape(), good[1])
	failed := w.values("magpipe_exporter_api_request_failures_total")
	if failed["list "+f.reason]+failed["get "+f.reason]+failed["list_runs "+f.reason] == 0 {
		t.Errorf("no request failed with %s: %v", f.reason, failed)
	}
	failing.Store(false)
	if f.pause == 0 { // otherwise, only the first request was sent, whatever it was
		w.has(w.page(), "magpipe_up 0")
		w.has(w.scrape(), good...)
	}
	w.collector.Close()
	for late := time.Now().Add(10 * time.Second); open.Load() != 0; {
		if time.Now().After(late) {
			t.Fatalf("%d connections are open after the end", open.Load())
		}
		<-time.After(time.Millisecond)
	}
}
