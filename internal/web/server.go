// Package web serves the metrics of a Collector, either over HTTP, along with a
// landing page and health endpoints, or once to a writer.
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
	Name          string // of the program, for the landing page and as the prefix of _build_info
	Collector     *collector.Collector
	Path          string        // of the exposition
	TimeoutOffset time.Duration // subtracted from the scrape timeout that Prometheus sends
	Profiles      bool          // serve profiles of the process under /debug/pprof/
	Web           *toolkit.FlagConfig
	Logger        *slog.Logger
	Hangups       <-chan os.Signal // hangup signals, which are only logged; may be nil

	DisableExporterMetrics bool // leave out go_*, process_* and promhttp_*
}

// pathForm matches paths that have no special meaning in the pattern of a mux.
var pathForm = regexp.MustCompile(`^/(\w[\w.~-]*/?)*$`)

const profilesPath = "/debug/pprof/"

// Check returns an error that names the flag if a setting is invalid.
func (s *Server) Check() error {
	if !pathForm.MatchString(s.Path) {
		return fmt.Errorf("--web.telemetry-path must be a path such as /metrics, not under /-/, got %q", s.Path)
	}
	if s.Profiles && strings.HasPrefix(s.Path, profilesPath) {
		return fmt.Errorf("--web.telemetry-path must not be under %s with --web.enable-pprof, got %q", profilesPath, s.Path)
	}
	if slices.Contains(*s.Web.WebListenAddresses, "") {
		return errors.New("--web.listen-address must not be empty: it would listen on any port of every interface")
	}
	return nil
}

// WriteOnce refreshes and writes the exposition as text. It logs a warning if
// batches were not read. If the batch list could not be read, it writes
// the other metrics and then returns an error.
func (s *Server) WriteOnce(ctx context.Context, w io.Writer) error {
	s.Collector.Refresh(ctx)
	families, err := s.gatherer(s.registry()).Gather()
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
	s.warnOfUnread()
	return s.Collector.ListFailure()
}

func (s *Server) warnOfUnread() {
	advice := ""
	if s.Collector.BudgetSpent() {
		advice = "; raise --api.requests-per-minute and --api.requests-per-hour to read more at once"
	}
	if s.Collector.ListUnderWay() {
		s.Logger.Warn("The batch list was not read to its end" + advice)
	}
	if unread := s.Collector.Unread(); unread > 0 {
		s.Logger.Warn("Some running batches were not read"+advice, "unread", unread)
	}
}

func (s *Server) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(versioncollector.NewCollector(s.Name))
	if !s.DisableExporterMetrics {
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return registry
}

// ambiguous is a gauge that is left out. In OpenMetrics, the name of a counter's
// family has no _total, so the family of go_memstats_alloc_bytes_total would have
// the same name. go_memstats_heap_alloc_bytes has the same value.
const ambiguous = "go_memstats_alloc_bytes"

// gatherer merges the metrics of the collector and the process, which have no
// names in common. The collector is not in the registry because that would check
// and sort all of its series again at each scrape.
func (s *Server) gatherer(process *prometheus.Registry) prometheus.GathererFunc {
	return func() ([]*dto.MetricFamily, error) {
		families, err := process.Gather()
		families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == ambiguous })
		more, failed := s.Collector.Gather()
		families = append(families, more...)
		slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
		return families, errors.Join(err, failed)
	}
}
