package apiclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestRequestsInARowShareOneConnection(t *testing.T) {
	a := unlimited(0)
	var opened atomic.Int64
	id := a.Add(simulator.Campaign{Recipients: 500})
	s := serve(t, a, &opened)
	s.Start()
	c := dial(t, s.URL)
	for i := range 20 {
		if _, err := list(t, c); err != nil {
			t.Fatal(err)
		}
		if _, rs, err := read(t, c, id); err != nil || len(rs) != 500 {
			t.Fatal(err)
		}
		if i%4 == 0 {
			a.Inject(simulator.Fault{Status: 500, Times: 1})
		}
		if _, _, err := read(t, c, "none"); err == nil {
			t.Error("an unknown batch was found")
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestClosingTheClientEndsItsIdleConnections(t *testing.T) {
	var opened atomic.Int64
	s := serve(t, unlimited(0), &opened)
	s.Start()
	c := dial(t, s.URL)
	for want := int64(1); want <= 2; want++ {
		if _, err := list(t, c); err != nil || opened.Load() != want {
			t.Errorf("%v, %d connections, want %d", err, opened.Load(), want)
		}
		c.Close()
	}
}

// address is where a name leads: a server behind connections in memory.
type address chan net.Conn

func (a address) Accept() (net.Conn, error) {
	if conn, open := <-a; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (a address) Close() error {
	close(a)
	return nil
}

func (a address) Addr() net.Addr { return &net.IPAddr{} }

func TestAnAddressThatTheNameHasLeftIsLeftWithinMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, current := make(address), make(address)
		resolved, opened := left, 0
		moved := http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
		alive := http.Server{Handler: unlimited(0), ReadHeaderTimeout: time.Minute}
		go func() { _ = moved.Serve(left) }()
		go func() { _ = alive.Serve(current) }()
		transport := apiclient.NewTransport(nil, time.Second, time.Second)
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			opened++
			here, there := net.Pipe()
			resolved <- there
			return here, nil
		}
		u, err := apiclient.ParseURL("http://api.example.com", true)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, apiclient.Config{URL: u, Transport: transport})
		began := time.Now()
		for listed := false; !listed && time.Since(began) < time.Hour; time.Sleep(15 * time.Second) {
			_, err := list(t, c)
			listed, resolved = err == nil, current
		}
		if took := time.Since(began); took > 2*time.Minute+15*time.Second || opened != 2 {
			t.Errorf("it took %v and %d connections", took, opened)
		}
		c.Close()
		_, _ = moved.Close(), alive.Close()
	})
}

func TestAsManyConnectionsAreKeptAsRequestsRunAtOnce(t *testing.T) {
	for given, want := range map[int]int{0: 8, 3: 3} {
		a := unlimited(0)
		var opened atomic.Int64
		var arrived, answered sync.WaitGroup
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait() // for the others
			a.ServeHTTP(w, r)
		}), &opened)
		s.Start()
		c := connect(t, apiclient.Config{URL: endpoint(t, s.URL), Concurrency: given})
		for range 3 {
			arrived.Add(want)
			for range want {
				permit := paid(t, c)
				answered.Go(func() {
					if _, err := permit.Next(t.Context(), c.Batches().Walk()); err != nil {
						t.Error(err)
					}
				})
			}
			answered.Wait()
		}
		if n := opened.Load(); n != int64(want) {
			t.Errorf("%d connections for %d requests at once", n, want)
		}
	}
}

// watched counts the response bodies that are not closed.
type watched struct {
	http.RoundTripper
	open *int
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err == nil {
		*w.open++
		resp.Body = closing{resp.Body, w.open}
	}
	return resp, err
}

type closing struct {
	io.ReadCloser
	open *int
}

func (c closing) Close() error {
	*c.open--
	return c.ReadCloser.Close()
}

func TestEveryBodyIsClosed(t *testing.T) {
	for _, f := range []simulator.Fault{
		{}, {Status: 200, Body: "{"}, {Status: 500, Body: strings.Repeat("x", 9000)}, {Status: 204}, {CutAfter: 3}, {Status: 302},
	} {
		a, open := unlimited(0), 0
		a.Inject(f)
		_, _ = list(t, connect(t, apiclient.Config{Transport: watched{inside(a), &open}})) // however it ends
		if n := len(a.Requests()); open != 0 || n != 1 {
			t.Errorf("%+v: %d bodies of %d are open", f, open, n)
		}
	}
}

func TestCompressedAnswersAreAccepted(t *testing.T) {
	a, packed := unlimited(0), 0
	id := a.Add(simulator.Campaign{Recipients: 500})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := httptest.NewRecorder()
		a.ServeHTTP(plain, r)
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip was not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		if _, err := plain.Body.WriteTo(z); err != nil || z.Close() != nil {
			t.Error("not packed")
		}
		packed++
	}), nil)
	s.Start()
	b, rs, err := read(t, dial(t, s.URL), id)
	if err != nil || b.ID != id || len(rs) != 500 || packed != 1 {
		t.Errorf("%v, %d recipients, %d answers", err, len(rs), packed)
	}
}

func TestAnAnswerThatIsNotTheGzipThatItAnnouncesIsMalformed(t *testing.T) {
	const plain = `{"batches":[{"id":"a"},{"id":"b"}]}`
	packed := func(spoil func([]byte)) string {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := io.WriteString(z, plain); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		spoil(buf.Bytes())
		return buf.String()
	}
	for name, c := range map[string]struct{ body, reason string }{
		"plain":    {plain, "malformed"},
		"corrupt":  {packed(func(b []byte) { b[10] = 0xff }), "malformed"},
		"checksum": {packed(func(b []byte) { b[len(b)-8]++ }), "malformed"},
		"cut":      {packed(func([]byte) {})[:20], "network"},
	} {
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, c.body)
		}), nil)
		s.Start()
		if _, err := list(t, dial(t, s.URL)); err == nil || apiclient.Reason(err) != c.reason {
			t.Errorf("%s: %v is %s", name, err, apiclient.Reason(err))
		}
	}
}

func TestTheAllowanceOfAnElementHoldsForWhatIsUnpacked(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, io.MultiReader(strings.NewReader(`{"batches":[{"name":"`), io.LimitReader(endless("x"), 2*maxElement), strings.NewReader(`"}]}`)))
		_ = z.Close() // the client hangs up on the way
	}), nil)
	s.Start()
	if _, err := list(t, dial(t, s.URL)); !errors.Is(err, apiclient.ErrTooLarge) {
		t.Error(err)
	}
}

// serve returns a server that is not started yet, and counts the connections to it.
func serve(t *testing.T, h http.Handler, opened *atomic.Int64) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew && opened != nil {
			opened.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s
}

// dial makes a client with a connection pool of its own.
func dial(t *testing.T, raw string) *apiclient.Client {
	t.Helper()
	return connect(t, apiclient.Config{URL: endpoint(t, raw)})
}

func endpoint(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := apiclient.ParseURL(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestACutAnswerIsTheNetworksFaultAndCutJSONIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		fault  simulator.Fault
		reason string
	}{
		"cut body":             {simulator.Fault{CutAfter: 3000}, "network"},
		"cut after first byte": {simulator.Fault{CutAfter: 1}, "network"},
		"cut JSON":             {simulator.Fault{Status: 200, Body: `{"batch":{"id":"b"},"recipients":[{}`}, "malformed"},
	} {
		a := unlimited(0)
		id := a.Add(simulator.Campaign{Recipients: 100})
		a.Inject(c.fault)
		s := serve(t, a, nil)
		s.Start()
		for _, client := range []*apiclient.Client{dial(t, s.URL), of(t, a)} {
			_, _, err := read(t, client, id)
			var decode *apiclient.DecodeError
			if apiclient.Reason(err) != c.reason || err == nil || errors.As(err, &decode) != (c.reason == "malformed") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// hijack writes raw bytes and resets the connection.
func hijack(t *testing.T, raw string) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, raw)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	})
}

func TestWhatTheNetworkDoesIsItsOwnReason(t *testing.T) {
	reset := serve(t, hijack(t, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"batches\":[{"), nil)
	early := serve(t, hijack(t, ""), nil)
	garbage := serve(t, hijack(t, "+15550001111\r\n\r\n"), nil)
	plain := serve(t, unlimited(0), nil)
	untrusted := serve(t, unlimited(0), nil)
	for _, s := range []*httptest.Server{reset, early, garbage, plain} {
		s.Start()
	}
	untrusted.StartTLS()
	gone := serve(t, unlimited(0), nil)
	gone.Start()
	gone.Close()
	for name, url := range map[string]string{
		"refused": gone.URL, "reset in the body": reset.URL, "closed before the answer": early.URL, "no HTTP": garbage.URL,
		"no TLS": strings.Replace(plain.URL, "http:", "https:", 1), "untrusted certificate": untrusted.URL,
	} {
		_, err := list(t, dial(t, url+"/secret-path"))
		if err == nil || apiclient.Reason(err) != "network" {
			t.Errorf("%s: %v is %s", name, err, apiclient.Reason(err))
		}
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) != (name == "untrusted certificate") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret-path") || strings.Contains(err.Error(), "mgp_") || strings.Contains(err.Error(), "://")) {
			t.Errorf("%s: error %q", name, err)
		}
		if saysSo := err != nil && strings.HasSuffix(err.Error(), "server gave HTTP response to HTTPS client"); saysSo != (name == "no TLS") {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

func TestARedirectIsAnErrorAndTheKeyGoesNowhere(t *testing.T) {
	a := unlimited(0)
	second := serve(t, a, nil)
	second.Start()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{second.URL, "/", ""} {
			asked := 0
			first := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			}), nil)
			first.Start()
			_, err := list(t, dial(t, first.URL))
			var failed *apiclient.StatusError
			if !errors.As(err, &failed) || failed.StatusCode != status || apiclient.Reason(err) != "client_error" || asked != 1 {
				t.Errorf("%d to %q: %v after %d requests", status, to, err, asked)
			}
			if err == nil || !strings.Contains(err.Error(), strconv.Itoa(status)) || strings.Contains(err.Error(), "://") {
				t.Errorf("%d: error %q", status, err)
			}
		}
	}
	if n := len(a.Requests()); n != 0 {
		t.Errorf("%d requests reached the second server", n)
	}
}

func TestTheKeyTravelsInClearOnlyToLoopbackOrWherePermitted(t *testing.T) {
	for _, c := range []struct {
		raw              string
		plain, permitted bool // accepted without, and with, http allowed
	}{
		{"https://api.magpipe.ai/functions/v1/batch-calls", true, true},
		{"HTTPS://api.magpipe.ai", true, true},
		{"https://api.magpipe.ai:8443/x?y=z", true, true},
		{"https://[2001:db8::1]/x", true, true},
		{"http://api.magpipe.ai/x", false, true},
		{"http://localhost:8080/x", true, true},
		{"http://127.0.0.1:8080", true, true},
		{"http://127.9.9.9", true, true},
		{"http://[::1]:8080/x", true, true},
		{"http://LOCALHOST:8080/x", true, true},
		{"http://localhost.:8080/x", false, true}, // which the resolver may look up elsewhere
		{"http://[::ffff:127.0.0.1]/x", true, true},
		{"http://10.0.0.1", false, true},
		{"http://0.0.0.0", false, true},
		{"http://localhost.example.com", false, true},
		{"http://127.0.0.1.example.com", false, true},
		{"http://[::2]", false, true},
		{"https://user:secret@api.magpipe.ai", false, false},
		{"https://user@api.magpipe.ai", false, false},
		{"http://localhost@evil.example.com", false, false},
		{"", false, false},
		{"api.magpipe.ai", false, false},
		{"api.magpipe.ai:443/x", false, false},
		{"/functions/v1", false, false},
		{"//api.magpipe.ai", false, false},
		{"https://", false, false},
		{"https://:443/x", false, false},
		{"https:api.magpipe.ai", false, false},
		{"ftp://api.magpipe.ai", false, false},
		{"unix:///run/x.sock", false, false},
		{"https://api.magpipe.ai:port", false, false},
		{"https://a b/secret", false, false},
		{"https://%zz/secret", false, false},
		{"https://api.magpipe.ai/\x7f", false, false},
	} {
		for allow, want := range map[bool]bool{false: c.plain, true: c.permitted} {
			u, err := apiclient.ParseURL(c.raw, allow)
			if (err == nil) != want || (u != nil) != want {
				t.Errorf("%q, http allowed %v: %v, %v", c.raw, allow, u, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v", c.raw, err)
			}
			if errors.Is(err, apiclient.ErrPlainHTTP) != (c.permitted && !want) {
				t.Errorf("%q: %v", c.raw, err)
			}
		}
	}
}

func TestAnAcceptedURLIsUsedAsGiven(t *testing.T) {
	const raw = "https://api.magpipe.ai:8443/functions/v1/batch-calls?region=eu"
	for _, given := range []string{raw, " " + raw, raw + " \n", "\t" + raw + "\t"} {
		if u, err := apiclient.ParseURL(given, false); err != nil || u.String() != raw {
			t.Errorf("%q: %v, %v", given, u, err)
		}
	}
	u, err := apiclient.ParseURL("HTTPS://API.Magpipe.ai:8443/Functions", false)
	if err != nil || u.String() != "https://api.magpipe.ai:8443/Functions" {
		t.Errorf("%v, %v", u, err)
	}
}

// fickle is a server that closes a connection on its second request, after it
// has written some bytes of an answer, if any. It counts the connections.
func fickle(t *testing.T, a http.Handler, bytes string, opened *atomic.Int64) *httptest.Server {
	t.Helper()
	type served struct{}
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, ok := r.Context().Value(served{}).(*atomic.Int64)
		if ok && before.Add(1) > 1 {
			hijack(t, bytes).ServeHTTP(w, r)
			return
		}
		a.ServeHTTP(w, r)
	}), opened)
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, served{}, &atomic.Int64{})
	}
	s.Start()
	return s
}

// tooLate is what some servers send before they close an idle connection.
const tooLate = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

func TestARequestThatMetAStaleConnectionIsSentAnewOnce(t *testing.T) {
	for name, bytes := range map[string]string{"closed": "", "closed with a 408": tooLate} {
		var opened atomic.Int64
		s := fickle(t, unlimited(0), bytes, &opened)
		var seen []string
		budget := apiclient.NewBudget(apiclient.Limits{PerMinute: 1000, PerHour: 2500}) // starts with 100
		c := connect(t, apiclient.Config{URL: endpoint(t, s.URL), Budget: budget, Observe: func(e apiclient.Exchange) {
			seen = append(seen, string(e.Action)+" "+fmt.Sprint(e.Err == nil))
		}})
		for i := range 3 {
			if _, err := list(t, c); err != nil {
				t.Errorf("%s: request %d: %v", name, i+1, err)
			}
		}
		want := []string{"list true", "list false", "list true", "list false", "list true"}
		if !slices.Equal(seen, want) || budget.Remaining() != 95 || opened.Load() != 3 {
			t.Errorf("%s: observed %q, %d left of 100, %d connections", name, seen, budget.Remaining(), opened.Load())
		}
	}
}

func TestA408OnANewConnectionIsAnAnswer(t *testing.T) {
	var opened atomic.Int64
	s := serve(t, hijack(t, tooLate), &opened)
	s.Start()
	_, err := list(t, dial(t, s.URL))
	var failed *apiclient.StatusError
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusRequestTimeout || opened.Load() != 1 {
		t.Errorf("%v, %d connections", err, opened.Load())
	}
}

func TestNothingElseIsSentAnew(t *testing.T) {
	partly, early := "HTTP/1.1 200", ""
	for name, c := range map[string]struct {
		bytes string
		hour  int // 50 pay for the two requests of the test, 75 for one more
		reads int // good ones before
	}{
		"some bytes had come":   {partly, 75, 1},
		"no token is left":      {early, 50, 1},
		"the connection is new": {early, 75, 0},
	} {
		var opened, sent atomic.Int64
		a := unlimited(0)
		s := fickle(t, a, c.bytes, &opened)
		if c.reads == 0 {
			s = serve(t, hijack(t, c.bytes), &opened)
			s.Start()
		}
		client := connect(t, apiclient.Config{
			URL: endpoint(t, s.URL), Budget: apiclient.NewBudget(apiclient.Limits{PerMinute: 1000, PerHour: c.hour}),
			Observe: func(apiclient.Exchange) { sent.Add(1) },
		})
		for range c.reads {
			if _, err := list(t, client); err != nil {
				t.Fatal(err)
			}
		}
		_, err := list(t, client)
		if apiclient.Reason(err) != "network" || err == nil || int(sent.Load()) != c.reads+1 || opened.Load() != 1 {
			t.Errorf("%s: %v, %d requests on %d connections", name, err, sent.Load(), opened.Load())
		}
	}
}

func TestConnectionsThatAreAsOldAsAStaleOneAreGivenUpWithIt(t *testing.T) {
	var opened atomic.Int64
	var arrived sync.WaitGroup
	a := unlimited(0)
	s := fickle(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if opened.Load() <= 3 { // so that each of the first three has one of its own
			arrived.Done()
			arrived.Wait()
		}
		a.ServeHTTP(w, r)
	}), "", &opened)
	c := dial(t, s.URL)
	arrived.Add(3)
	var answered sync.WaitGroup
	for range 3 {
		answered.Go(func() {
			if _, err := list(t, c); err != nil {
				t.Error(err)
			}
		})
	}
	answered.Wait()
	if _, err := list(t, c); err != nil || opened.Load() != 4 {
		t.Errorf("%v, %d connections", err, opened.Load())
	}
}

// forwarder passes bytes between clients and a server. Connections that are
// established when it goes dark stay open, and nothing passes through them any more.
type forwarder struct {
	net.Listener
	to   string
	mu   sync.Mutex
	open []*passage
	wait sync.WaitGroup
}

// passage is one connection through a forwarder.
type passage struct {
	dark   atomic.Bool
	closed chan struct{} // by the client
}

func forward(t *testing.T, to string) *forwarder {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{Listener: l, to: to}
	f.wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			f.wait.Go(func() { f.pass(t, client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.wait.Wait()
	})
	return f
}

func (f *forwarder) pass(t *testing.T, client net.Conn) {
	t.Helper()
	server, err := new(net.Dialer).Dial("tcp", f.to)
	if err != nil {
		t.Error(err)
		_ = client.Close()
		return
	}
	p := &passage{closed: make(chan struct{})}
	f.mu.Lock()
	f.open = append(f.open, p)
	f.mu.Unlock()
	f.wait.Go(func() { p.copy(client, server) })
	p.copy(server, client)
	close(p.closed)
	_, _ = client.Close(), server.Close()
}

func (p *passage) copy(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !p.dark.Load() {
			_, _ = to.Write(buf[:n])
		}
	}
}

// darken blocks all existing connections, and returns them.
func (f *forwarder) darken() []*passage {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.open {
		p.dark.Store(true)
	}
	return f.open
}

// behind makes a client that reaches a server through a forwarder, and pings for a
// tenth of a second.
func behind(t *testing.T, s *httptest.Server, cfg apiclient.Config) (*apiclient.Client, *forwarder) {
	t.Helper()
	f := forward(t, s.Listener.Addr().String())
	transport := apiclient.NewTransport(nil, 50*time.Millisecond, 50*time.Millisecond)
	scheme := "http://"
	if s.TLS != nil {
		scheme = "https://"
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	cfg.URL, cfg.Transport = endpoint(t, scheme+f.Addr().String()), transport
	return connect(t, cfg), f
}

func TestAnHTTP2ConnectionThatGoesDarkIsDroppedWithinSeconds(t *testing.T) {
	if took := apiclient.Patience(); took > 10*time.Second {
		t.Errorf("it is trusted for %v", took)
	}
	var protocol atomic.Value
	a := unlimited(0)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(r.Proto)
		a.ServeHTTP(w, r)
	}), nil)
	s.EnableHTTP2 = true
	s.StartTLS()
	var failures atomic.Int64
	c, f := behind(t, s, apiclient.Config{Observe: func(e apiclient.Exchange) {
		if e.Err != nil {
			failures.Add(1)
		}
	}})
	if _, err := list(t, c); err != nil || protocol.Load() != "HTTP/2.0" {
		t.Fatal(err, protocol.Load())
	}

	// Idle: it is closed without a request.
	for _, p := range f.darken() {
		select {
		case <-p.closed:
		case <-time.After(10 * time.Second):
			t.Fatal("idle: it is kept")
		}
	}
	if _, err := list(t, c); err != nil || failures.Load() != 0 {
		t.Errorf("idle: %v after %d failures", err, failures.Load())
	}

	// Busy: the requests sent on it are retried.
	f.darken()
	var busy sync.WaitGroup
	for range 3 {
		busy.Go(func() {
			if _, err := list(t, c); err != nil {
				t.Errorf("busy: %v", err)
			}
		})
	}
	busy.Wait()
	if n := failures.Load(); n > 3 {
		t.Errorf("busy: %d failures of 3 requests", n)
	}
}

func TestOneReadFailsAtMostOfConnectionsThatGoDarkForLongerThanARequestMayTake(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var opened atomic.Int64
		var arrived sync.WaitGroup
		a := unlimited(0)
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if opened.Load() <= 3 && !http2 {
				arrived.Done()
				arrived.Wait()
			}
			a.ServeHTTP(w, r)
		}), &opened)
		if s.EnableHTTP2 = http2; http2 {
			s.StartTLS()
		} else {
			s.Start()
		}
		c, f := behind(t, s, apiclient.Config{Timeout: time.Second})
		if arrived.Add(3); http2 {
			arrived.Add(-3)
		}
		var answered sync.WaitGroup
		for range 3 {
			answered.Go(func() {
				if _, err := list(t, c); err != nil {
					t.Error(err)
				}
			})
		}
		answered.Wait()
		f.darken()
		failed := 0
		for range 4 {
			if _, err := list(t, c); err != nil {
				failed++
			}
		}
		if failed > 1 {
			t.Errorf("HTTP/2 %v: %d of 4 reads failed", http2, failed)
		}
	}
}

// refusing is an HTTP/2 server that refuses every request, which makes net/http
// retry them. It counts the requests.
func refusing(t *testing.T, requests *atomic.Int64) *httptest.Server {
	t.Helper()
	const data, headers, settings = 0x0, 0x1, 0x4
	s := serve(t, nil, nil)
	s.EnableHTTP2 = true
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
		_, _ = io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
		_, _ = conn.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
		for head := make([]byte, 9); ; {
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
			switch kind, flags, stream := head[3], head[4], head[5:9]; {
			case kind == headers:
				requests.Add(1)
			case kind == settings && flags == 0:
				_, _ = conn.Write([]byte{0, 0, 0, settings, 1, 0, 0, 0, 0})
			case kind == data && flags&1 == 1: // the request is whole: reset its stream with REFUSED_STREAM
				_, _ = conn.Write(append(append([]byte{0, 0, 4, 0x3, 0}, stream...), 0, 0, 0, 7))
			}
		}
	}}
	s.StartTLS()
	return s
}

func TestNothingIsSentAnewUnpaid(t *testing.T) {
	var requests atomic.Int64
	c, _ := behind(t, refusing(t, &requests), apiclient.Config{})
	if _, err := list(t, c); apiclient.Reason(err) != "network" || err == nil || requests.Load() != 1 {
		t.Errorf("%v, sent %d times", err, requests.Load())
	}
}

func TestAProxyThatRefusesIsNamedWithItsStatus(t *testing.T) {
	for _, status := range []int{407, 403, 503, 302, 204} {
		proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodConnect {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "ask +15550001111")
		}), nil)
		proxy.Start()
		transport := apiclient.NewTransport(endpoint(t, proxy.URL), time.Second, time.Second)
		_, err := list(t, connect(t, apiclient.Config{Transport: transport}))
		var refused *apiclient.ProxyError
		if !errors.As(err, &refused) || refused.StatusCode != status || apiclient.Reason(err) != "network" {
			t.Errorf("%d: %v", status, err)
		}
		want := fmt.Sprintf("list page 1: the proxy answered %d %s", status, http.StatusText(status))
		if err == nil || err.Error() != want {
			t.Errorf("%d: %v, want %q", status, err, want)
		}
	}
}

func TestLoopbackIsNeverProxied(t *testing.T) {
	var proxied atomic.Int64
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		_, _ = io.WriteString(w, `{"batches":[]}`)
	}), nil)
	proxy.Start()
	s := serve(t, unlimited(0), nil)
	s.Start()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int64{
		"127.0.0.1": 0, "localhost": 0, "LOCALHOST": 0, "[::ffff:127.0.0.1]": 0, "api.example.com": 1, "localhost.example.com": 1,
	} {
		u, err := apiclient.ParseURL("http://"+host+":"+port, true)
		if err != nil {
			t.Fatal(err)
		}
		byHand := *u
		byHand.Host = host + ":" + port
		for _, u := range []*url.URL{u, &byHand} {
			proxied.Store(0)
			transport := apiclient.NewTransport(endpoint(t, proxy.URL), time.Second, time.Second)
			_, err := list(t, connect(t, apiclient.Config{URL: u, Transport: transport}))
			if err != nil || proxied.Load() != want {
				t.Errorf("%s: %v, %d requests through the proxy", u, err, proxied.Load())
			}
		}
	}
}
