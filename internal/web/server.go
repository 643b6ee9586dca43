// Package web serves what a Collector knows: over HTTP with the landing
// page and the health endpoints beside it, or once to a writer. It is apart
// from the collector so that only this package and main know exporter-toolkit.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"magpipe_exporter/collector"
)

// Server serves one collector.
type Server struct {
	Name          string // of the program: on the landing page, and before _build_info
	Collector     *collector.Collector
	Path          string        // of the exposition
	TimeoutOffset time.Duration // taken off the scrape timeout that Prometheus sends
	Profiles      bool          // serve profiles of the process under /debug/pprof/
	Web           *toolkit.FlagConfig
	Logger        *slog.Logger
	Hangups       <-chan os.Signal // each is logged; may be nil
}

// pathForm is a path without what the pattern of a mux would read otherwise.
var pathForm = regexp.MustCompile(`^/(\w[\w.~-]*/?)*$`)

const profilesPath = "/debug/pprof/"

// Check errs on a setting that makes no sense, and names it as its flag does.
func (s *Server) Check() error {
	if !pathForm.MatchString(s.Path) {
		return fmt.Errorf("--web.telemetry-path must be a path such as /metrics, not under /-/, got %q", s.Path)
	}
	if s.Profiles && strings.HasPrefix(s.Path, profilesPath) {
		return fmt.Errorf("--web.telemetry-path must not be under %s with --web.enable-pprof, got %q", profilesPath, s.Path)
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
