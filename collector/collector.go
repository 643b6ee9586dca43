// Package collector turns what it reads through apiclient into Prometheus
// metrics. The file plan.go decides what to read next, and refresh.go reads it;
// store.go holds what is known. Scrapes are answered from a snapshot of the
// store, rendered through the catalogue in metrics.go.
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
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
)

// Config is what New needs. Numbers are taken literally: 0 does not stand for a default.
type Config struct {
	API               apiclient.Config // New sets Observe; a nil Budget means half of the API's documented limits
	MinRefresh        time.Duration    // data younger than this is not read again
	MaxStaleness      time.Duration    // data whose reads keep failing is dropped this long after its last good read
	FinishedRetention time.Duration    // how long a finished batch keeps its series
	MaxBatches        int              // maximum number of batches with their own series
	BatchNames        bool             // put names on magpipe_batch_info
	CallRecords       bool             // read call records, for who answered and how long they talked
	State             *State           // keeps what is known across restarts; nil: nothing does
	WindowZone        *time.Location   // the zone in which the service compares call windows; nil: UTC
	Logger            log.Logger       // nil: no logging
}

// Collector exposes one account. It is safe for concurrent use.
type Collector struct {
	cfg       Config
	client    *apiclient.Client
	catalogue *catalogue
	counters  *counters

	ctx      context.Context // of every request: requests outlive the scrape that caused them
	stop     context.CancelFunc
	requests sync.WaitGroup // requests in flight

	mu           sync.Mutex // guards all fields below; no callback runs while it is held
	closed       bool
	store        *store
	refresh      refresh
	snapshot     *snapshot // nil: none yet
	clocksDiffer bool      // the log says so
}

// New returns a collector, which reads nothing before the first Refresh. The
// caller must Close it.
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
	if c.cfg.State != nil && c.cfg.State.restored != nil {
		c.restore(c.cfg.State.restored)
		c.cfg.State.restored = nil
	}
	c.saveAtStart()
	return c
}

// Close cancels the requests in flight and waits for them to return. No request
// starts afterwards.
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
	c.saveAtEnd()
}

// observe counts a request and feeds its Date header to the clock. It has a
// difference between the clocks logged once, and its end.
func (c *Collector) observe(e apiclient.Exchange) {
	c.counters.exchanged(e)
	if e.Date.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clock := &c.store.clock
	clock.observe(e.Date, e.DateAt)
	if differs := clock.differs(e.DateAt, c.clocksDiffer); differs != c.clocksDiffer {
		c.clocksDiffer = differs
		line := []any{level.Key(), level.InfoValue(), "msg", "the clocks of this host and of the API agree again"}
		if differs {
			line = []any{
				level.Key(), level.WarnValue(), "msg", "the clocks of this host and of the API differ; call windows are judged at the wrong time",
				"api_ahead", clock.ahead(e.DateAt).Round(clockTolerance),
			}
		}
		c.refresh.lines = append(c.refresh.lines, line)
	}
}

// Ready returns nil once a batch list has been read. Until then, its error says
// why none has been read.
func (c *Collector) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch list := &c.store.listings.all; {
	case list.answered:
		return nil
	case list.failure != nil:
		return fmt.Errorf("no batch list has been read yet: %w", list.failure)
	case c.refresh.refused != nil:
		return fmt.Errorf("no batch list has been read yet: %w", c.refresh.refused)
	}
	return errors.New("no batch list has been read yet: the first read is under way")
}

// ListFailure returns why the batch list could not be read, or nil if the last
// read succeeded.
func (c *Collector) ListFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.listings.failure()
}

// Unread returns how many running batches with series of their own have not
// been read yet, for lack of budget or because their reads failed.
func (c *Collector) Unread() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.store.tracked(time.Now()) {
		if b.Row.Status == apiclient.BatchRunning && b.Stats == nil {
			n++
		}
	}
	return n
}

// ListUnderWay reports whether the batch list has not been read to its end yet.
func (c *Collector) ListUnderWay() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := &c.store.listings.all
	return list.walk != nil && list.WholeAt.IsZero()
}

// BudgetSpent reports whether the newest refresh could not read all that was due
// because the request budget was spent.
func (c *Collector) BudgetSpent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Is(c.refresh.refused, apiclient.ErrBudgetSpent)
}

// Describe sends the descriptor of every metric in the catalogue.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.catalogue.metrics {
		ch <- c.catalogue.metrics[i].desc
	}
}

// Collect sends what is known now. It sends no API requests and does not wait
// for any; that is up to Refresh, before the scrape.
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

// sample is a prometheus.Metric whose value is already in a dto.Metric.
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
