package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof" // also registers with the default mux, which is not served
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves every endpoint. It answers GET and HEAD.
func (s *Server) Handler() (http.Handler, error) {
	// At this level, gzip costs half as much as at promhttp's, for pages that are a twentieth larger.
	compressed, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(false))
	if err != nil {
		return nil, fmt.Errorf("set up the compression: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+s.Path, s.exposition(compressed))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Collector.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.Profiles {
		addProfiles(mux)
	}
	if s.Path != "/" {
		landing, err := s.landingPage()
		if err != nil {
			return nil, fmt.Errorf("make the landing page: %w", err)
		}
		mux.Handle("GET /{$}", compressed(landing))
	}
	return withSecurityHeaders(mux), nil
}

// exposition returns a handler that refreshes the data and answers with the metrics.
func (s *Server) exposition(compressed func(http.Handler) http.HandlerFunc) http.Handler {
	registry := s.registry()
	options := promhttp.HandlerOpts{
		ErrorLog:           scrapeLog{s.Logger},
		EnableOpenMetrics:  true,
		DisableCompression: true,
	}
	if !s.DisableExporterMetrics {
		options.Registry = registry
	}
	handler := s.refreshFirst(compressed(promhttp.HandlerFor(s.gatherer(registry), options)))
	if s.DisableExporterMetrics {
		return handler
	}
	return promhttp.InstrumentMetricHandler(registry, handler)
}

// scrapeLog is the log of promhttp.
type scrapeLog struct{ logger *slog.Logger }

// unsent is the message of promhttp when it cannot send a page, for instance
// because the client has hung up.
const unsent = "error encoding and sending metric family:"

// Println logs at level error, but a page that could not be sent at level debug:
// nobody can act on a client that has hung up.
func (l scrapeLog) Println(v ...any) {
	at := slog.LevelError
	if len(v) > 0 && v[0] == unsent {
		at = slog.LevelDebug
	}
	l.logger.Log(context.Background(), at, strings.TrimSpace(fmt.Sprintln(v...)))
}

// addProfiles adds the handlers that net/http/pprof adds to the default mux.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET "+profilesPath, pprof.Index)
	mux.HandleFunc("GET "+profilesPath+"cmdline", pprof.Cmdline)
	mux.HandleFunc("GET "+profilesPath+"profile", pprof.Profile)
	mux.HandleFunc("GET "+profilesPath+"symbol", pprof.Symbol)
	mux.HandleFunc("GET "+profilesPath+"trace", pprof.Trace)
}

// withSecurityHeaders adds headers that forbid browsers to run scripts, to show
// pages in frames and to guess content types. Headers set in the web config file
// take precedence. The only style allowed is that of the landing page.
func withSecurityHeaders(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src " + styleSource() + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, header := range [][2]string{
			{"Content-Security-Policy", policy},
			{"Referrer-Policy", "no-referrer"},
			{"X-Content-Type-Options", "nosniff"},
			{"X-Frame-Options", "deny"},
		} {
			if w.Header().Get(header[0]) == "" {
				w.Header().Set(header[0], header[1])
			}
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, line) // fails only if the client has disconnected
}

// refreshFirst refreshes before each scrape. It waits no longer than the deadline
// of the scrape.
func (s *Server) refreshFirst(exposition http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r, s.TimeoutOffset))
		defer cancel()
		// The wait does not count towards the client's write timeout. Setting a deadline fails only without a real
		// connection, and then there is no slow client either.
		connection := http.NewResponseController(w)
		_ = connection.SetWriteDeadline(time.Time{})
		s.Collector.Refresh(ctx)
		_ = connection.SetWriteDeadline(time.Now().Add(writeTimeout))
		exposition.ServeHTTP(w, r)
	})
}

const defaultScrapeTimeout = 10 * time.Second // if the request has no valid timeout header

// scrapeTimeout returns how long a scrape may wait: the timeout that Prometheus
// sends, minus the offset, but at least half of the timeout.
func scrapeTimeout(r *http.Request, offset time.Duration) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) || seconds > time.Hour.Seconds() {
		return defaultScrapeTimeout
	}
	timeout := time.Duration(seconds * float64(time.Second))
	return max(timeout-offset, timeout/2)
}
