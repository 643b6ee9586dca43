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

// Limits for clients. None can hold a connection, or what serves it, for longer.
const (
	maxHeader    = 64 << 10
	readTimeout  = 10 * time.Second // for the TLS handshake, and for a request with its body
	writeTimeout = 30 * time.Second // to take an answer, from when it is ready
	idleTimeout  = 5 * time.Minute  // between two requests: longer than usual scrape intervals
	drainTimeout = 4 * time.Second  // at the end: a stop takes less than 5 s, whatever the clients do
)

// HTTPServer returns a server of every endpoint, with limits for its clients.
func (s *Server) HTTPServer() (*http.Server, error) {
	handler, err := s.Handler()
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler: handler,
		// It does not cancel a scrape that waits longer: net/http lifts it when it calls the handler. A body is not read by
		// any handler, and by net/http up to 256 KiB, to use the connection again.
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout, // what a scrape waits does not count
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		// WriteTimeout ends streams of HTTP/2, not the connection below.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: writeTimeout},
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn), // such as a TLS handshake that failed
	}, nil
}

// ListenAndServe serves until the context is done. It refreshes from the start
// on, until a batch list has been read, so that it gets ready without a scrape.
// Scrapes that are running at the end have 4 s to finish.
func (s *Server) ListenAndServe(ctx context.Context) error {
	if err := toolkit.Validate(*s.Web.WebConfigFile); err != nil {
		oneLine := strings.Join(strings.Fields(err.Error()), " ") // YAML has one for each of its errors
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
			s.Logger.Info("SIGHUP changes nothing: the key file and the web config are read again by themselves")
		case <-ctx.Done():
			return s.stop(ctx, server)
		}
	}
}

// stop lets running scrapes finish with what is known.
func (s *Server) stop(ctx context.Context, server *http.Server) error {
	s.Logger.Info("Stopping, running scrapes are answered with what is known")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	s.Collector.Close() // or they would wait for a refresh that may take longer
	if err := server.Shutdown(drain); err != nil {
		return server.Close()
	}
	return nil
}

// retryInterval is between two refreshes that nobody asked for. It is above the
// default of --collector.min-refresh.
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
