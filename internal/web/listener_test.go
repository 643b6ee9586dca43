package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/internal/web"
)

// pipes is a listener whose connections have no buffer: a writer waits from the
// first byte on until the other side reads.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	p.dialled <- theirs
	t.Cleanup(func() { _ = ours.Close() })
	return ours
}

// serve has the server listen on pipes, and sends when each connection ends.
func serve(t *testing.T, s *web.Server, secure *tls.Config) (p pipes, ended <-chan time.Time) {
	t.Helper()
	server, err := s.HTTPServer()
	if err != nil {
		t.Fatal(err)
	}
	p = pipes{make(chan net.Conn), make(chan struct{})}
	ends := make(chan time.Time, 100)
	server.TLSConfig = secure
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ends <- time.Now()
		}
	}
	done := make(chan error, 1)
	go func() {
		if secure != nil {
			done <- server.ServeTLS(p, "", "")
			return
		}
		done <- server.Serve(p)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p, ends
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestAClientThatIsSlowIsLeft(t *testing.T) {
	const page = "GET /metrics HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct {
		sent  string
		reads bool
		after time.Duration
	}{
		"says nothing":                 {"", true, 10 * time.Second},
		"in the middle of its headers": {page + "Accept", true, 10 * time.Second},
		"in the middle of a body":      {page + "Content-Length: 9\r\n\r\nbody", true, 10 * time.Second},
		"in the middle of a chunk":     {page + "Transfer-Encoding: chunked\r\n\r\n9\r\nbody", true, 10 * time.Second},
		"does not take the page":       {page + "\r\n", false, 30 * time.Second},
		"does not take a short answer": {"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n", false, 30 * time.Second},
		"does not take a refusal":      {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", false, 30 * time.Second},
		"does not come back":           {page + "\r\n", true, 5 * time.Minute},
		"comes back and says no more":  {page + "\r\nGET /", true, 10 * time.Second},
		"in the middle of a handshake": {"\x16\x03\x01", true, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var secure *tls.Config
				if strings.HasPrefix(c.sent, "\x16") {
					secure = secured(t)
				}
				p, ended := serve(t, server(t, simulator.New(simulator.Options{})), secure)
				client, began := p.dial(t), time.Now()
				send(t, client, c.sent)
				if c.reads {
					go func() { _, _ = io.Copy(io.Discard, client) }()
				}
				select {
				case at := <-ended:
					if took := at.Sub(began); took < c.after || took > c.after+time.Second {
						t.Errorf("left after %v, want %v", took, c.after)
					}
				case <-time.After(time.Hour):
					t.Error("it keeps its connection")
				}
			})
		})
	}
}

func TestAClientThatHangsUpIsNoError(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var written strings.Builder
				s := server(t, simulator.New(simulator.Options{}))
				s.Logger = slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
				p, _ := serve(t, s, secured(t))
				ctx, hangUp := context.WithCancel(t.Context())
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a/metrics", nil)
				if err != nil {
					t.Fatal(err)
				}
				client := transport(t, p, version)
				client.DisableCompression = true
				client.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 10} // less than a page
				answer, err := client.RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				hangUp()
				_ = answer.Body.Close()
				synctest.Wait()
				if log := written.String(); !strings.Contains(log, "level=DEBUG") || strings.Count(log, "level=") != 1 {
					t.Errorf("the log is\n%s", log)
				}
			})
		})
	}
}

func TestAClientThatDoesNotTakeItsPageHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		p, _ := serve(t, server(t, account), nil)
		for range 20 {
			send(t, p.dial(t), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		synctest.Wait()
		time.Sleep(15 * time.Second)
		before, began := len(account.Requests()), time.Now()
		other := p.dial(t)
		send(t, other, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(other), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(page), "\nmagpipe_up 1\n") || time.Since(began) > time.Second {
			t.Errorf("%v, status %d after %v", err, answer.StatusCode, time.Since(began))
		}
		if len(account.Requests()) == before {
			t.Error("nothing was read for it")
		}
	})
}

// secured makes a self-signed certificate.
func secured(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
}

// transport speaks one version of HTTP through pipes.
func transport(t *testing.T, p pipes, version string) *http.Transport {
	t.Helper()
	made := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return p.dial(t), nil },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: version == "HTTP/2.0",
	}
	t.Cleanup(made.CloseIdleConnections)
	return made
}

func TestAScrapeThatWaitsLongIsAnsweredInFull(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulator.New(simulator.Options{})
				account.Inject(simulator.Fault{Hang: true})
				p, _ := serve(t, server(t, account), secured(t))
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a/metrics", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "120")
				began := time.Now()
				answer, err := transport(t, p, version).RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				page, err := io.ReadAll(answer.Body)
				if err != nil || answer.Proto != version || !strings.Contains(string(page), "\nmagpipe_up 0\n") || time.Since(began) != 119500*time.Millisecond {
					t.Errorf("%v, %s, after %v, page:\n%s", err, answer.Proto, time.Since(began), page)
				}
			})
		})
	}
}

// stalling reads until stall is requested, and then again at the end of the test.
type stalling struct {
	net.Conn
	stall   *atomic.Bool
	release chan struct{}
}

func (s stalling) Read(b []byte) (int, error) {
	if s.stall.Load() {
		<-s.release
	}
	return s.Conn.Read(b)
}

func TestAConnectionOfHTTP2ThatTakesNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ended := serve(t, server(t, simulator.New(simulator.Options{})), secured(t))
		stall, release := &atomic.Bool{}, make(chan struct{})
		client := transport(t, p, "HTTP/2.0")
		client.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return stalling{p.dial(t), stall, release}, nil
		}
		ask := func() error {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a/metrics", nil)
			if err != nil {
				return err
			}
			answer, err := client.RoundTrip(request)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			return errors.Join(err, answer.Body.Close())
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		stall.Store(true)
		asked, began := make(chan error, 1), time.Now()
		go func() { asked <- ask() }()
		select {
		case at := <-ended:
			if took := at.Sub(began); took < 30*time.Second || took > 62*time.Second {
				t.Errorf("left after %v", took)
			}
		case <-time.After(time.Hour):
			t.Error("it keeps its connection")
		}
		close(release)
		if err := <-asked; err == nil {
			t.Error("the answer arrived in full")
		}
	})
}
