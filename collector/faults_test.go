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
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is one way for a request to fail.
type fault struct {
	name   string
	reason string
	broken error            // what a real connection gave; nil: the request reaches the server
	answer http.HandlerFunc // of the server
	lasts  bool             // until the request's own time limit
	pause  time.Duration    // what a 429 asks for
	weight int              // bytes that are read of the first answer to each action; 0: any
}

// everyFault are the faults of the matrix.
func everyFault(found map[string]error) []fault {
	return []fault{
		{name: "a refused connection", reason: "network", broken: found["refused"]},
		{name: "a failed TLS handshake", reason: "network", broken: found["TLS"]},
		{name: "an unknown host", reason: "network", broken: found["DNS"]},
		{name: "a reset in the headers", reason: "network", answer: breakAfter("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "a reset in the body", reason: "network", answer: breakAfter("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"batches\":[{")},
		{name: "a hang before the headers", reason: "timeout", lasts: true, answer: hang("")},
		{name: "a hang in the body", reason: "timeout", lasts: true, answer: hang(`{"batches":[{"id":"x"`)},
		{name: "a slow drip", reason: "timeout", lasts: true, answer: drip},
		{name: "429 without Retry-After", reason: "rate_limited", pause: 10 * time.Second, answer: status(429, "{}")},
		{name: "429 with Retry-After in seconds", reason: "rate_limited", pause: 90 * time.Second, answer: after(func() string { return "90" })},
		{name: "429 with Retry-After as a date", reason: "rate_limited", pause: 90 * time.Second, answer: after(func() string {
			return time.Now().UTC().Add(90 * time.Second).Format(http.TimeFormat)
		})},
		{name: "502 with HTML", reason: "server_error", answer: page(502, "<html>Bad gateway</html>")},
		{name: "a page of HTML with status 200", reason: "malformed", answer: page(200, "<html>Sign in</html>")},
		{name: "cut JSON", reason: "malformed", answer: status(200, `{"batch":{},"recipients":[],"batches":[{"id":"x"`)},
		{name: "JSON of another shape", reason: "malformed", answer: status(200, `{"batch":[],"recipients":{},"batches":{},"runs":{}}`)},
		{name: "an empty body", reason: "malformed", answer: status(200, "")},
		{name: "a body of 64 MiB and one byte", reason: "too_large", weight: 64<<20 + 1, answer: overweight()},
		{name: "a gzip bomb", reason: "too_large", answer: bomb},
		{name: "a redirect", reason: "client_error", answer: http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP},
		{name: "400", reason: "client_error", answer: status(400, no)},
		{name: "401", reason: "unauthorized", answer: status(401, no)},
		{name: "403", reason: "unauthorized", answer: status(403, no)},
		{name: "404", reason: "not_found", answer: status(404, no)},
		{name: "500", reason: "server_error", answer: status(500, no)},
		{name: "503", reason: "server_error", answer: status(503, no)},
		{name: "504", reason: "server_error", answer: status(504, no)},
	}
}

const no = `{"error":"no"}`

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func page(code int, html string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, html)
	}
}

func after(wait func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", wait())
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// breakAfter sends raw bytes and ends the connection.
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

func hang(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if begin != "" {
			_, _ = io.WriteString(w, begin)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// drip sends one byte a second, for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-r.Context().Done():
			tick.Stop()
			return
		case <-tick.C:
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// overweight answers each action once with rows of 64 MiB and more in all, none too large by itself, which takes its
// time; when asked again, with one row that is, which is soon told.
func overweight() http.HandlerFunc {
	const row = 128 << 10
	begin := map[string]string{"list": `{"batches":[`, "list_runs": `{"runs":[`, "get": `{"batch":{},"recipients":[`}
	filler, told := strings.Repeat("x", row), map[string]bool{}
	return func(w http.ResponseWriter, r *http.Request) {
		action := r.Header.Get(faulty)
		_, _ = io.WriteString(w, begin[action])
		if told[action] {
			_, _ = io.WriteString(w, `{"goal":"`+strings.Repeat(filler, 4))
			return
		}
		told[action] = true
		for range 64<<20/row + 1 {
			if _, err := io.WriteString(w, `{"goal":"`+filler+`"},`); err != nil {
				return
			}
		}
	}
}

var bombs = sync.OnceValue(func() []byte {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	_, _ = io.WriteString(z, `{"batches":[{"goal":"`)
	for range 32 {
		_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	_ = z.Close()
	return packed.Bytes()
})

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(bombs())
}

// realErrors are what sockets give where no server is reached. They are provoked once, for they keep no fake time.
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
	go knowNoName(names)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", names.LocalAddr().String())
	}}
	found := map[string]error{}
	for name, url := range map[string]string{"refused": plain.URL, "TLS": secure.URL, "DNS": "http://magpipe.invalid."} {
		transport := &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
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

// knowNoName answers every question of the name service: there is no such name.
func knowNoName(conn *net.UDPConn) {
	for question := make([]byte, 1500); ; {
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return
		}
		question[2], question[3] = question[2]|0x80, 0x80|3 // it is an answer: NXDOMAIN
		_, _ = conn.WriteTo(question[:n], from)
	}
}
