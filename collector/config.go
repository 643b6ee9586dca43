package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"

	"magpipe_exporter/apiclient"
)

// Config is what New needs. The numbers mean what they say, 0 too.
type Config struct {
	API               apiclient.Config // Observe is set by New
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
	cfg    Config
	client *apiclient.Client
	rows   *catalogue
	inst   *instruments

	ctx  context.Context // of every refresh: they belong to the process, not to a scrape
	stop context.CancelFunc

	mu      sync.Mutex
	account *account
	built   *snapshot
	running *round // the refresh under way; nil between two
	closed  bool
}

// New makes a collector, which reads nothing before the first Refresh. Close it.
func New(cfg Config) *Collector {
	if cfg.Logger == nil {
		cfg.Logger = log.NewNopLogger()
	}
	if cfg.WindowZone == nil {
		cfg.WindowZone = time.UTC
	}
	if cfg.API.Concurrency <= 0 {
		cfg.API.Concurrency = 8
	}
	c := &Collector{cfg: cfg, rows: newCatalogue(cfg.BatchNames)}
	c.inst = newInstruments(c.rows)
	c.account = newAccount(&c.cfg, c.inst)
	c.cfg.API.Observe = c.observe
	c.client = apiclient.New(c.cfg.API)
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends the refresh under way, waits for it, and lets no other begin.
func (c *Collector) Close() {
	c.stop()
	c.mu.Lock()
	c.closed = true
	running := c.running
	c.mu.Unlock()
	if running != nil {
		<-running.done
	}
	c.client.Close()
}

func (c *Collector) observe(e apiclient.Exchange) {
	c.inst.exchanged(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account.meet(e)
}

// Ready is nil once a batch list has been read, and tells until then why it has not.
func (c *Collector) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch list := &c.account.list; {
	case !list.goodAt.IsZero():
		return nil
	case list.failure != nil:
		return fmt.Errorf("no batch list has been read yet: %w", list.failure)
	}
	return errors.New("no batch list has been read yet: the first read is under way")
}

// ListFailure is why the last attempt to read a batch list failed; nil if it did not.
func (c *Collector) ListFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account.list.failure
}

// snapshot is what is known now; it is built anew only where something is.
func (c *Collector) snapshot() *snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.built == nil || c.built.version != c.account.version {
		c.built = c.account.build(c.rows)
	}
	return c.built
}
