// Package collector turns what it reads through apiclient into Prometheus
// metrics. What is read next is decided in plan.go and carried out in
// refresh.go; what is known is in store.go; scrapes are answered from a snapshot
// of it, through the catalogue in metrics.go.
//
//	answer → apiclient.Batch, Recipient → store → snapshot → sample
package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
)

// Config is what New needs. The numbers mean what they say, 0 too.
type Config struct {
	API               apiclient.Config // Observe is set by New; a nil Budget is half of what the API documents
	MinRefresh        time.Duration    // data younger than this is not read again
	MaxStaleness      time.Duration    // data whose reads keep failing is dropped this long after its last good read
	FinishedRetention time.Duration    // how long a finished batch keeps its series
	MaxBatches        int              // batches with series of their own, at most
	BatchNames        bool             // put names on magpipe_batch_info
	WindowZone        *time.Location   // in which the service compares call windows; nil: UTC
	Logger            log.Logger       // nil: none
}

// Collector exposes one account. It is safe for concurrent use.
type Collector struct {
	cfg       Config
	client    *apiclient.Client
	catalogue *catalogue
	counters  *counters

	ctx      context.Context // of every request: they belong to the process, not to a scrape
	stop     context.CancelFunc
	requests sync.WaitGroup // in flight

	mu       sync.Mutex // guards all below; nothing is called back under it
	closed   bool
	store    *store
	refresh  refresh
	snapshot *snapshot // nil: none yet
}

// New makes a collector, which reads nothing before the first Refresh. Close it.
func New(cfg Config) *Collector {
	if cfg.Logger == nil {
		cfg.Logger = log.NewNopLogger()
	}
	if cfg.WindowZone == nil {
		cfg.WindowZone = time.UTC
	}
	if cfg.API.Budget == nil {
		cfg.API.Budget = apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500})
	}
	if cfg.API.Concurrency <= 0 {
		cfg.API.Concurrency = 8
	}
	c := &Collector{cfg: cfg, catalogue: newCatalogue(cfg.BatchNames)}
	c.counters = newCounters(c.catalogue)
	c.cfg.API.Observe = c.observe
	c.client = apiclient.New(c.cfg.API)
	c.store = newStore(&c.cfg, c.client, c.counters)
	c.refresh = refresh{c: c, inFlight: map[request]*flight{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends the requests in flight, waits for them, and lets no other begin.
func (c *Collector) Close() {
	c.stop()
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, w := range c.refresh.waiters {
			close(w.done)
		}
	}
	c.mu.Unlock()
	c.requests.Wait()
	c.client.Close()
}

// observe takes in what each request tells besides its answer.
func (c *Collector) observe(e apiclient.Exchange) {
	c.counters.exchanged(e)
	if !e.Date.IsZero() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.store.clock.observe(e.Date, e.DateAt)
	}
}

// Ready returns nil once a batch list has been read, and until then why it has not.
func (c *Collector) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch list := &c.store.listings.all; {
	case !list.goodAt.IsZero():
		return nil
	case list.failure != nil:
		return fmt.Errorf("no batch list has been read yet: %w", list.failure)
	}
	return errors.New("no batch list has been read yet: the first read is under way")
}

// ListFailure returns why the batch list could not be read, or nil if it could.
func (c *Collector) ListFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.listings.failure()
}

// Unread returns how many running batches with series of their own have not
// been read yet: there was no budget, or their reads failed.
func (c *Collector) Unread() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.store.tracked(time.Now()) {
		if b.row.Status == apiclient.BatchRunning && b.stats == nil {
			n++
		}
	}
	return n
}

// Describe sends the descriptor of every metric in the catalogue.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.catalogue.metrics {
		ch <- c.catalogue.metrics[i].desc
	}
}

// Collect sends what is known now. It sends no request and waits for none:
// Refresh does, before the scrape.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	families, err := c.Gather()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.catalogue.metrics[0].desc, err)
	}
	for _, family := range families {
		desc := c.catalogue.row(family.GetName()).desc
		for _, metric := range family.Metric {
			ch <- sample{desc, metric}
		}
	}
}

// sample is a prometheus.Metric that was made before.
type sample struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

// Desc returns the descriptor of the sample's metric.
func (s sample) Desc() *prometheus.Desc { return s.desc }

// Write copies the sample; it never fails.
func (s sample) Write(out *dto.Metric) error {
	out.Label, out.Gauge, out.Counter, out.Histogram = s.metric.Label, s.metric.Gauge, s.metric.Counter, s.metric.Histogram
	return nil
}
