// Package cli adds the flags of a collector to a kingpin application,
// as the package of the same name in exporter-toolkit does for its own.
package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
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
	LogLevel      string   // debug, info, warn or error
	LogFormat     string   // logfmt or json
	Strangers     []string // environment variables that look like settings and are none
}

// ofKubernetes are the variables for a service whose name begins with magpipe.
var ofKubernetes = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT(_\d+_|$)`)

// AddFlags adds the flags under api, collector, scrape and log, and --demo. All
// but those under log also read an environment variable: MAGPIPE_ and their name
// in capitals.
func AddFlags(app *kingpin.Application) *Settings {
	s := &Settings{}
	c, api := &s.Collector, &s.Collector.API
	endpoint := &url{to: api}
	flag(app, "api.url", "Endpoint of the batch-calls API; https, unless the host is loopback.").
		Default("https://api.magpipe.ai/functions/v1/batch-calls").SetValue(endpoint)
	flag(app, "api.key-file", "File that holds the API key. Without it the key is taken from the environment: MAGPIPE_API_KEY.").
		StringVar(&s.Key.File)
	add(flag(app, "api.allow-http", "Allow plain http to a host that is not loopback: the key travels in clear."), toggle(&endpoint.allowHTTP, ""))
	add(flag(app, "api.timeout", "Time limit of one request, body included."), duration(&api.Timeout, "20s", time.Millisecond))
	add(flag(app, "api.page-size", "Batches asked for per list request."), count(&api.PageSize, "500", 1))
	add(flag(app, "api.concurrency", "Requests in flight at most."), count(&api.Concurrency, "8", 1))
	perMinute := add(flag(app, "api.requests-per-minute", "The most requests in any minute."), count(&s.Limits.PerMinute, "50", 1))
	perHour := add(flag(app, "api.requests-per-hour", "The most requests in any hour."), count(&s.Limits.PerHour, "500", 1))
	add(flag(app, "collector.min-refresh", "Data younger than this is not fetched again."), duration(&c.MinRefresh, "10s", 0))
	add(flag(app, "collector.max-staleness", "Data whose reads keep failing is dropped this long after its last good read."), duration(&c.MaxStaleness, "5m", 0))
	add(flag(app, "collector.finished-retention", "How long a finished batch keeps its series; 0s drops it at once."), duration(&c.FinishedRetention, "1h", 0))
	add(flag(app, "collector.max-batches", "Batches with series of their own, at most."), count(&c.MaxBatches, "500", 0))
	add(flag(app, "collector.batch-names", "Put the batch's name on magpipe_batch_info."), toggle(&c.BatchNames, "true"))
	flag(app, "collector.window-timezone", "Zone in which the API compares call windows.").Default("UTC").SetValue((*zone)(c))
	add(flag(app, "scrape.timeout-offset", "Taken off the scrape timeout that Prometheus sends; at least half of it remains."), duration(&s.TimeoutOffset, "500ms", 0))
	add(flag(app, "demo", "Serve a simulated account inside the process: no key, no network, and a generous budget unless one is given."), toggle(&s.Demo, ""))
	add(app.Flag("log.level", "Lowest level to log."), choice(&s.LogLevel, "info", "debug", "info", "warn", "error"))
	add(app.Flag("log.format", "Format of log lines."), choice(&s.LogFormat, "logfmt", "logfmt", "json"))

	budgeted := false
	perMinute.IsSetByUser(&budgeted)
	perHour.IsSetByUser(&budgeted)
	app.Action(func(*kingpin.ParseContext) error {
		s.Strangers = strangers(app, os.Environ())
		s.Key.Value = os.Getenv("MAGPIPE_API_KEY")
		if s.Demo && !budgeted && !perMinute.HasEnvarValue() && !perHour.HasEnvarValue() {
			s.Limits = apiclient.Limits{PerMinute: 6000, PerHour: 100_000}
		}
		return endpoint.resolve()
	})
	return s
}

// strangers picks the variables under our prefix that are no settings: most
// likely they are misspelt. Those that Kubernetes makes of a service's name are not.
func strangers(app *kingpin.Application, environment []string) (names []string) {
	known := map[string]bool{"MAGPIPE_API_KEY": true}
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

func flag(app *kingpin.Application, name, help string) *kingpin.FlagClause {
	return app.Flag(name, help).Envar("MAGPIPE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name)))
}

// add adds a flag whose errors name it, which kingpin's own do not.
func add[T any](clause *kingpin.FlagClause, v *value[T]) *kingpin.FlagClause {
	v.name = "--" + clause.Model().Name
	if env := clause.Model().Envar; env != "" {
		v.name += " ($" + env + ")"
	}
	if v.initial != "" {
		clause.Default(v.initial)
	}
	clause.SetValue(v)
	return clause
}

// value is what a flag says.
type value[T any] struct {
	to      *T
	parse   func(string) (T, error)
	sound   func(T) bool
	form    string // what it looks like
	initial string
	name    string
}

// String is the value as it is now.
func (v *value[T]) String() string { return fmt.Sprint(*v.to) }

// IsBoolFlag tells kingpin that --no- turns it off.
func (v *value[T]) IsBoolFlag() bool {
	_, ok := any(*v.to).(bool)
	return ok
}

// Set reads a value.
func (v *value[T]) Set(raw string) error {
	read, err := v.parse(raw)
	if err != nil || !v.sound(read) {
		return fmt.Errorf("%s takes %s, got %q", v.name, v.form, raw)
	}
	*v.to = read
	return nil
}

func count(to *int, initial string, least int) *value[int] {
	return &value[int]{
		to: to, initial: initial, parse: strconv.Atoi, sound: func(n int) bool { return n >= least },
		form: fmt.Sprintf("a whole number of at least %d", least),
	}
}

func duration(to *time.Duration, initial string, least time.Duration) *value[time.Duration] {
	return &value[time.Duration]{
		to: to, initial: initial, parse: time.ParseDuration, sound: func(d time.Duration) bool { return d >= least },
		form: fmt.Sprintf("a duration such as 30s or 5m, of at least %v", least),
	}
}

func toggle(to *bool, initial string) *value[bool] {
	return &value[bool]{
		to: to, initial: initial, parse: strconv.ParseBool, sound: func(bool) bool { return true }, form: "true or false",
	}
}

func choice(to *string, initial string, of ...string) *value[string] {
	return &value[string]{
		to: to, initial: initial, parse: func(raw string) (string, error) { return raw, nil },
		sound: func(word string) bool { return slices.Contains(of, word) }, form: "one of " + strings.Join(of, ", "),
	}
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
