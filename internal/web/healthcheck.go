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

// healthcheckTimeout covers all listeners together. It is shorter than the
// timeouts of container runtimes, so that a failure can still be logged.
const healthcheckTimeout = 5 * time.Second

// Healthcheck sends a request to each listener of a server that was started with
// the same settings, and returns an error if one does not serve. It has no
// password and no client certificate, so a refusal for lack of one counts as
// success, and so does a refusal by the rate limit of the web config file.
func (s *Server) Healthcheck(ctx context.Context) error {
	if s.Web.WebSystemdSocket != nil && *s.Web.WebSystemdSocket {
		return errors.New("--healthcheck does not know the sockets of --web.systemd-socket: pass their address as --web.listen-address instead")
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

// webConfig reads a web config file. An empty path means an empty config.
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

// ask sends one request to a listen address. It accepts only answers that the
// exporter can give, because the port may belong to another program.
func ask(ctx context.Context, address string, config toolkit.Config) error {
	if strings.HasPrefix(address, "vsock://") {
		return errors.New("vsock addresses are not supported")
	}
	if _, port, err := net.SplitHostPort(address); err != nil || port == "0" || port == "" {
		return errors.New("an address with a fixed port is required")
	}
	var certificateRequested atomic.Bool
	transport := &http.Transport{
		DisableKeepAlives: true,
		// Dialling an address without a host, or with 0.0.0.0 or [::], reaches this machine.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // localhost need not be in the exporter's own certificate, and nothing secret is sent
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				certificateRequested.Store(true)
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
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && certificateRequested.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the server does not see the client disconnect early
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
	return fmt.Errorf("the answer is %s, want 200 or 401: does another program use the port, or is a --web flag missing?", answer.Status)
}
