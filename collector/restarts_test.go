package collector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// erasure is when the state of a batch's recipients was thrown away.
type erasure struct {
	at        time.Time
	recipient string // "" : of all
}

// chronicle is what happened to an account, as far as its own record of calls
// does not tell.
type chronicle struct {
	*world
	random     *rand.Rand
	ids        []string
	recipients map[string][]string // by batch, in order
	erased     map[string][]erasure
	processes  []time.Time // starts of the exporter
	counted    map[string]float64
}

// TestEveryEndingIsCountedUnlessNoReadCouldShowIt plays some ten thousand calls
// with re-runs, retries, cancellations and restarts of the exporter on the
// default budget. From the reads that really happened it works out which
// endings were to be seen, and holds the counters against these exactly.
func TestEveryEndingIsCountedUnlessNoReadCouldShowIt(t *testing.T) {
	var ids []string
	inWorld(t, func(a *simulator.Account) {
		for i := range 20 {
			ids = append(ids, a.Add(simulator.Campaign{
				ID: fmt.Sprint("campaign-", i), Recipients: 60, MaxConcurrency: 3, DialEvery: 20 * time.Second, CallLength: 30 * time.Second,
				CreatedAt: time.Now().Add(50 * time.Minute),
			}))
		}
	}, func(w *world) {
		c := &chronicle{
			world: w, random: rand.New(rand.NewPCG(3, 4)), ids: ids, recipients: map[string][]string{},
			erased: map[string][]erasure{}, processes: []time.Time{time.Now()}, counted: map[string]float64{},
		}
		c.learnRecipients()
		for minute := range 180 {
			c.scrapeFor(time.Minute)
			synctest.Wait()
			c.meddle()
			if minute%40 == 39 {
				c.restart()
			}
		}
		c.collect()
		c.judge()
	})
}

// TestACrashLoopStaysWithinTheLimitsOfTheAPI restarts the exporter as Kubernetes
// does, 10 s after a crash, doubling to 5 min, each time after two scrapes.
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
			w.collector.Close()
			time.Sleep(pause)
			w.start(collector.Config{MinRefresh: 10 * time.Second, MaxBatches: 500}, apiclient.Limits{PerMinute: 50, PerHour: 500})
			starts++
		}
		refused, sent := 0, w.account.Requests()
		for _, r := range sent {
			if r.Status == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused > 0 || len(sent) > 1000 || starts < 15 {
			t.Errorf("%d starts sent %d requests in an hour, %d of them in vain", starts, len(sent), refused)
		}
		t.Logf("%d starts sent %d requests in an hour", starts, len(sent))
	})
}

// ask sends a request of somebody else's: the account's own state, whatever the exporter knows of it.
func (c *chronicle) ask(question string, answer any) {
	c.Helper()
	request, err := http.NewRequestWithContext(c.Context(), http.MethodPost, "https://magpipe.example", strings.NewReader(question))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer other")
	response, err := c.account.Client().Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		c.Fatal(err)
	}
}

// learnRecipients asks for the ids of the recipients, whose order Retry goes by.
func (c *chronicle) learnRecipients() {
	for _, id := range c.ids {
		var answer struct{ Recipients []struct{ ID string } }
		c.ask(`{"action":"get","batch_id":"`+id+`"}`, &answer)
		for _, r := range answer.Recipients {
			c.recipients[id] = append(c.recipients[id], r.ID)
		}
	}
	time.Sleep(time.Second) // what the exporter reads is told apart by its time
}

// meddle does what an impatient user would, to a few batches.
func (c *chronicle) meddle() {
	var list struct{ Batches []struct{ ID, Status string } }
	c.ask(`{"action":"list"}`, &list)
	for _, b := range list.Batches {
		id, over := b.ID, b.Status != "running"
		what := erasure{at: time.Now()}
		switch dice := c.random.IntN(40); {
		case over && dice < 20:
			c.account.Rerun(id)
		case dice == 0:
			c.account.Cancel(id)
			continue
		case dice < 4:
			i := c.random.IntN(len(c.recipients[id]))
			what.recipient = c.recipients[id][i]
			c.account.Retry(id, i)
		default:
			continue
		}
		c.erased[id] = append(c.erased[id], what)
	}
}

// collect adds up what a process counted, at its end.
func (c *chronicle) collect() {
	for outcome, n := range c.finished() {
		c.counted[outcome] += n
	}
}

func (c *chronicle) restart() {
	c.collect()
	c.collector.Close()
	time.Sleep(time.Second)
	c.start(collector.Config{MinRefresh: 10 * time.Second, MaxStaleness: 5 * time.Minute, FinishedRetention: time.Hour, MaxBatches: 500},
		apiclient.Limits{PerMinute: 50, PerHour: 500})
	c.processes = append(c.processes, time.Now())
}

// judge works out, call by call, whether its end was to be seen.
func (c *chronicle) judge() {
	reads := map[string][]time.Time{}
	for _, r := range c.account.Requests() {
		if r.Action == "get" && r.Status == http.StatusOK && r.At.After(c.processes[0]) {
			reads[r.BatchID] = append(reads[r.BatchID], r.At)
		}
	}
	want, lost, endings := map[string]float64{"completed": 0, "failed": 0, "busy": 0, "no_answer": 0}, map[string]int{}, 0
	for _, call := range c.account.Calls() {
		if call.Outcome == "" || call.CompletedAt.Before(c.processes[0]) || call.CompletedAt.After(time.Now()) {
			continue
		}
		endings++
		if why := c.lost(call, reads[call.BatchID]); why != "" {
			lost[why]++
			continue
		}
		want[call.Outcome]++
	}
	delete(c.counted, "")
	if !maps.Equal(want, c.counted) {
		c.Errorf("counted %v, want %v; lost %v of %d", c.counted, want, lost, endings)
	}
	c.Logf("%d endings in %d processes, lost to any reader: %v", endings, len(c.processes), lost)
	if endings < 10_000 || lost["erased before it was read"] == 0 || lost["unread when the process ended"] == 0 {
		c.Errorf("%d endings, lost %v: too tame to tell anything", endings, lost)
	}
}

// lost tells why an ending could not be seen; "" if it could.
func (c *chronicle) lost(call simulator.Call, reads []time.Time) string {
	for _, read := range reads {
		if read.Before(call.CompletedAt) {
			continue
		}
		for _, e := range c.erased[call.BatchID] {
			of := e.recipient == "" || e.recipient == call.RecipientID
			if of && e.at.After(call.AttemptedAt) && e.at.Before(read) {
				return "erased before it was read"
			}
		}
		if c.process(read) > c.process(call.CompletedAt) {
			return "unread when the process ended" // and older than the one that read it
		}
		return ""
	}
	return "unread when the process ended"
}

// process is the number of the process that was running at a time.
func (c *chronicle) process(at time.Time) (n int) {
	for n < len(c.processes) && !at.Before(c.processes[n]) {
		n++
	}
	return n
}
