package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Limits for clients, so that none can hold a connection and its goroutine for longer.
const (
	maxHeader    = 64 << 10
	readTimeout  = 10 * time.Second // for the TLS handshake, and for a request with its body
	writeTimeout = 30 * time.Second // for the client to read an answer, once it is ready
	idleTimeout  = 5 * time.Minute  // between two requests; longer than usual scrape intervals
	drainTimeout = 4 * time.Second  // for running scrapes at shutdown, so that it takes less than 5 s
)

// HTTPServer returns a server for all endpoints, with limits for its clients.
func (s *Server) HTTPServer() (*http.Server, error) {
	handler, err := s.Handler()
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler: handler,
		// ReadTimeout does not cancel a scrape that waits longer, because net/http lifts it when it calls the handler. No
		// handler reads a body; net/http reads up to 256 KiB of one in order to reuse the connection.
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout, // refreshFirst excludes the time that a scrape waits
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		// WriteTimeout ends HTTP/2 streams, but not their connection.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: writeTimeout},
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn), // for example, failed TLS handshakes
	}, nil
}

// ListenAndServe serves until the context is done. It starts refreshing at once
// and repeats that until a batch list has been read, so that it becomes ready
// without a scrape. At shutdown, running scrapes have 4 s to finish.
func (s *Server) ListenAndServe(ctx context.Context) error {
	if err := toolkit.Validate(*s.Web.WebConfigFile); err != nil {
		oneLine := strings.Join(strings.Fields(err.Error()), " ") // YAML errors may have several lines
		return fmt.Errorf("--web.config.file=%s: %s", *s.Web.WebConfigFile, oneLine)
	}
	server, err := s.HTTPServer()
	if err != nil {
		return err
	}
	refreshing, stopRefreshing := context.WithCancel(ctx)
	var refreshes sync.WaitGroup
	refreshes.Go(func() { s.refreshUntilReady(refreshing) })
	defer refreshes.Wait()
	defer stopRefreshing()
	failed := make(chan error, 1)
	go func() { failed <- toolkit.ListenAndServe(server, s.Web, s.Logger) }()
	for {
		select {
		case err := <-failed:
			if *s.Web.WebSystemdSocket {
				return fmt.Errorf("--web.systemd-socket: %w", err)
			}
			return fmt.Errorf("--web.listen-address: %w", err)
		case <-s.Hangups:
			s.Logger.Info("SIGHUP has no effect: the key file and the web config file are reloaded automatically")
		case <-ctx.Done():
			return s.stop(ctx, server)
		}
	}
}

// stop shuts the server down. Running scrapes are answered with the data known so far.
func (s *Server) stop(ctx context.Context, server *http.Server) error {
	s.Logger.Info("Stopping; running scrapes are answered with the data known so far")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	s.Collector.Close() // otherwise scrapes would wait for their refresh, which may take longer
	if err := server.Shutdown(drain); err != nil {
		return server.Close()
	}
	return nil
}

// retryInterval is the time between two refreshes without a scrape. It is longer
// than the default of --collector.min-refresh.
const retryInterval = 15 * time.Second

func (s *Server) refreshUntilReady(ctx context.Context) {
	for {
		s.Collector.Refresh(ctx)
		if s.Collector.Ready() == nil {
			return
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return
		}
	}
}
