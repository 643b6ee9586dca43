package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// program is one of the compared programs, with its measurements.
type program struct {
	name     string
	command  []string
	path     string // of its metrics
	encoding string // that scrapes accept

	process  *process.Process
	samples  map[string]float64 // of batches, read before the first round
	scrapes  int
	cpu      []time.Duration // of each scrape after the warm-up
	wall     []time.Duration // likewise
	spent    time.Duration   // CPU time until the end of the last scrape
	requests int64           // caused by the last scrape
	peak     int             // resident memory in bytes
}

// jsonExporter returns json_exporter with one module of its configuration.
func jsonExporter(name, apiURL, module string) *program {
	path := "/probe?module=" + module + "&target=" + url.QueryEscape(apiURL)
	return &program{name: name, path: path, encoding: "gzip", command: []string{
		"dist/json_exporter", "--web.listen-address=127.0.0.1:0", "--config.file=tools/compare/json_exporter/config.yml",
	}}
}

func script(name, apiURL string) *program {
	return &program{name: name, path: "/metrics", encoding: "gzip", command: []string{"python3", "tools/compare/script.py", apiURL}}
}

// exporter returns this exporter with a budget that it never exhausts.
func exporter(name, apiURL string, minRefresh time.Duration) *program {
	return &program{name: name, path: "/metrics", encoding: "gzip", command: []string{
		"./magpipe_exporter", "--web.listen-address=127.0.0.1:0", "--api.url=" + apiURL,
		"--collector.min-refresh=" + minRefresh.String(), "--collector.finished-retention=24h", "--collector.max-batches=1000",
		"--api.page-size=1000", "--api.requests-per-minute=1000000", "--api.requests-per-hour=10000000",
	}}
}

// start starts the program and reads its samples. Its environment is bare, because GOGC or MAGPIPE_ variables would
// change the results.
func (p *program) start(ctx context.Context) (err error) {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // the commands are those above
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "MAGPIPE_API_KEY=" + madeUpKey}
	if p.process, err = process.Start(cmd); err != nil {
		return err
	}
	page, err := p.scrape(ctx, "identity")
	if err != nil {
		return err
	}
	if p.samples = batchSamples(page); len(p.samples) == 0 {
		return errors.New("it serves no batch")
	}
	return nil
}

// warmUp is the number of scrapes before measuring starts. After them, the exporter knows where the list ends.
const warmUp = 2

// measure scrapes once. CPU time counts from the end of the previous scrape, so that a late garbage collection is
// included. It fails if the program logs a warning or an error, because its costs would mean nothing.
func (p *program) measure(ctx context.Context, requests *atomic.Int64) error {
	before, began := requests.Load(), time.Now()
	if _, err := p.scrape(ctx, p.encoding); err != nil {
		return err
	}
	wall := time.Since(began)
	spent, err := cpuTime(p.process.ID())
	if err != nil {
		return err
	}
	if p.scrapes++; p.scrapes > warmUp {
		p.cpu, p.wall = append(p.cpu, spent-p.spent), append(p.wall, wall)
	}
	p.spent, p.requests = spent, requests.Load()-before
	if complaints := p.process.Complaints(); len(complaints) > 0 {
		return fmt.Errorf("it logs %.300s", complaints[0])
	}
	p.peak, err = peakMemory(p.process.ID())
	return err
}

func (p *program) scrape(ctx context.Context, encoding string) (page string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.process.Address+p.path, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	request.Header.Set("Accept-Encoding", encoding) // if set here, the client does not decompress
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w; its log ends with: %s", err, p.process.LogEnd(10))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, body)
	}
	return string(body), err
}

// batchSamples returns the value of each series that has a batch_id. All programs sort labels, so that a series is
// written in the same way by all of them.
func batchSamples(page string) map[string]float64 {
	samples := make(map[string]float64)
	for line := range strings.Lines(page) {
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[end+1:]), 64)
		if err == nil && strings.Contains(line, `batch_id="`) {
			samples[line[:end]] = value
		}
	}
	return samples
}

// shared counts the samples that another program exposes with the same value.
func (p *program) shared(other *program) (n int) {
	for series, value := range p.samples {
		if same, ok := other.samples[series]; ok && same == value {
			n++
		}
	}
	return n
}

// cpuTime returns the CPU time of all threads of a process. It reads schedstat, which has nanoseconds; stat has only ticks.
func cpuTime(pid int) (total time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has no schedstat", pid)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has just ended
		}
		var ran time.Duration
		if _, err := fmt.Sscan(string(stat), &ran); err != nil {
			return 0, fmt.Errorf("%s: %w", thread, err)
		}
		total += ran
	}
	return total, nil
}

// peakMemory returns the peak resident memory of a process in bytes.
func peakMemory(pid int) (bytes int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(peak, &bytes)
	return bytes << 10, err
}
