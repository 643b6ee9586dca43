package apiclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// network configures how a transport reaches the API.
type network struct {
	proxy func(*http.Request) (*url.URL, error) // returns the proxy for a request; not used for loopback addresses
	ping  time.Duration                         // how long an HTTP/2 connection may be silent before a ping is sent
	pong  time.Duration                         // how long the answer to a ping may take before the connection is closed
}

func defaultNetwork() network {
	return network{proxy: http.ProxyFromEnvironment, ping: 5 * time.Second, pong: 5 * time.Second}
}

// newTransport makes a pool of kept-alive connections. It sends HTTP/2 pings
// because a connection may die silently, for example in a failover. Without
// pings, requests would keep using it until the operating system gives up on it,
// which takes a quarter of an hour.
func newTransport(concurrency int, n network) *http.Transport {
	return &http.Transport{
		Proxy: func(req *http.Request) (*url.URL, error) {
			if loopback(req.URL) {
				return nil, nil
			}
			return n.proxy(req)
		},
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: n.ping, PingTimeout: n.pong},
		MaxIdleConns:           concurrency,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        connectionLife,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// refusedByProxy returns a ProxyError unless the proxy has established the
// connection. The error of net/http itself would quote the proxy's answer.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &ProxyError{StatusCode: resp.StatusCode}
	}
	return nil
}

// connectionLife is how long connections are used. It is longer than usual scrape
// intervals, and short enough to find an API that has moved before the data that
// was read from it is stale.
const connectionLife = 2 * time.Minute

// renew closes the idle connections if some may be older than that. One that is
// used all the time would otherwise be kept as long as both sides live, even if the
// API's name leads to another address by then.
func (c *Client) renew(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.renewedAt) >= connectionLife {
		c.renewedAt = now
		c.Close()
	}
}

// connection is what is known of the connection that carries a request.
type connection struct{ reused, answered atomic.Bool }

// traced returns a context that makes a request report on its connection.
func (c *connection) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { c.reused.Store(info.Reused) },
		GotFirstResponseByte: func() { c.answered.Store(true) },
	})
}

// stale reports whether a failed request was sent on a kept-alive connection and
// received no byte of an answer. Most likely, the server has closed the
// connection, or it has died silently.
func (c *connection) stale() bool { return c.reused.Load() && !c.answered.Load() }

// timedOut reports whether an answer says that a kept-alive connection was idle
// for too long. Some servers send a 408 before they close one, and it crosses the
// request, which they have not read.
func (c *connection) timedOut(status int) bool {
	return c.reused.Load() && status == http.StatusRequestTimeout
}

// ErrPlainHTTP is the error of ParseURL for a URL that would send the key
// unencrypted.
var ErrPlainHTTP = errors.New("plain http would send the key unencrypted")

// ParseURL parses and checks an endpoint. It accepts https, and http to a
// loopback address. So that the key is not sent unencrypted by accident, it
// accepts http to other addresses only with allowHTTP; otherwise the error is
// ErrPlainHTTP. White space around the URL is ignored.
func ParseURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, errors.New("not a URL; it looks like https://host/path")
	}
	u.Host = strings.ToLower(u.Host)
	switch {
	case u.User != nil:
		return nil, errors.New("must not contain a user or password")
	case u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, fmt.Errorf("must start with https:// and name a host, got scheme %q and host %q", u.Scheme, u.Host)
	case u.Scheme == "http" && !allowHTTP && !loopback(u):
		return nil, fmt.Errorf("%w to %s", ErrPlainHTTP, u.Host)
	}
	return u, nil
}

// RecordsURL returns the endpoint of call records that belongs to an endpoint of
// batch-calls: its last path element is replaced by list-calls.
func RecordsURL(batchCalls *url.URL) *url.URL {
	beside := *batchCalls
	beside.Path, beside.RawPath = strings.TrimRight(beside.Path, "/"), ""
	return beside.ResolveReference(&url.URL{Path: "list-calls"})
}

// loopback reports whether a URL points to this machine. Requests to it may use
// plain http, and bypass any proxy.
func loopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// errNoHTTP replaces an error that may quote what the server sent.
var errNoHTTP = errors.New("the connection broke, or the server does not speak HTTP")

// withoutContent returns an error that does not quote the answer: errors of the
// context, the network, the proxy and TLS as they are, and errNoHTTP for others.
func withoutContent(ctx context.Context, err error) error {
	_, network := errors.AsType[net.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, refused := errors.AsType[*ProxyError](err)
	noTLS, ok := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ok && string(noTLS.RecordHeader[:]) == "HTTP/":
		return http.ErrSchemeMismatch
	case network, untrusted, refused,
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return err
	}
	return errNoHTTP
}
