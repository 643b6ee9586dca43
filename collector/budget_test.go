package collector_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

var soak = flag.String("soak", "", "file for a table of the whole grid of TestTheBudgetIsHeldAndDataIsFresh, which then runs whole")

// TestTheBudgetIsHeldAndDataIsFresh plays each cell with several scrapers,
// against an account with the documented limits.
func TestTheBudgetIsHeldAndDataIsFresh(t *testing.T) {
	rows, scrapers := make(chan string, 1000), []int{1, 4}
	if *soak != "" {
		scrapers = []int{1, 2, 4}
	}
	t.Run("grid", func(t *testing.T) {
		for _, c := range grid() {
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				alone := 0.
				for _, c.scrapers = range scrapers {
					m := c.measure(t)
					if c.scrapers == 1 {
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

// cell is one point of the grid: how often scrapers come, and what the account
// holds.
type cell struct {
	interval time.Duration // of each scraper
	running  int
	batches  int // in all
	pageCap  int // rows that the server puts on a page at most
	hours    int
	scrapers int // evenly out of phase
}

func (c cell) name() string {
	return fmt.Sprintf("every %v %d of %d cap %d %d h", c.interval, c.running, c.batches, c.pageCap, c.hours)
}

func (c cell) String() string { return fmt.Sprintf("%s, %d scrapers", c.name(), c.scrapers) }

// grid returns every cell, or without -soak those that are quick to play and
// differ most: sufficient and insufficient budgets, short and long walks.
func grid() (cells []cell) {
	if *soak == "" {
		return []cell{
			{interval: 60 * time.Second, running: 0, batches: 10, pageCap: 1000, hours: 2},
			{interval: 60 * time.Second, running: 5, batches: 20, pageCap: 1000, hours: 2},
			{interval: 15 * time.Second, running: 20, batches: 40, pageCap: 20, hours: 2},
			{interval: 60 * time.Second, running: 50, batches: 150, pageCap: 25, hours: 2},
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

// pages returns the number of pages in a walk of all batches.
func (c cell) pages() int { return pagesOf(c.batches, c.pageCap) }

func pagesOf(batches, pageCap int) int {
	rows := min(pageCap, 500) // as many as are asked for
	return (batches + rows - 1) / rows
}

// longWalk reports whether the list is kept up to date by the filter of running
// batches, because a walk of all batches has more than two pages.
func (c cell) longWalk() bool { return c.pages() > 2 }

// round returns the number of requests needed to read everything once.
func (c cell) round() int {
	if c.longWalk() {
		return max(1, pagesOf(c.running, c.pageCap)) + c.running
	}
	return c.pages() + c.running
}

// oldest returns how old the recipients of a running batch that shows no change
// may be. All batches in the grid are such: they are read in turn, with the part
// of the budget that one list a minute and a long walk leave.
func (c cell) oldest() time.Duration {
	refill := apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500}).Refill()
	lists := float64(c.round()-c.running) / 60
	if c.longWalk() {
		lists += refill / 4
	}
	return max(10*time.Second+c.interval, time.Duration(float64(c.running)/(refill-lists)*float64(time.Second)))
}

// measurement is the result of playing a cell.
type measurement struct {
	requests []simulator.Request
	scrapes  []time.Time
	down     int             // scrapes when the list could not be read
	spent    int             // scrapes after which the budget was spent
	perHour  float64         // requests
	ages     []time.Duration // of the recipients of running batches at each scrape, sorted
}

// measure plays a cell.
func (c cell) measure(t *testing.T) (m measurement) {
	t.Helper()
	inWorld(t, func(a *simulator.Account) {
		for i := range c.batches {
			created := time.Now().Add(time.Duration(i-c.batches) * time.Minute)
			b := simulator.Campaign{ID: fmt.Sprintf("%08d", i), Recipients: 2, CreatedAt: created}
			if every := c.batches / max(1, c.running); i%every != 0 || i/every >= c.running {
				b.Status, b.StartedAt, b.CompletedAt = "completed", created, created.Add(time.Second)
			}
			a.Add(b)
		}
	}, func(w *world) {
		began := time.Now()
		for time.Since(began) < time.Duration(c.hours)*time.Hour {
			w.collector.Refresh(w.Context())
			m.scrapes = append(m.scrapes, time.Now())
			if w.collector.ListFailure() != nil {
				m.down++
			}
			if w.budget.Remaining() == 0 {
				m.spent++
			}
			time.Sleep(c.interval / time.Duration(c.scrapers))
		}
		m.requests = w.account.Requests()
		m.perHour = float64(len(m.requests)) / time.Since(began).Hours()
		for batch, read := range m.read(c.running) {
			w.has(w.page(), refreshedAt(batch, read))
		}
	}, withPageCap(c.pageCap), withoutLog)
	return m
}

// read computes when the batches were last read, and how old their recipients
// were at each scrape, once all had been read.
func (m *measurement) read(running int) (last map[string]time.Time) {
	last = map[string]time.Time{}
	rest := m.requests
	for _, scrape := range m.scrapes {
		for ; len(rest) > 0 && !rest[0].At.After(scrape); rest = rest[1:] {
			if r := rest[0]; r.Action == "get" && r.Status == http.StatusOK {
				last[r.BatchID] = r.At
			}
		}
		if len(last) < running {
			continue
		}
		for _, read := range last {
			m.ages = append(m.ages, scrape.Sub(read))
		}
	}
	slices.Sort(m.ages)
	return last
}

// age returns a quantile of the ages.
func (m *measurement) age(q float64) time.Duration {
	if len(m.ages) == 0 {
		return 0
	}
	return m.ages[min(len(m.ages)-1, int(q*float64(len(m.ages))))]
}

// ratio returns the 99th percentile of the ages, relative to the oldest allowed.
func (m *measurement) ratio(c cell) float64 { return m.age(0.99).Seconds() / c.oldest().Seconds() }

// most returns the largest number of requests in any window of this length.
func (m *measurement) most(window time.Duration) int {
	most, from := 0, 0
	for i, r := range m.requests {
		for r.At.Sub(m.requests[from].At) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// judge fails the test unless the measurement is within the documented bounds.
// alone is the number of requests per hour with a single scraper.
func (m *measurement) judge(t *testing.T, c cell, alone float64) {
	t.Helper()
	if refused := refusals(m.requests); refused > 0 || m.down > 0 {
		t.Errorf("%v: %d answers 429, magpipe_up 0 on %d pages", c, refused, m.down)
	}
	if minute, hour := m.most(time.Minute), m.most(time.Hour); minute > 50 || hour > 500 {
		t.Errorf("%v: %d requests in a minute, %d in an hour", c, minute, hour)
	}
	refill := apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500}).Refill() * 3600
	switch most := float64(c.round()) * 360; { // each 10 s
	case alone >= 0.95*refill && (m.perHour > 1.05*alone || m.perHour < 0.95*alone):
		t.Errorf("%v: %.0f requests an hour, %.0f with one scraper", c, m.perHour, alone)
	case alone < 0.95*refill && m.perHour > most:
		t.Errorf("%v: %.0f requests an hour, want at most %.0f", c, m.perHour, most)
	}
	if m.spent > len(m.scrapes)/2 && m.perHour < 0.95*refill {
		t.Errorf("%v: %.0f requests an hour though the budget is spent", c, m.perHour)
	}
	allowed := 1.10
	if c.longWalk() {
		allowed = 1.5
	}
	if ratio := m.ratio(c); ratio > allowed {
		t.Errorf("%v: 99 of 100 ages are up to %v, %.2f of the allowed age", c, m.age(0.99), ratio)
	}
	if c.running > 0 && len(m.ages) == 0 {
		t.Errorf("%v: no age was measured", c)
	}
}

// refusals returns the number of requests answered with 429.
func refusals(requests []simulator.Request) (n int) {
	for _, r := range requests {
		if r.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// row returns a line of the table.
func (m *measurement) row(c cell) string {
	return fmt.Sprintf("| %v | %d | %d | %d | %d | %d | %.0f | %.0f s | %.0f s | %.0f s | %.2f |", c.interval, c.running, c.batches, c.pageCap,
		c.hours, c.scrapers, m.perHour, m.age(1).Seconds(), m.age(0.99).Seconds(), c.oldest().Seconds(), m.ratio(c))
}

// TestACrashLoopStaysWithinTheLimitsOfTheAPI restarts the exporter as Kubernetes
// does, after 10 s and then twice as long each time up to 5 min, with two scrapes
// in between.
func TestACrashLoopStaysWithinTheLimitsOfTheAPI(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		for i := range 200 {
			a.Add(simulator.Campaign{ID: fmt.Sprint(i), Recipients: 2, CreatedAt: at(0, 0, i)})
		}
	}, func(w *world) {
		began, starts := time.Now(), 0
		for pause := 10 * time.Second; time.Since(began) < time.Hour; pause = min(2*pause, 5*time.Minute) {
			w.scrape()
			w.scrapeAfter(15 * time.Second)
			w.restart(pause)
			starts++
		}
		requests := w.account.Requests()
		if refused := refusals(requests); refused > 0 || len(requests) > 1000 || starts < 15 {
			t.Errorf("%d starts sent %d requests in an hour, of which %d were refused", starts, len(requests), refused)
		}
		t.Logf("%d starts sent %d requests in an hour", starts, len(requests))
	})
}

func TestWaitingForBudgetDropsNothingAndIsNoFailure(t *testing.T) {
	const batches = 30
	inWorld(t, func(a *simulator.Account) {
		for i := range batches {
			reminders(a, fmt.Sprint("batch-", i))
		}
	}, func(w *world) {
		for range 40 { // ten minutes, in which the budget allows 76 requests
			w.has(w.scrapeAfter(15*time.Second), "magpipe_up 1")
		}
		page := w.page()
		if got := strings.Count(page, "\nmagpipe_batch_attempted_recipients{"); got != batches {
			t.Errorf("%d of %d batches show recipients", got, batches)
		}
		w.has(page, `!magpipe_exporter_api_requests_deferred_total{action="get",reason="budget"} 0`)
	})
}

func TestA429StopsEveryActionUntilRetryAfterHasPassed(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
	}, func(w *world) {
		w.scrape()
		w.account.Inject(simulator.Fault{Action: "list", Status: 429, Header: http.Header{"Retry-After": {"90"}}, Times: 1})
		w.scrapeAfter(15 * time.Second)
		before := len(w.account.Requests())
		for range 5 {
			w.scrapeAfter(15 * time.Second)
		}
		if got := len(w.account.Requests()); got != before {
			t.Errorf("%d requests in the pause", got-before)
		}
		w.has(w.page(), `magpipe_exporter_api_request_failures_total{action="list",reason="rate_limited"} 1`,
			`magpipe_exporter_api_requests_deferred_total{action="list",reason="backoff"} 5`, "magpipe_exporter_api_budget_remaining_requests 0")
		w.has(w.scrapeAfter(15*time.Second), "magpipe_up 1")
	})
}

func TestOnlyTheListIsReadWhileTheRateLimitOfTheAccountIsNearlyReached(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		w.scrape()
		mend := w.account.Inject(simulator.Fault{Header: http.Header{
			"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"7"}, "X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(time.Minute).Unix())},
		}})
		w.scrapeAfter(15 * time.Second) // the answer to list has these headers
		gets := w.requests("get")
		page := w.scrapeAfter(15 * time.Second)
		if got := w.requests("get"); got != gets {
			t.Errorf("%d gets although only 7 requests of 100 remain", got-gets)
		}
		w.has(page, "magpipe_exporter_api_rate_limit_requests 100", "magpipe_exporter_api_rate_limit_remaining_requests 7",
			`magpipe_exporter_api_requests_deferred_total{action="get",reason="budget"} 1`)
		mend()
		w.scrapeAfter(time.Minute) // its reset has passed
		if got := w.requests("get"); got != gets+1 {
			t.Errorf("%d gets after the reset, want 1", got-gets)
		}
	})
}

func TestAHighHourlyLimitIsSpentByOneScraper(t *testing.T) {
	const batches = 20
	for _, perHour := range []int{3000, 6000, 1_000_000} {
		inWorld(t, func(a *simulator.Account) {
			for i := range batches {
				reminders(a, fmt.Sprint("batch-", i))
			}
		}, func(w *world) {
			for range 20 {
				w.scrapeAfter(time.Minute)
			}
			read := w.values("magpipe_batch_refreshed_timestamp_seconds")
			for id, at := range read {
				if age := time.Since(time.Unix(int64(at), 0)); age > time.Minute {
					t.Errorf("100 and %d: %s was read %v ago", perHour, id, age)
				}
			}
			if len(read) != batches {
				t.Errorf("100 and %d: %d of %d batches were read", perHour, len(read), batches)
			}
		}, withLimits(100, perHour))
	}
}

func TestFiftyScrapersCauseTheSameRequestsAsOne(t *testing.T) {
	const rounds = 40 // ten minutes: the budget is spent in the first of them
	requests := map[int]map[string]int{}
	for _, scrapers := range []int{1, 50} {
		requests[scrapers] = map[string]int{}
		inWorld(t, func(a *simulator.Account) {
			for i := range 12 {
				reminders(a, fmt.Sprint("batch", i))
			}
			a.Inject(simulator.Fault{Latency: 300 * time.Millisecond})
		}, func(w *world) {
			for range rounds {
				time.Sleep(15 * time.Second)
				var scrapes sync.WaitGroup
				for range scrapers {
					scrapes.Go(func() { w.collector.Refresh(w.Context()) })
				}
				scrapes.Wait()
			}
			for _, r := range w.account.Requests() {
				requests[scrapers][r.Action]++
			}
		})
	}
	if diff := cmp.Diff(requests[1], requests[50]); diff != "" || requests[1]["get"] < 50 {
		t.Errorf("the requests of one scraper and those of fifty (-one +fifty): %s\n%v", diff, requests[1])
	}
}

func TestThousandsOfBatchesShowNoMoreThanMaxBatches(t *testing.T) {
	const batches, most = 3000, 500
	inWorld(t, func(a *simulator.Account) {
		for i := range batches {
			a.Add(simulator.Campaign{ID: fmt.Sprintf("batch-%04d", i), Name: strings.Repeat("n", 300), Recipients: 20, CreatedAt: at(0, 0, 0).Add(time.Duration(i) * time.Millisecond)})
		}
	}, func(w *world) {
		refreshFor := func(minutes int) {
			for range minutes {
				time.Sleep(time.Minute)
				w.collector.Refresh(w.Context())
			}
		}
		refreshFor(10)
		page := w.page()
		w.has(page, fmt.Sprintf(`magpipe_batches{status="running"} %d`, batches), `magpipe_list_truncated 0`)
		series := map[string]int{}
		for line := range strings.Lines(page) {
			if _, rest, ok := strings.Cut(line, `{batch_id="`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				series[id]++
			}
		}
		if len(series) != most {
			t.Errorf("%d batches have series, want %d", len(series), most)
		}
		for id, n := range series {
			if n > seriesOfABatch || id < fmt.Sprintf("batch-%04d", batches-most) {
				t.Errorf("%s has %d series", id, n)
			}
		}
		if lines := strings.Count(page, "\n"); lines > most*seriesOfABatch+seriesOfAnAccount+200 {
			t.Errorf("the page has %d lines", lines)
		}
		read := map[string]bool{}
		for _, r := range w.account.Requests() {
			if r.Action == "get" {
				read[r.BatchID] = true
			}
		}
		if len(read) == 0 || len(read) > most {
			t.Errorf("%d batches were read, want some and none without series", len(read))
		}
		if got := len(w.account.Requests()); got > 20+600*500/3600+1 {
			t.Errorf("%d requests in ten minutes", got)
		}
		before := heapInUse()
		refreshFor(10)
		w.page()
		if after := heapInUse(); after > before+8<<20 {
			t.Errorf("%d KiB are held after ten minutes more, %d before", after>>10, before>>10)
		}
	}, withConfig(func(c *collector.Config) { c.MaxBatches = most }))
}

// heapInUse returns the bytes in use after a garbage collection.
func heapInUse() uint64 {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	return now.HeapAlloc
}
