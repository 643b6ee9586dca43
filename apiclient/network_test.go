package apiclient_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// serve stands a handler up on a socket, not started yet, and counts the connections to it.
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
	u, err := apiclient.ParseURL(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, apiclient.Config{URL: u})
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
