package collector_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// TestEachFaultOfEachActionIsSurvived makes the requests for one target fail,
// with every fault, before a first success and after one.
func TestEachFaultOfEachActionIsSurvived(t *testing.T) {
	faults, cells := everyFault(realErrors(t)), 0
	for i := range faults {
		f := &faults[i]
		cells += 2 * len(targets())
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, of := range targets() {
				t.Run(of.action+" before a first success", func(t *testing.T) {
					inTrial(t, f, of, func(tr *trial) {
						tr.failFromTheStart()
						tr.checkBytesRead()
					})
				})
				t.Run(of.action+" after a first success", func(t *testing.T) {
					inTrial(t, f, of, (*trial).failAfterAFirstSuccess)
				})
			}
		})
	}
	if want := 37 * 3 * 2; cells != want { // as docs/reliability.md says
		t.Errorf("%d cells, want %d", cells, want)
	}
}

// target is what requests fail for.
type target struct {
	action, id string
	sample     string   // a line of the page that comes from its answer alone
	others     []string // lines that do not
	ready      bool     // the exporter gets ready without its answer
}

// lines are those that show that everything was read.
func (t *target) lines() []string { return slices.Concat(t.others, []string{t.sample}) }

// targets are one of each action, in the account of a trial.
func targets() []target {
	const (
		up     = `magpipe_up 1`
		batchA = `magpipe_batch_attempted_recipients{batch_id="a"} 4`
		batchB = `magpipe_batch_attempted_recipients{batch_id="b"} 4`
		runS   = `magpipe_batch_status{batch_id="s-run",status="paused"} 1`
		runT   = `magpipe_batch_status{batch_id="t-run",status="paused"} 1`
	)
	return []target{
		{action: "list", sample: `magpipe_batches{status="running"} 2`},
		{action: "list_runs", id: "s", sample: runS, others: []string{up, batchA, batchB, runT}, ready: true},
		{action: "get", id: "a", sample: batchA, others: []string{up, batchB, runS, runT, `magpipe_batch_target_recipients{batch_id="a"} 6`}, ready: true},
	}
}

// trial is a world in which the requests for a target fail. Two batches, a and b,
// are running; each of two recurring ones, s and t, has a paused run.
type trial struct {
	*world
	target
	fault   *fault
	network *network
	began   time.Time
	scrapes int
}

func inTrial(t *testing.T, f *fault, of target, test func(*trial)) {
	t.Helper()
	tr := &trial{target: of, fault: f}
	inWorld(t, func(a *simulator.Account) {
		reminders(a, "a")
		reminders(a, "b")
		for _, id := range []string{"s", "t"} {
			a.Add(simulator.Campaign{ID: id, Recurrence: "daily", Recipients: 1})
			a.Add(simulator.Campaign{ID: id + "-run", Parent: id, Status: "paused", Recipients: 1})
		}
	}, func(w *world) {
		tr.world, tr.began = w, time.Now()
		test(tr)
		w.collector.Close()
		tr.network.close(w)
	}, withoutLimits, withTransport(func(a *simulator.Account) http.RoundTripper {
		tr.network = newNetwork(a)
		return tr.network
	}))
}

func (t *trial) failFromTheStart() {
	t.network.fail(t.fault, t.action, t.id)
	page := t.scrape()
	t.has(page, "!"+t.sample)
	if t.fault.pause == 0 { // otherwise, requests that were not sent yet wait for its end
		t.has(page, t.others...)
	}
	if status, _ := t.get("/-/ready"); (status == http.StatusOK) != t.ready {
		t.Errorf("ready answers %d", status)
	}
	if t.action == "list" {
		t.has(page, "magpipe_up 0", "!magpipe_batch")
	}
	t.sleepUntil(20 * time.Second) // a request that hangs has timed out
	t.scrape()
	t.sleepUntil(40*time.Second + time.Nanosecond)
	t.checkCounters()
	t.endFault()
	if status, _ := t.get("/-/ready"); status != http.StatusOK {
		t.Errorf("ready answers %d in the end", status)
	}
}

func (t *trial) failAfterAFirstSuccess() {
	const staleness = 5 * time.Minute
	all := t.lines()
	t.has(t.scrape(), all...)
	t.network.fail(t.fault, t.action, t.id)
	for since := scrapeInterval; since < staleness; since += time.Minute {
		t.sleepUntil(since)
		began := time.Now()
		page := t.scrape()
		t.has(page, all...)
		if t.fault.pause == 0 {
			t.has(page, refreshedAt("b", began)) // others are still read
		}
	}
	t.sleepUntil(staleness - time.Second)
	t.has(t.page(), all...)
	t.sleepUntil(staleness)
	page := t.page()
	t.has(page, "!"+t.sample)
	t.has(page, t.others...)
	if t.action == "list" {
		t.has(page, "magpipe_up 0", "!magpipe_batch")
	}
	t.checkCounters()
	t.endFault()
	t.checkCounters()
}

// scrape returns the page that the exporter serves. Only a request that times out
// may delay it, until the scrape's deadline.
func (t *trial) scrape() string {
	t.Helper()
	began := time.Now()
	t.scrapes++
	status, body := t.get("/metrics")
	if took := time.Since(began); status != http.StatusOK || took > scrapeTimeout || took > 0 && !t.fault.timesOut {
		t.Errorf("the page is answered with %d after %v", status, took)
	}
	return body
}

// sleepUntil sleeps until some time after the beginning of the trial.
func (t *trial) sleepUntil(d time.Duration) { time.Sleep(time.Until(t.began.Add(d))) }

// endFault ends the fault. Everything must be shown again by the next refresh
// that may send requests.
func (t *trial) endFault() {
	t.Helper()
	t.network.mend()
	for waited := time.Duration(0); ; waited += scrapeInterval {
		time.Sleep(scrapeInterval)
		began := time.Now()
		page := t.scrape()
		soon := !t.fault.timesOut && t.fault.pause == 0
		if shows(page, t.sample) || soon || waited > max(t.fault.pause, 20*time.Second) {
			t.has(page, slices.Concat(t.lines(), []string{"magpipe_up 1", refreshedAt("a", began), refreshedAt("b", began)})...)
			return
		}
	}
}

// refreshedAt returns the line that shows when a batch was read.
func refreshedAt(batch string, at time.Time) string {
	return fmt.Sprintf(`magpipe_batch_refreshed_timestamp_seconds{batch_id=%q} %v`, batch, float64(at.UnixMicro())/1e6)
}

// checkCounters fails unless the page counts the requests that failed, for the
// fault's reason alone. No request may be wasted: at most one a scrape may fail,
// each takes as long as the fault says, and none is sent in a pause.
func (t *trial) checkCounters() {
	t.Helper()
	failed, lastFailed, took := 0, time.Time{}, time.Duration(0)
	if t.fault.timesOut {
		took = 20 * time.Second
	}
	for _, sent := range t.network.requests() {
		if since := sent.at.Sub(lastFailed); !lastFailed.IsZero() && since > 0 && since < t.fault.pause {
			t.Errorf("%s was sent %v into a pause of %v", sent.action, since, t.fault.pause)
		}
		if !sent.failed {
			continue
		}
		lastFailed = sent.at
		if sent.took < 0 {
			continue // under way
		}
		if sent.took != took {
			t.Errorf("a request took %v, want %v", sent.took, took)
		}
		failed++
	}
	if failed == 0 || failed > t.scrapes {
		t.Errorf("%d requests failed in %d scrapes", failed, t.scrapes)
	}
	want := fmt.Sprintf(`magpipe_exporter_api_request_failures_total{action=%q,reason=%q} %d`, t.action, t.fault.reason, failed)
	page := t.page()
	t.has(page, want)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "magpipe_exporter_api_request_failures_total{") && !strings.HasSuffix(line, " 0\n") && line != want+"\n" {
			t.Errorf("also counted: %s", line)
		}
	}
}

// checkBytesRead fails unless as much was read of the first answer that failed as
// the fault says.
func (t *trial) checkBytesRead() {
	t.Helper()
	for _, sent := range t.network.requests() {
		if sent.failed {
			if want := t.fault.read; want != 0 && sent.read != want {
				t.Errorf("%d bytes were read, want %d", sent.read, want)
			}
			return
		}
	}
}
