// Command magpipe_exporter exposes the batch calls of a Magpipe account as Prometheus metrics.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // --collector.window-timezone works where the system has no zones

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"
	slogkit "github.com/tjhop/slog-gokit"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/cli"
	"magpipe_exporter/internal/logging"
	"magpipe_exporter/internal/web"
)

const program = "magpipe_exporter"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are the command line.
type settings struct {
	*cli.Settings
	server      web.Server
	once        bool
	healthcheck bool
	answered    bool // by --help or --version: there is nothing else to do
}

// run is the whole program. It returns the exit code: 2 for a wrong command
// line, 1 for anything else that keeps it from starting or serving.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	s := &settings{}
	version.Version = cmp.Or(version.Version, "0.0.0-dev") // set by the linker in a release
	err := s.parse(args, out)
	if s.answered {
		return 0
	}
	s.log(errOut)
	code := 2
	if err == nil {
		code, err = 1, s.start(ctx, out)
	}
	if err == nil {
		return 0
	}
	s.server.Logger.Error(err.Error())
	return code
}

func (s *settings) parse(args []string, out io.Writer) error {
	app := kingpin.New(program, "Exposes the batch calls of a Magpipe account as Prometheus metrics.")
	app.UsageWriter(out).Version(version.Print(program)).HelpFlag.Short('h')
	app.Terminate(func(int) { s.answered = true })
	s.Settings = cli.AddFlags(app)
	app.Flag("once", "Refresh once, write the exposition to standard output, and exit.").BoolVar(&s.once)
	app.Flag("healthcheck", "Ask the exporter that was started with the same --web flags: exit 0 if it serves, 1 if not.").BoolVar(&s.healthcheck)
	app.Flag("web.telemetry-path", "Path of the exposition.").Default("/metrics").StringVar(&s.server.Path)
	app.Flag("web.enable-pprof", "Serve profiles of the process under /debug/pprof/.").BoolVar(&s.server.Profiles)
	s.server.Web = webflag.AddFlags(app, ":10240")
	if _, err := app.Parse(args); err != nil {
		return fmt.Errorf("%w (--help shows the flags)", err)
	}
	return s.server.Check()
}

// start serves until the context is done, writes one page with --once, or asks
// another process with --healthcheck.
func (s *settings) start(ctx context.Context, out io.Writer) (err error) {
	if s.healthcheck {
		return s.server.Healthcheck(ctx)
	}
	api := &s.Collector.API
	api.Version, api.Budget = version.Version, apiclient.NewBudget(s.Limits)
	s.Key.Warn = func(err error) { s.server.Logger.Warn(err.Error()) }
	for _, name := range s.Strangers {
		s.server.Logger.Warn("Environment variable is no setting and is ignored", "name", name)
	}
	if s.Demo {
		s.server.Logger.Warn("Serving a simulated account: no number is real")
		api.URL = &url.URL{Scheme: "https", Host: "simulator"}
		api.Transport = simulator.Demo(simulator.Options{Seed: 1}).Client().Transport
		s.Key = apiclient.KeySource{Value: "demo"}
	}
	if api.Key, err = s.Key.Open(); err != nil {
		return err
	}
	c := collector.New(s.Collector)
	defer c.Close()
	s.server.Name, s.server.Collector, s.server.TimeoutOffset = program, c, s.TimeoutOffset
	if s.once {
		return s.server.WriteOnce(ctx, out)
	}
	s.server.Logger.Info("Starting", "version", version.Version, "revision", version.GetRevision(), "api", api.URL.Host,
		"requests_per_minute", s.Limits.PerMinute, "requests_per_hour", s.Limits.PerHour)
	return s.server.ListenAndServe(ctx)
}

// log makes one go-kit logger, which exporter-toolkit uses through slog.
func (s *settings) log(w io.Writer) {
	w = log.NewSyncWriter(logging.Masked{Writer: w})
	base := log.NewLogfmtLogger(w)
	if s.LogFormat == "json" {
		base = log.NewJSONLogger(w)
	}
	filtered := level.NewFilter(base, level.Allow(level.ParseDefault(s.LogLevel, level.InfoValue())))
	s.Collector.Logger = log.With(filtered, "time", log.DefaultTimestampUTC, "caller", log.DefaultCaller)
	bridged := map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}
	s.server.Logger = slog.New(slogkit.NewGoKitHandler(base, bridged[s.LogLevel])) // info where it is not named
}
