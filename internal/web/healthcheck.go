package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// healthcheckTimeout is for all listeners together. It is shorter than the
// timeouts of container runtimes, so that the reason is still logged.
const healthcheckTimeout = 5 * time.Second

// Healthcheck asks each listener of a server that was started with the same
// settings, and returns an error if one does not serve. It has no password and
// no client certificate: being refused for lack of one counts as an answer, and
// so does being refused by the rate limit of the settings.
func (s *Server) Healthcheck(ctx context.Context) error {
	if s.Web.WebSystemdSocket != nil && *s.Web.WebSystemdSocket {
		return errors.New("--healthcheck cannot know the sockets of --web.systemd-socket: give it their address as --web.listen-address instead")
	}
	config, err := webConfig(*s.Web.WebConfigFile)
	if err != nil {
		return fmt.Errorf("--web.config.file=%s: %w", *s.Web.WebConfigFile, err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	for _, address := range *s.Web.WebListenAddresses {
		if err := ask(ctx, address, config); err != nil {
			return fmt.Errorf("--healthcheck of --web.listen-address=%s: %w", address, err)
		}
	}
	return nil
}

// webConfig reads a web config file; "" is an empty one.
func webConfig(path string) (toolkit.Config, error) {
	var config toolkit.Config
	if err := toolkit.Validate(path); err != nil || path == "" {
		return config, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	return config, yaml.Unmarshal(raw, &config)
}

// ask sends one request to a listen address. Only an answer that the exporter
// gives will do: the port may be another program's.
func ask(ctx context.Context, address string, config toolkit.Config) error {
	if strings.HasPrefix(address, "vsock://") {
		return errors.New("it cannot ask a vsock address")
	}
	if _, port, err := net.SplitHostPort(address); err != nil || port == "0" || port == "" {
		return errors.New("it needs an address with a fixed port")
	}
	var wanted atomic.Bool // a client certificate
	transport := &http.Transport{
		DisableKeepAlives: true,
		// To dial an address without a host, or with 0.0.0.0 or [::], is to dial this machine.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // it talks to itself, under a name that need not be in the certificate, and sends nothing secret
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				wanted.Store(true)
				return &tls.Certificate{}, nil
			},
		},
	}
	url := "http://localhost/-/healthy"
	if config.TLSConfig.IsEnabled() {
		url = "https://localhost/-/healthy"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := transport.RoundTrip(request)
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && wanted.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the server sees no client leave early
	if err := answer.Body.Close(); err != nil {
		return err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusUnauthorized:
		return nil
	case http.StatusTooManyRequests:
		if config.RateLimiterConfig.Interval != 0 {
			return nil
		}
	}
	return fmt.Errorf("the answer is %s, want 200 or 401: does another program have the port?", answer.Status)
}
