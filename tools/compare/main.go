// Command compare measures what a scrape costs json_exporter, a plain script and this exporter. It serves one account
// to all of them, scrapes them in turn, and prints Markdown tables. Run it at the root of the repository, on Linux.
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

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	only := flags.String("only", "", "print one `table`: 50, 500, 1000, gets or memory")
	perTable := flags.Duration("per-table", 40*time.Second, "start no round of a table later than this")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names := []string{"50", "500", "1000", "gets", "memory"}
	if *only != "" {
		names = []string{*only}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for _, name := range names {
		t := newTable(name)
		if t == nil {
			return fmt.Errorf("unknown table %q", name)
		}
		if err := t.measure(ctx, *perTable); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		t.print(out)
	}
	return nil
}

// table is one table of results, for programs that read the same account.
type table struct {
	title    string
	account  *account
	programs []*program
	ours     *program // every program's samples are compared with its samples
	rounds   int      // measured rounds; measure lowers it if the time is up before
}

// newTable returns nil for an unknown name.
func newTable(name string) *table {
	switch name {
	case "50":
		return compareLists(50)
	case "500":
		return compareLists(500)
	case "1000":
		return compareLists(1000)
	case "gets":
		return compareRecipients()
	case "memory":
		return measureMemory()
	}
	return nil
}

// compareLists has only batches that have ended, so every program needs one request.
func compareLists(batches int) *table {
	a := serve(frozenTurns(batches, 0)...)
	ours := exporter("magpipe_exporter, reading the list", a.URL, 0)
	plain := exporter("magpipe_exporter, ready snapshot, not compressed", a.URL, time.Hour)
	plain.encoding = "identity"
	title := fmt.Sprintf("A page of %d batches that have ended", batches)
	return &table{title: title, account: a, ours: ours, rounds: 30, programs: []*program{
		jsonExporter("json_exporter, as many series", a.URL, "same_series"),
		jsonExporter("json_exporter, four numbers a batch", a.URL, "numbers"),
		script("Python script", a.URL),
		ours,
		exporter("magpipe_exporter, ready snapshot", a.URL, time.Hour),
		plain,
	}}
}

// compareRecipients adds running batches, whose recipients only this exporter reads.
func compareRecipients() *table {
	a := serve(frozenTurns(80, 20)...)
	ours := exporter("magpipe_exporter, list and recipients", a.URL, 0)
	title := fmt.Sprintf("A page of 100 batches, 20 of them running with %d recipients each", recipients)
	return &table{title: title, account: a, ours: ours, rounds: 30, programs: []*program{
		jsonExporter("json_exporter, list only", a.URL, "same_series"),
		script("Python script, list only", a.URL),
		ours,
		exporter("magpipe_exporter, ready snapshot", a.URL, time.Hour),
	}}
}

// measureMemory measures this exporter alone, with all batches calling.
func measureMemory() *table {
	a := serve(calling(200))
	ours := exporter("magpipe_exporter", a.URL, 0)
	title := fmt.Sprintf("200 running batches with %d recipients each", recipients)
	return &table{title: title, account: a, ours: ours, rounds: 100, programs: []*program{ours}}
}

// measure scrapes all programs in turn, until there are enough rounds or the time is up.
func (t *table) measure(ctx context.Context, limit time.Duration) error {
	defer t.close()
	for _, p := range t.programs {
		if err := p.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	began, order := time.Now(), slices.Clone(t.programs)
	for n := range warmUp + t.rounds {
		if n > warmUp && time.Since(began) > limit {
			t.rounds = n - warmUp
			break
		}
		for _, p := range order {
			if err := p.measure(ctx, &t.account.requests); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		t.account.turn.Add(1)
		slices.Reverse(order)
	}
	return nil
}

func (t *table) close() {
	for _, p := range t.programs {
		if p.process != nil {
			p.process.Kill()
		}
	}
	t.account.Close()
}

func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d rounds:\n\n", t.title, t.rounds)
	fmt.Fprintln(out, "| program | requests | series of batches | same as ours | CPU, median | CPU, mean | wall | peak memory | CPU ÷ json_exporter's |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, p := range t.programs {
		share := "–" // json_exporter is not in the table
		if len(t.programs) > 1 {
			share = ratio(median(p.cpu), median(t.programs[0].cpu))
		}
		fmt.Fprintf(out, "| %s | %d | %d | %d | %s | %s | %s | %.1f MB | %s |\n", p.name, p.requests, len(p.samples), p.shared(t.ours),
			milliseconds(median(p.cpu)), milliseconds(mean(p.cpu)), milliseconds(median(p.wall)), float64(p.peak)/1e6, share)
	}
	fmt.Fprintln(out)
}

func median(of []time.Duration) time.Duration {
	sorted, n := slices.Sorted(slices.Values(of)), len(of)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func mean(of []time.Duration) (sum time.Duration) {
	for _, d := range of {
		sum += d
	}
	return sum / time.Duration(len(of))
}

// milliseconds shows two or three digits, because further digits differ between runs.
func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2g ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
}

// ratio shows a small part as a fraction, such as 1/25.
func ratio(part, whole time.Duration) string {
	if part < whole {
		return fmt.Sprintf("1/%.0f", whole.Seconds()/part.Seconds())
	}
	return fmt.Sprintf("%.3g", part.Seconds()/whole.Seconds())
}
