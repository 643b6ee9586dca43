// Command compare serves one batch list to this exporter, to json_exporter and to a plain script, has them scraped in
// turn, and prints as Markdown tables what a scrape costs each. It needs Linux, for costs are read from /proc.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	exporter, jsonExporter, config, python, script string

	rounds   int           // scrapes of each that count, at most
	perTable time.Duration // no round of a table begins later
	only     string        // the table wanted; "": all
}

// limit is the longest that all of it may take.
const limit = 5 * time.Minute

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&s.exporter, "exporter", "./magpipe_exporter", "the `binary` of this exporter")
	flags.StringVar(&s.jsonExporter, "json-exporter", "dist/json_exporter", "the `binary` of json_exporter")
	flags.StringVar(&s.config, "json-exporter-config", "tools/compare/json_exporter/config.yml", "its configuration `file`")
	flags.StringVar(&s.python, "python", "python3", "the `binary` that runs the script")
	flags.StringVar(&s.script, "script", "tools/compare/script.py", "the script's `file`")
	flags.IntVar(&s.rounds, "rounds", 30, "scrapes of each that count, at most")
	flags.DurationVar(&s.perTable, "per-table", 40*time.Second, "no round of a table begins later")
	flags.StringVar(&s.only, "only", "", "one table: 50, 500, 1000, gets or memory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, n := range []int{50, 500, 1000} {
		if s.wants(fmt.Sprint(n)) {
			if err := s.list(ctx, out, n); err != nil {
				return err
			}
		}
	}
	if s.wants("gets") {
		if err := s.gets(ctx, out); err != nil {
			return err
		}
	}
	if s.wants("memory") {
		return s.memory(ctx, out)
	}
	return nil
}

func (s *settings) wants(table string) bool { return slices.Contains([]string{"", table}, s.only) }
