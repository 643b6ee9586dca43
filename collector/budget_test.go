package collector

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// cell is one point of the grid: who scrapes how often, and what the account holds.
type cell struct {
	scrapers int // evenly out of phase
	interval time.Duration
	running  int
	batches  int // in all
	pageCap  int // rows that the server puts on a page at most
	hours    int
}

func (c cell) name() string {
	return fmt.Sprintf("every %v %d of %d cap %d %d h", c.interval, c.running, c.batches, c.pageCap, c.hours)
}

func (c cell) String() string { return fmt.Sprintf("%s, %d scrapers", c.name(), c.scrapers) }

// measured is what one cell gave.
type measured struct {
	requests    []simulator.Request
	perHour     float64
	ages        []time.Duration // of running batches' recipients, at each scrape after the first round
	down        int             // scrapes with magpipe_up 0
	waiting     int             // scrapes at which work had to wait for budget
	scrapes     int
	first, last time.Time
	settled     bool // each running batch was read
}

var gridLimits = apiclient.Limits{PerMinute: 50, PerHour: 500}

const gridMinRefresh = 10 * time.Second

// price is what one round of reads costs, in requests: the list, by its status
// filter where a full walk takes more than a longWalk of pages, and each running batch.
func (c cell) price() int {
	pages := (c.batches + min(c.pageCap, 500) - 1) / min(c.pageCap, 500)
	if pages > longWalk {
		pages = max(1, (c.running+min(c.pageCap, 500)-1)/min(c.pageCap, 500))
	}
	return pages + c.running
}

func (c cell) walks() bool { return c.batches > longWalk*min(c.pageCap, 500) }

// bound is how old a running batch's recipients may be.
func (c cell) bound() time.Duration {
	return max(gridMinRefresh+c.interval, timeFor(float64(c.price()), apiclient.NewBudget(gridLimits).Refill()))
}

// run plays one cell on a fake clock.
func (c cell) run(t *testing.T) (m measured) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{Seed: 1, PageCap: c.pageCap})
		for i := range c.batches {
			status := "completed"
			if i%(c.batches/max(1, c.running)) == 0 && i/(c.batches/max(1, c.running)) < c.running {
				status = "running"
			}
			account.Add(simulator.Campaign{
				ID: fmt.Sprintf("%08d", i), Status: status, Recipients: 2, CreatedAt: time.Now().Add(time.Duration(i-c.batches) * time.Minute),
			})
		}
		time.Sleep(2 * time.Hour)
		collector := newTestCollector(t, account, gridLimits)
		defer collector.Close()
		m.first = time.Now()
		step := c.interval / time.Duration(c.scrapers)
		for time.Since(m.first) < time.Duration(c.hours)*time.Hour {
			collector.Refresh(t.Context())
			m.see(collector)
			time.Sleep(step)
		}
		m.last = time.Now()
		m.requests = account.Requests()
	})
	m.perHour = float64(len(m.requests)) / m.last.Sub(m.first).Hours()
	slices.Sort(m.ages)
	return m
}

// see notes what a page would show now.
func (m *measured) see(c *Collector) {
	m.scrapes++
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.store.listings.up() {
		m.down++
	}
	if c.cfg.API.Budget.Remaining() == 0 {
		m.waiting++
	}
	var ages []time.Duration
	unread := false
	for _, b := range c.store.tracked(now) {
		switch {
		case b.row.Status != apiclient.BatchRunning:
		case b.stats == nil:
			unread = true
		default:
			ages = append(ages, now.Sub(b.stats.readAt))
		}
	}
	if m.settled {
		m.ages = append(m.ages, ages...)
	}
	m.settled = m.settled || !unread
}

func (m *measured) age(q float64) time.Duration {
	if len(m.ages) == 0 {
		return 0
	}
	return m.ages[min(len(m.ages)-1, int(q*float64(len(m.ages))))]
}

// most is the largest number of requests in any window of a length.
func (m *measured) most(window time.Duration) int {
	most, from := 0, 0
	for i, r := range m.requests {
		for r.At.Sub(m.requests[from].At) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func newTestCollector(t *testing.T, account *simulator.Account, limits apiclient.Limits) *Collector {
	t.Helper()
	url, err := apiclient.ParseURL("https://magpipe.example", false)
	if err != nil {
		t.Fatal(err)
	}
	key, err := apiclient.KeySource{Value: "mgp_test"}.Open()
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		API: apiclient.Config{
			URL: url, Key: key, Budget: apiclient.NewBudget(limits), Transport: account.Client().Transport,
		},
		MinRefresh: gridMinRefresh, MaxStaleness: 5 * time.Minute, FinishedRetention: time.Hour, MaxBatches: 500,
	})
}
