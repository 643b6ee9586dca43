package apiclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

func newTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           concurrency,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        5 * time.Minute, // longer than any sensible scrape interval
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// ParseURL checks an endpoint: https, or http to a loopback address, or http
// to any with allowHTTP, for the key must not travel in clear by accident.
func ParseURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("not a URL; it looks like https://host/path")
	case u.User != nil:
		return nil, errors.New("must not hold a user or password: the key comes from a file or the environment")
	case u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, fmt.Errorf("must start with https:// and name a host, got scheme %q and host %q", u.Scheme, u.Host)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return nil, fmt.Errorf("plain http to %s would send the key in clear: use https, or allow it with --api.allow-http", u.Host)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// errNoHTTP stands for an error that may quote what the server sent.
var errNoHTTP = errors.New("the connection broke, or what it carries is no HTTP")

// withoutContent keeps the errors of contexts, networks and TLS as they are.
func withoutContent(ctx context.Context, err error) error {
	_, network := errors.AsType[net.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case network, untrusted, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return err
	}
	return errNoHTTP
}
