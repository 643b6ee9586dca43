package collector

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

var soak = flag.String("soak", "", "file for a table of the whole grid of TestTheBudgetIsHeldAndDataIsFresh, which then runs whole")

// grid is every cell, or without -soak those that are cheap to play and differ
// most: budgets that suffice and that do not, both ways to keep up with the list.
func grid() (cells []cell) {
	if *soak == "" {
		return []cell{
			{interval: 60 * time.Second, running: 0, batches: 50, pageCap: 1000, hours: 6},
			{interval: 30 * time.Second, running: 1, batches: 50, pageCap: 50, hours: 6},
			{interval: 60 * time.Second, running: 5, batches: 50, pageCap: 1000, hours: 6},
			{interval: 15 * time.Second, running: 20, batches: 50, pageCap: 50, hours: 6},
			{interval: 60 * time.Second, running: 20, batches: 500, pageCap: 50, hours: 6},
			{interval: 60 * time.Second, running: 100, batches: 500, pageCap: 50, hours: 6},
		}
	}
	for _, interval := range []time.Duration{15 * time.Second, 30 * time.Second, 60 * time.Second} {
		for _, running := range []int{0, 1, 5, 20, 100, 200} {
			for _, batches := range []int{50, 500, 5000} {
				for _, pageCap := range []int{50, 1000} {
					if running <= batches {
						cells = append(cells, cell{interval: interval, running: running, batches: batches, pageCap: pageCap, hours: 6})
					}
				}
			}
		}
	}
	for _, running := range []int{0, 20, 200} { // a few for a whole day
		cells = append(cells, cell{interval: 15 * time.Second, running: running, batches: 500, pageCap: 50, hours: 24})
	}
	return cells
}

// TestTheBudgetIsHeldAndDataIsFresh plays each cell with 1, 2 and 4 scrapers
// against an account with the documented limits.
func TestTheBudgetIsHeldAndDataIsFresh(t *testing.T) {
	rows := make(chan string, 1000)
	t.Run("grid", func(t *testing.T) {
		for _, c := range grid() {
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				var alone float64
				for _, scrapers := range []int{1, 2, 4} {
					c.scrapers = scrapers
					m := c.run(t)
					if scrapers == 1 {
						alone = m.perHour
					}
					m.judge(t, c, alone)
					rows <- m.row(c)
				}
			})
		}
	})
	close(rows)
	if *soak == "" {
		return
	}
	table, err := os.Create(*soak)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for row := range rows {
		fmt.Fprintln(table, row)
	}
}

// judge holds what was measured against what is promised.
func (m *measured) judge(t *testing.T, c cell, alone float64) {
	t.Helper()
	limits := gridLimits
	refused := 0
	for _, r := range m.requests {
		if r.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused > 0 || m.down > 0 {
		t.Errorf("%v: %d answers 429, magpipe_up 0 on %d pages", c, refused, m.down)
	}
	if minute, hour := m.most(time.Minute), m.most(time.Hour); minute > limits.PerMinute || hour > limits.PerHour {
		t.Errorf("%v: %d requests in a minute, %d in an hour", c, minute, hour)
	}
	spent := apiclient.NewBudget(limits).Refill() * 3600
	switch most := float64(c.price()) * 3600 / gridMinRefresh.Seconds(); {
	case alone >= 0.95*spent && (m.perHour > 1.05*alone || m.perHour < 0.95*alone):
		t.Errorf("%v: %.0f requests an hour, %.0f with one scraper", c, m.perHour, alone)
	case alone < 0.95*spent && m.perHour > most:
		t.Errorf("%v: %.0f requests an hour, want at most %.0f", c, m.perHour, most)
	}
	if m.waiting > m.scrapes/2 && m.perHour < 0.95*spent {
		t.Errorf("%v: %.0f requests an hour though work waits", c, m.perHour)
	}
	allowed := 1.10
	if c.walks() {
		allowed = 1.5
	}
	if ratio := m.ratio(c); ratio > allowed {
		t.Errorf("%v: 99 of 100 ages are up to %v, %.2f of the bound", c, m.age(0.99), ratio)
	}
	if c.running > 0 && len(m.ages) == 0 {
		t.Errorf("%v: no age was measured", c)
	}
}

func (m *measured) ratio(c cell) float64 { return m.age(0.99).Seconds() / c.bound().Seconds() }

// row is a line of the table.
func (m *measured) row(c cell) string {
	return fmt.Sprintf("| %v | %d | %d | %d | %d | %d | %.0f | %.0f s | %.0f s | %.0f s | %.2f |", c.interval, c.running, c.batches, c.pageCap,
		c.hours, c.scrapers, m.perHour, m.age(1).Seconds(), m.age(0.99).Seconds(), c.bound().Seconds(), m.ratio(c))
}
