package acceptance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// Far below the limits in deploy/ on any machine.
const residentMegabytes = 96

// footprint is the number of series of an account according to docs/scaling.md.
type footprint struct {
	account, batch int         // of a batch: running, with calls that ended and calls under way
	series, whole  map[int]int // by running batches; whole is with those of Go and the process
	thousand       int         // of a thousand accounts with ten running batches each
}

func footprintInDocs(t *testing.T) footprint {
	t.Helper()
	page := strings.Join(strings.Fields(readFile(t, "docs/scaling.md")), " ")
	number := func(digits string) int {
		n, err := strconv.Atoi(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	told := footprint{series: map[int]int{}, whole: map[int]int{}}
	for _, row := range regexp.MustCompile(`\| (\d+) \| (\d+) \| (\d+) \| \d+ MB \|`).FindAllStringSubmatch(page, -1) {
		told.series[number(row[1])], told.whole[number(row[1])] = number(row[2]), number(row[3])
	}
	sum := regexp.MustCompile(`That is (\d+) series, plus (\d+) for each running batch;(?s:.*) come to ([\d ]+) series,`).FindStringSubmatch(page)
	if len(told.series) == 0 || sum == nil {
		t.Fatal("docs/scaling.md does not say what an account costs")
	}
	told.account, told.batch, told.thousand = number(sum[1]), number(sum[2]), number(sum[3])
	return told
}

func TestFiguresOfAnAccountsSeriesAgree(t *testing.T) {
	t.Parallel()
	told := footprintInDocs(t)
	ofGo := told.whole[10] - told.series[10]
	for running, series := range told.series {
		if want := told.account + told.batch*running; series != want || told.whole[running] != want+ofGo {
			t.Errorf("%d running batches have %d series and %d with those of Go, want %d and %d", running, series, told.whole[running], want, want+ofGo)
		}
	}
	if want := 1000 * told.whole[10]; told.thousand != want {
		t.Errorf("a thousand accounts have %d series, want %d", told.thousand, want)
	}
}

func TestWhatAnAccountCostsInSeriesAndMemory(t *testing.T) {
	t.Parallel()
	told := footprintInDocs(t)
	for running, want := range told.series {
		t.Run(fmt.Sprintf("%d running batches", running), func(t *testing.T) {
			t.Parallel()
			account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
			for i := range running {
				now := time.Now()
				id := account.Add(simulator.Campaign{Name: fmt.Sprintf("Campaign %d", i), Recipients: 500, CreatedAt: now.Add(-time.Duration(i) * time.Minute), StartedAt: now.Add(-time.Minute)})
				account.SetRecipient(id, 0, simulator.Recipient{Status: "completed", AttemptedAt: now.Add(-time.Minute), CompletedAt: now})
				account.SetRecipient(id, 1, simulator.Recipient{Status: "calling", AttemptedAt: now})
			}
			p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--api.url="+serveAPI(t, account.ServeHTTP),
				"--api.requests-per-minute=100000", "--api.requests-per-hour=1000000", "--collector.min-refresh=0s")
			var page map[string]float64
			for range 10 {
				page = samplesOf(get(t, p.url+"/metrics").body)
			}
			series := 0
			for name := range page {
				if strings.HasPrefix(name, "magpipe_") { // how many go_ and process_ there are is Go's business
					series++
				}
			}
			megabytes := page["process_resident_memory_bytes"] / 1e6
			t.Logf("%3d running: %5d series, %d with those of Go, %.1f MB resident", running, series, len(page), megabytes)
			if series != want {
				t.Errorf("%d series, docs/scaling.md has %d: correct its table, and the %d + %d × %d below it", series, want, told.account, told.batch, running)
			}
			if megabytes > residentMegabytes {
				t.Errorf("%.1f MB are resident, want at most %d", megabytes, residentMegabytes)
			}
		})
	}
}
