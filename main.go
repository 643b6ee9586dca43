// Command magpipe_exporter exposes the batch calls of a Magpipe account as Prometheus metrics.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for --collector.window-timezone on systems without time zone data

	"github.com/prometheus/common/version"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/cli"
	"magpipe_exporter/internal/logging"
)

const program = "magpipe_exporter"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code: 2 for an invalid command line,
// 1 for any other error.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // by default, SIGHUP ends the process

	version.Version = cmp.Or(version.Version, "0.0.0-dev") // set by the linker in a release
	settings, err := cli.Parse(program, args, out)
	if errors.Is(err, cli.ErrAnswered) {
		return 0
	}
	settings.Server.Hangups = hangups
	settings.Collector.Logger, settings.Server.Logger = logging.New(errOut, settings.Log)
	log.SetFlags(0)
	log.SetOutput(logging.Standard(settings.Server.Logger))
	code := 2
	if err == nil {
		code, err = 1, start(ctx, settings, out)
	}
	if err != nil {
		settings.Server.Logger.Error(err.Error())
		return code
	}
	return 0
}

// start serves until the context is done. With --once it writes the exposition
// once instead, and with --healthcheck it checks another process.
func start(ctx context.Context, s *cli.Settings, out io.Writer) error {
	if s.Healthcheck {
		return s.Server.Healthcheck(ctx)
	}
	logger := s.Server.Logger
	for _, name := range s.UnknownVariables {
		logger.Warn("Ignoring an environment variable that is not a setting", "name", name)
	}
	s.Key.Warn = func(err error) { logger.Warn(err.Error()) }
	if s.Demo {
		logger.Warn("Serving a simulated account; none of the data is real")
		demo(s)
	}
	key, err := s.OpenKey()
	if err != nil {
		return err
	}
	api := &s.Collector.API
	api.Key, api.Version, api.Budget = key, version.Version, apiclient.NewBudget(s.Limits)
	if s.StateFile != "" && !s.Once { // --once must not touch the file of the exporter that serves
		if s.Collector.State, err = collector.OpenState(s.StateFile, api.URL, s.Collector.Logger); err != nil {
			return fmt.Errorf("--state.file: %w", err)
		}
		if s.Demo { // each process simulates its past anew
			s.Collector.State.Forget()
		}
	}
	c := collector.New(s.Collector)
	defer c.Close()
	s.Server.Name, s.Server.Collector = program, c
	if s.Once {
		return s.Server.WriteOnce(ctx, out)
	}
	logger.Info("Starting", "version", version.Version, "revision", version.GetRevision(), "api", api.URL.Host,
		"requests_per_minute", s.Limits.PerMinute, "requests_per_hour", s.Limits.PerHour)
	return s.Server.ListenAndServe(ctx)
}

// demo replaces the API with a simulated account inside the process.
func demo(s *cli.Settings) {
	s.Collector.API.URL = &url.URL{Scheme: "https", Host: "simulator"}
	s.Collector.API.Transport = simulator.Demo(simulator.Options{Seed: 1}).Client().Transport
	s.Key = apiclient.KeySource{Value: "demo"}
}
