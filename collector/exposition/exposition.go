// Package exposition serves what a Collector knows: over HTTP with the landing
// page and the health endpoints beside it, or once to a writer. It is apart
// from the collector so that only this package and main know exporter-toolkit.
package exposition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"magpipe_exporter/collector"
)

// Server serves one collector.
type Server struct {
	Name          string // of the program: on the landing page, and before _build_info
	Collector     *collector.Collector
	Path          string        // of the exposition
	TimeoutOffset time.Duration // taken off the scrape timeout that Prometheus sends
	Web           *web.FlagConfig
	Logger        *slog.Logger
}

// pathForm is a path without what the pattern of a mux would read otherwise.
var pathForm = regexp.MustCompile(`^/(\w[\w.~-]*/?)*$`)

// Check errs on a setting that makes no sense, and names it as its flag does.
func (s *Server) Check() error {
	if !pathForm.MatchString(s.Path) {
		return fmt.Errorf("--web.telemetry-path must be a path such as /metrics, not under /-/, got %q", s.Path)
	}
	return nil
}

// WriteOnce refreshes, and writes the exposition as text. It errs where the
// batch list could not be read, after writing what there is.
func (s *Server) WriteOnce(ctx context.Context, w io.Writer) error {
	s.Collector.Refresh(ctx)
	families, err := s.whole(s.registry()).Gather()
	if err != nil {
		return fmt.Errorf("gather the metrics: %w", err)
	}
	text := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := text.Encode(family); err != nil {
			return fmt.Errorf("write the exposition: %w", err)
		}
	}
	if err := s.Collector.Ready(); err != nil {
		return err
	}
	return s.Collector.ListFailure()
}

// ListenAndServe starts with a refresh and serves until the context is done.
// Scrapes that are running then have 5 s to end.
func (s *Server) ListenAndServe(ctx context.Context) error {
	if err := web.Validate(*s.Web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file=%s: %w", *s.Web.WebConfigFile, err)
	}
	handler, err := s.Handler()
	if err != nil {
		return err
	}
	// No ReadTimeout: it would cancel a scrape that may wait longer. No body is read.
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	s.Collector.Begin()
	failed := make(chan error, 1)
	go func() { failed <- web.ListenAndServe(server, s.Web, s.Logger) }()
	select {
	case err := <-failed:
		if listen, ok := errors.AsType[*net.OpError](err); ok && listen.Op == "listen" {
			return fmt.Errorf("--web.listen-address: %w", err)
		}
		return err
	case <-ctx.Done():
	}
	s.Logger.Info("Stopping, running scrapes are answered with what is known")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.Collector.Close() // or they would wait for a refresh that may take longer
	if err := server.Shutdown(drain); err != nil {
		return server.Close()
	}
	return nil
}

// Handler serves every endpoint.
func (s *Server) Handler() (http.Handler, error) {
	registry, mux := s.registry(), http.NewServeMux()
	exposition := promhttp.HandlerFor(s.whole(registry), promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelError),
		Registry:          registry,
		EnableOpenMetrics: true,
	})
	mux.Handle(s.Path, promhttp.InstrumentMetricHandler(registry, s.refreshFirst(exposition)))
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "healthy") })
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Collector.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.Path == "/" {
		return mux, nil
	}
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name:        s.Name,
		Description: "Batch calls of a Magpipe account",
		Version:     version.Info(),
		Profiling:   "false",
		Links: []web.LandingLinks{
			{Address: s.Path, Text: "Metrics"},
			{Address: "/-/healthy", Text: "Healthy", Description: "the process serves"},
			{Address: "/-/ready", Text: "Ready", Description: "a batch list has been read"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	mux.Handle("/{$}", landing)
	return mux, nil
}

func (s *Server) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector(s.Name),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// whole joins what the collector knows with what the process says of itself. The
// two have no name in common. The collector is not in the registry because that
// would check and sort all of its series anew at each scrape.
func (s *Server) whole(process *prometheus.Registry) prometheus.GathererFunc {
	return func() ([]*dto.MetricFamily, error) {
		families, err := process.Gather()
		more, failed := s.Collector.Gather()
		families = append(families, more...)
		slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
		return families, errors.Join(err, failed)
	}
}

func answer(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, line) // a client that has left needs no answer
}

// refreshFirst has a refresh come before the exposition, and waits for it until
// the scrape's own deadline.
func (s *Server) refreshFirst(exposition http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience(r, s.TimeoutOffset))
		defer cancel()
		s.Collector.Refresh(ctx)
		exposition.ServeHTTP(w, r)
	})
}

const defaultPatience = 10 * time.Second

// patience is how long a scrape may wait: its timeout less the offset, but at
// least half of it.
func patience(r *http.Request, offset time.Duration) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) || seconds > time.Hour.Seconds() {
		return defaultPatience
	}
	timeout := time.Duration(seconds * float64(time.Second))
	return max(timeout-offset, timeout/2)
}
