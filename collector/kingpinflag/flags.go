// Package kingpinflag adds the flags of a collector to a kingpin application,
// as the package of the same name in exporter-toolkit does for its own.
package kingpinflag

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/collector"
)

// Settings are what the flags say, once they are parsed.
type Settings struct {
	Collector     collector.Config // without Budget and Key
	Limits        apiclient.Limits
	Key           apiclient.KeySource
	TimeoutOffset time.Duration // of the scrape
	Demo          bool
}

// AddFlags adds the flags under api, collector and scrape, and --demo. Each also
// reads an environment variable: MAGPIPE_ and its name in capitals.
func AddFlags(app *kingpin.Application) *Settings {
	s := &Settings{}
	c, api := &s.Collector, &s.Collector.API
	endpoint := &url{to: api}
	flag(app, "api.url", "Endpoint of the batch-calls API; https, unless the host is loopback.").
		Default("https://api.magpipe.ai/functions/v1/batch-calls").SetValue(endpoint)
	flag(app, "api.key-file", "File that holds the API key. Without it the key is taken from the environment: MAGPIPE_API_KEY.").
		StringVar(&s.Key.File)
	flag(app, "api.allow-http", "Allow plain http to a host that is not loopback: the key travels in clear.").
		BoolVar(&endpoint.allowHTTP)
	number(app, "api.timeout", "Time limit of one request, body included.", duration(&api.Timeout, "20s", time.Millisecond))
	number(app, "api.page-size", "Batches asked for per list request.", count(&api.PageSize, "500", 1))
	number(app, "api.concurrency", "Requests in flight at most.", count(&api.Concurrency, "8", 1))
	perMinute := number(app, "api.requests-per-minute", "The most requests in any minute.", count(&s.Limits.PerMinute, "50", 1))
	perHour := number(app, "api.requests-per-hour", "The most requests in any hour.", count(&s.Limits.PerHour, "500", 1))
	number(app, "collector.min-refresh", "Data younger than this is not fetched again.", duration(&c.MinRefresh, "10s", 0))
	number(app, "collector.max-staleness", "Data whose reads keep failing is dropped this long after its last good read.", duration(&c.MaxStaleness, "5m", 0))
	number(app, "collector.finished-retention", "How long a finished batch keeps its series.", duration(&c.FinishedRetention, "1h", 0))
	number(app, "collector.max-batches", "Batches with series of their own, at most.", count(&c.MaxBatches, "500", 0))
	flag(app, "collector.batch-names", "Put the batch's name on magpipe_batch_info.").Default("true").BoolVar(&c.BatchNames)
	flag(app, "collector.window-timezone", "Zone in which the API compares call windows.").Default("UTC").SetValue((*zone)(c))
	number(app, "scrape.timeout-offset", "Taken off the scrape timeout that Prometheus sends; at least half of it remains.", duration(&s.TimeoutOffset, "500ms", 0))
	flag(app, "demo", "Serve a simulated account inside the process: no key, no network, and a generous budget unless one is given.").BoolVar(&s.Demo)

	budgeted := false
	perMinute.IsSetByUser(&budgeted)
	perHour.IsSetByUser(&budgeted)
	app.Action(func(*kingpin.ParseContext) error {
		s.Key.Value = os.Getenv("MAGPIPE_API_KEY")
		if s.Demo && !budgeted && !perMinute.HasEnvarValue() && !perHour.HasEnvarValue() {
			s.Limits = apiclient.Limits{PerMinute: 6000, PerHour: 100_000}
		}
		return endpoint.resolve()
	})
	return s
}

func flag(app *kingpin.Application, name, help string) *kingpin.FlagClause {
	return app.Flag(name, help).Envar("MAGPIPE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name)))
}

// number adds a flag whose errors name it, which kingpin's own do not.
func number[T cmp.Ordered](app *kingpin.Application, name, help string, value *bounded[T]) *kingpin.FlagClause {
	value.name = name
	clause := flag(app, name, help).Default(value.initial)
	clause.SetValue(value)
	return clause
}

// bounded is a flag's value that has a lower bound.
type bounded[T cmp.Ordered] struct {
	to            *T
	least         T
	parse         func(string) (T, error)
	form          string // what a value looks like
	name, initial string
}

func count(to *int, initial string, least int) *bounded[int] {
	return &bounded[int]{to: to, initial: initial, least: least, parse: strconv.Atoi, form: "a whole number"}
}

func duration(to *time.Duration, initial string, least time.Duration) *bounded[time.Duration] {
	return &bounded[time.Duration]{to: to, initial: initial, least: least, parse: time.ParseDuration, form: "a duration such as 30s or 5m"}
}

// String is the value as it stands in the help text.
func (b *bounded[T]) String() string { return fmt.Sprint(*b.to) }

// Set reads a value.
func (b *bounded[T]) Set(raw string) error {
	value, err := b.parse(raw)
	if err != nil || value < b.least {
		return fmt.Errorf("--%s takes %s of at least %v, got %q", b.name, b.form, b.least, raw)
	}
	*b.to = value
	return nil
}

// zone is a time zone by its name.
type zone collector.Config

// String is the zone's name.
func (z *zone) String() string { return fmt.Sprint(z.WindowZone) }

// Set looks a zone up.
func (z *zone) Set(name string) (err error) {
	if z.WindowZone, err = time.LoadLocation(name); err != nil {
		return fmt.Errorf("--collector.window-timezone takes a name such as Europe/Berlin, got %q", name)
	}
	return nil
}

// url is the endpoint. Whether it may be plain http is known only when all flags are.
type url struct {
	to        *apiclient.Config
	raw       string
	allowHTTP bool
}

// String is the endpoint as it was given.
func (u *url) String() string { return u.raw }

// Set keeps the endpoint.
func (u *url) Set(raw string) error {
	u.raw = raw
	return nil
}

func (u *url) resolve() (err error) {
	if u.to.URL, err = apiclient.ParseURL(u.raw, u.allowHTTP); err != nil {
		return fmt.Errorf("--api.url: %w", err)
	}
	return nil
}
