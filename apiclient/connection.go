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

// network is how a transport stands to what lies between it and the API.
type network struct {
	proxy func(*http.Request) (*url.URL, error) // what the environment says; loopback goes past it
	ping  time.Duration                         // after so long without a frame an HTTP/2 server is asked for a sign of life
	pong  time.Duration                         // after so long without an answer to that the connection is dropped
}

func defaultNetwork() network {
	return network{proxy: http.ProxyFromEnvironment, ping: 5 * time.Second, pong: 5 * time.Second}
}

// newTransport makes a pool of kept-alive connections. Without pings, requests
// would go on into an HTTP/2 connection that has gone dark, after a failover for
// instance, until the operating system gives it up, which takes a quarter of an
// hour.
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
		IdleConnTimeout:        5 * time.Minute, // longer than any sensible interval between requests
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// refusedByProxy fails unless a proxy has connected us. net/http's own error
// would quote what the proxy says.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &ProxyError{StatusCode: resp.StatusCode}
	}
	return nil
}

// connection is what is known of the connection that carries a request.
type connection struct{ reused, answered atomic.Bool }

// traced returns a context under which a request tells of its connection.
func (c *connection) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { c.reused.Store(info.Reused) },
		GotFirstResponseByte: func() { c.answered.Store(true) },
	})
}

// stale reports whether a request that failed was sent on a kept-alive
// connection and no byte of an answer came: most likely the server had closed
// it, or it has gone dark.
func (c *connection) stale() bool { return c.reused.Load() && !c.answered.Load() }

// ErrPlainHTTP is the error of ParseURL for a URL that would send the key in clear.
var ErrPlainHTTP = errors.New("plain http would send the key in clear")

// ParseURL checks an endpoint: https, or http to a loopback address, or http
// to any with allowHTTP, for the key must not travel in clear by accident
// (ErrPlainHTTP). White space around it is ignored.
func ParseURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, errors.New("not a URL; it looks like https://host/path")
	}
	u.Host = strings.ToLower(u.Host)
	switch {
	case u.User != nil:
		return nil, errors.New("must not hold a user or password")
	case u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, fmt.Errorf("must start with https:// and name a host, got scheme %q and host %q", u.Scheme, u.Host)
	case u.Scheme == "http" && !allowHTTP && !loopback(u):
		return nil, fmt.Errorf("%w to %s", ErrPlainHTTP, u.Host)
	}
	return u, nil
}

// loopback reports whether a URL is on this machine. It decides both what may
// travel in clear and what goes past any proxy.
func loopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// errNoHTTP stands for an error that may quote what the server sent.
var errNoHTTP = errors.New("the connection broke, or what it carries is no HTTP")

// withoutContent keeps the errors of contexts, networks, proxies and TLS as they are.
func withoutContent(ctx context.Context, err error) error {
	_, network := errors.AsType[net.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, refused := errors.AsType[*ProxyError](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case network, untrusted, refused,
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return err
	}
	return errNoHTTP
}
