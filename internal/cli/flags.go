// Package cli turns flags and environment variables into the configuration of
// the other packages.
package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/logging"
	"magpipe_exporter/internal/web"
)

// Settings are the settings from flags and environment variables.
type Settings struct {
	Collector collector.Config // without Budget, Key and Logger
	Limits    apiclient.Limits // of the budget
	Key       apiclient.KeySource
	Server    web.Server // without Name, Collector, Logger and Hangups
	Log       logging.Config
	StateFile string // "": none
	Demo      bool   // use a simulated account

	Once        bool // write the exposition once and exit
	Healthcheck bool // check whether another process serves, and exit

	UnknownVariables []string // environment variables that are named like settings but are not
}

// ErrAnswered is returned by Parse after it has answered --help or --version, so
// that there is nothing else to do.
var ErrAnswered = errors.New("--help or --version was given")

// Parse reads the command line and the environment. It writes the answer to
// --help or --version to out. If it returns an error, the settings read before
// it occurred can still be used.
func Parse(program string, args []string, out io.Writer) (*Settings, error) {
	app := kingpin.New(program, "Exposes the batch calls of a Magpipe account as Prometheus metrics.")
	app.UsageWriter(out).Version(version.Print(program)).HelpFlag.Short('h')
	answered := false
	app.Terminate(func(int) { answered = true })
	s := AddFlags(app)
	_, err := app.Parse(args)
	switch {
	case answered:
		return s, ErrAnswered
	case err != nil:
		return s, fmt.Errorf("%w (--help shows the flags)", err)
	}
	return s, s.Server.Check()
}

// AddFlags adds all flags. Those under api, collector, scrape and state, and --demo,
// also read an environment variable: MAGPIPE_ followed by their name in capitals.
func AddFlags(app *kingpin.Application) *Settings {
	s := &Settings{}
	s.addAPIFlags(app)
	s.addCollectorFlags(app)
	add(flag(app, "scrape.timeout-offset", "Subtracted from the scrape timeout that Prometheus sends, of which at least half remains."), duration(&s.Server.TimeoutOffset, "500ms", 0))
	flag(app, "state.file", "File that preserves counters, data and the state of the request budget across restarts; each exporter needs its own.").StringVar(&s.StateFile)
	add(flag(app, "demo", "Serve a simulated account inside the process: no key, no network, and a generous budget unless you set one."), toggle(&s.Demo, ""))
	app.Flag("once", "Refresh once, write the metrics to standard output, and exit.").BoolVar(&s.Once)
	app.Flag("healthcheck", "Check the exporter that was started with the same --web flags; exit with 0 if it is serving, and with 1 if not.").BoolVar(&s.Healthcheck)
	app.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&s.Server.Path)
	app.Flag("web.enable-pprof", "Serve profiles of the process under /debug/pprof/.").BoolVar(&s.Server.Profiles)
	app.Flag("web.disable-exporter-metrics", "Leave out the go_, process_ and promhttp_ metrics, so that the page can be merged with those of other exporters.").BoolVar(&s.Server.DisableExporterMetrics)
	s.Server.Web = webflag.AddFlags(app, ":10240")
	add(app.Flag("log.level", "Lowest level to log."), choice(&s.Log.Level, "info", "debug", "info", "warn", "error"))
	add(app.Flag("log.format", "Format of log lines."), choice(&s.Log.Format, "logfmt", "logfmt", "json"))
	app.Action(func(*kingpin.ParseContext) error {
		s.UnknownVariables = unknownVariables(app, os.Environ())
		return nil
	})
	return s
}

func (s *Settings) addAPIFlags(app *kingpin.Application) {
	api := &s.Collector.API
	endpoint, records, allowHTTP := "", "", false
	flag(app, "api.url", "Endpoint of the batch-calls API; https, unless the host is loopback.").
		Default("https://api.magpipe.ai/functions/v1/batch-calls").StringVar(&endpoint)
	flag(app, "api.call-records-url", "Endpoint of the call records. If not set, --api.url with its last path element replaced by list-calls.").StringVar(&records)
	flag(app, "api.key-file", "File that contains the API key. If not set, the key is taken from the environment variable MAGPIPE_API_KEY.").
		StringVar(&s.Key.File)
	add(flag(app, "api.allow-http", "Allow plain http to a host that is not loopback, which sends the key unencrypted."), toggle(&allowHTTP, ""))
	add(flag(app, "api.timeout", "Timeout of one request, including the response body."), duration(&api.Timeout, "20s", time.Millisecond))
	add(flag(app, "api.page-size", "Batches requested per page of a list."), count(&api.PageSize, "500", 1))
	add(flag(app, "api.concurrency", "Maximum number of requests in flight."), count(&api.Concurrency, "8", 1))
	perMinute := add(flag(app, "api.requests-per-minute", "Maximum number of requests in any minute."), count(&s.Limits.PerMinute, "50", 1))
	perHour := add(flag(app, "api.requests-per-hour", "Maximum number of requests in any hour."), count(&s.Limits.PerHour, "500", 1))

	budgetGiven := false
	perMinute.IsSetByUser(&budgetGiven)
	perHour.IsSetByUser(&budgetGiven)
	app.Action(func(*kingpin.ParseContext) (err error) {
		s.Key.Value = os.Getenv(keyVariable)
		if s.Demo && !budgetGiven && !perMinute.HasEnvarValue() && !perHour.HasEnvarValue() {
			s.Limits = apiclient.Limits{PerMinute: 6000, PerHour: 100_000}
		}
		if api.URL, err = parseURL("api.url", endpoint, allowHTTP); err != nil || records == "" {
			return err
		}
		api.RecordsURL, err = parseURL("api.call-records-url", records, allowHTTP)
		return err
	})
}

// parseURL parses the value of a flag as an endpoint of the API.
func parseURL(name, value string, allowHTTP bool) (*url.URL, error) {
	u, err := apiclient.ParseURL(value, allowHTTP)
	switch {
	case errors.Is(err, apiclient.ErrPlainHTTP):
		return nil, fmt.Errorf("--%s: %w: use https, or allow it with --api.allow-http", name, err)
	case err != nil:
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return u, nil
}

func (s *Settings) addCollectorFlags(app *kingpin.Application) {
	c := &s.Collector
	add(flag(app, "collector.min-refresh", "Data younger than this is not fetched again."), duration(&c.MinRefresh, "10s", 0))
	add(flag(app, "collector.max-staleness", "Data whose reads keep failing is dropped this long after its last good read."), duration(&c.MaxStaleness, "5m", 0))
	add(flag(app, "collector.finished-retention", "How long a finished batch keeps its series; 0s drops it at once."), duration(&c.FinishedRetention, "1h", 0))
	add(flag(app, "collector.max-batches", "Maximum number of batches with their own series."), count(&c.MaxBatches, "500", 0))
	add(flag(app, "collector.batch-names", "Put the batch's name on magpipe_batch_info."), toggle(&c.BatchNames, "true"))
	add(flag(app, "collector.call-records", "Read the call records, which show how many calls were answered and how long people talked; uses at most a tenth of the budget."), toggle(&c.CallRecords, "true"))
	add(flag(app, "collector.window-timezone", "Time zone in which the API compares call windows."), zone(&c.WindowZone, "UTC"))
}

// flag adds a flag that also reads an environment variable.
func flag(app *kingpin.Application, name, help string) *kingpin.FlagClause {
	return app.Flag(name, help).Envar("MAGPIPE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name)))
}

// ofKubernetes matches variables that Kubernetes sets for a service whose name begins with magpipe.
var ofKubernetes = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT(_\d+_|$)`)

// unknownVariables returns the variables that begin with MAGPIPE_ but are not
// settings, and are therefore most likely misspelt. It leaves out those that
// Kubernetes sets for a service.
func unknownVariables(app *kingpin.Application, environment []string) (names []string) {
	known := map[string]bool{keyVariable: true}
	for _, f := range app.Model().Flags {
		known[f.Envar] = true
	}
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "MAGPIPE_") && !known[name] && !ofKubernetes.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}
