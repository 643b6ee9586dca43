package fidelity_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/cli"
)

const job = "magpipe"

// world is a simulated account, the exporter that reads it, and the Prometheus server that scrapes the exporter.
type world struct {
	*testing.T
	random     *rand.Rand
	events     []event // in chronological order
	account    *simulator.Account
	ids        map[string]string    // of batches, by name
	exporter   *collector.Collector // nil: it is down
	started    time.Time            // when its process started
	stateFile  string               // "": it has none
	lost       func() bool          // reports whether the present scrape fails, although the exporter is up
	prometheus *prometheus

	// The trouble.
	began, ended time.Time           // zero: not yet
	counted      time.Time           // from when delays count; zero: from began
	inTrouble    map[string]bool     // ids of the batches in trouble
	changed      map[string]campaign // by id: what batches that dial differently were before
	many         []string            // ids of batches that were added by addMany
	removeFault  func()
}

// event is something that happens at a certain time.
type event struct {
	at time.Time
	do func()
}

func newWorld(t *testing.T, o simulator.Options) *world {
	t.Helper()
	return &world{
		T: t, random: rand.New(rand.NewPCG(o.Seed, 0)), account: simulator.New(o), prometheus: newPrometheus(t),
		ids: map[string]string{}, inTrouble: map[string]bool{}, changed: map[string]campaign{},
		lost: func() bool { return false },
	}
}

// at plans an event.
func (w *world) at(t time.Time, do func()) {
	i := len(w.events)
	for i > 0 && w.events[i-1].at.After(t) {
		i--
	}
	w.events = slices.Insert(w.events, i, event{t, do})
}

// every plans an event that is repeated for as long as do returns true.
func (w *world) every(step time.Duration, first time.Time, do func() (again bool)) {
	w.at(first, func() {
		if do() {
			w.every(step, first.Add(step), do)
		}
	})
}

// play lets everything happen until the world ends. The exporter starts at a full minute. It is scraped every 15 seconds,
// and the rules are evaluated once a minute.
func (w *world) play(starts, ends time.Time) {
	w.at(starts, w.start)
	w.every(15*time.Second, starts.Add(5*time.Second), func() bool {
		w.scrape()
		return true
	})
	w.every(time.Minute, starts.Add(10*time.Second), func() bool {
		w.prometheus.evaluate()
		return true
	})
	w.every(2*time.Hour, starts.Add(2*time.Hour), func() bool {
		w.prometheus.forget()
		return true
	})
	for w.events[0].at.Before(ends) {
		next := w.events[0]
		w.events = w.events[1:]
		time.Sleep(time.Until(next.at))
		next.do()
	}
	w.stop()
	if err := w.prometheus.head.Close(); err != nil {
		w.Error(err)
	}
}

// start starts the exporter with its default flags and, if there is one, its state file.
func (w *world) start() {
	settings, err := cli.Parse("magpipe_exporter", nil, io.Discard)
	if err != nil {
		w.Fatal(err)
	}
	config := settings.Collector
	if config.API.Key, err = (apiclient.KeySource{Value: "mgp_test"}).Open(); err != nil {
		w.Fatal(err)
	}
	config.API.Budget = apiclient.NewBudget(settings.Limits)
	config.API.Transport = w.account.Client().Transport
	if w.stateFile != "" {
		if config.State, err = collector.OpenState(w.stateFile, config.API.URL, log.NewNopLogger()); err != nil {
			w.Fatal(err)
		}
	}
	w.exporter, w.started = collector.New(config), time.Now()
	go w.exporter.Refresh(context.WithoutCancel(w.Context())) // the process does so, too
}

// stop stops the exporter, if it is up.
func (w *world) stop() {
	if w.exporter != nil {
		w.exporter.Close()
		w.exporter = nil
	}
}

func (w *world) scrape() {
	var families []*dto.MetricFamily
	at := time.Now()
	if w.exporter != nil && !w.lost() {
		ctx, cancel := context.WithTimeout(w.Context(), 9500*time.Millisecond)
		defer cancel()
		w.exporter.Refresh(ctx)
		var err error
		if families, err = w.exporter.Gather(); err != nil {
			w.Fatal(err)
		}
	}
	w.prometheus.scrape(at, families, w.started)
}

// add adds a batch to the account.
func (w *world) add(c campaign) (id string) {
	w.ids[c.Name] = w.account.Add(c)
	return w.ids[c.Name]
}

// addMany adds similar batches.
func (w *world) addMany(n int, c campaign) {
	for i := range n {
		c.Name = fmt.Sprint("one of many ", i)
		w.many = append(w.many, w.add(c))
	}
}

// forMany does something to all batches that addMany has added.
func (w *world) forMany(do func(id string)) {
	for _, id := range w.many {
		do(id)
	}
}

// running returns the ids of all running batches and runs.
func (w *world) running() (ids []string) {
	for _, b := range w.account.Batches() {
		if b.Status == "running" {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// others sends requests of somebody else who uses the account.
func (w *world) others(requests int) {
	for range requests {
		body := strings.NewReader(`{"action":"list","limit":1}`)
		r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, "https://magpipe.example/batch-calls", body)
		if err != nil {
			w.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer mgp_other")
		response, err := w.account.Client().Do(r)
		if err != nil {
			w.Fatal(err)
		}
		response.Body.Close()
	}
}
