package collector_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// samplesOf returns what an overview says as samples of the metrics that say the
// same, by name and then by label values.
func samplesOf(o *collector.Overview) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	set := func(metric, labels string, value float64) {
		if all[metric] == nil {
			all[metric] = map[string]float64{}
		}
		all[metric][labels] = value
	}
	setTime := func(metric, labels string, t time.Time) {
		if !t.IsZero() {
			set(metric, labels, float64(t.UnixMicro())/1e6)
		}
	}
	setCount := func(metric, labels string, n int64) {
		if n >= 0 {
			set(metric, labels, float64(n))
		}
	}
	zeroOrOne := map[bool]int64{true: 1}
	setCount("magpipe_up", "", zeroOrOne[o.Ready && o.List.Err == nil])
	setTime("magpipe_list_refreshed_timestamp_seconds", "", o.List.ReadAt)
	setCount("magpipe_calls_started_total", "", o.Calls.Started)
	setCount("magpipe_calls_answered_total", "", o.Calls.Answered)
	setCount("magpipe_exporter_api_budget_remaining_requests", "", int64(o.Budget.Remaining))
	for _, c := range o.Counts {
		setCount("magpipe_batches", c.State, int64(c.Batches))
	}
	for i := range o.Batches {
		b := &o.Batches[i]
		setCount("magpipe_batch_info", strings.Join([]string{b.ID, b.Name, b.ParentID, b.Recurrence}, " "), 1)
		setCount("magpipe_batch_target_recipients", b.ID, b.Target)
		setCount("magpipe_batch_recurrence_runs", b.ID, b.Runs)
		setCount("magpipe_batch_recurrence_max_runs", b.ID, b.MaxRuns)
		setTime("magpipe_batch_created_timestamp_seconds", b.ID, b.CreatedAt)
		setTime("magpipe_batch_scheduled_timestamp_seconds", b.ID, b.ScheduledAt)
		setTime("magpipe_batch_started_timestamp_seconds", b.ID, b.StartedAt)
		setTime("magpipe_batch_updated_timestamp_seconds", b.ID, b.UpdatedAt)
		setTime("magpipe_batch_refreshed_timestamp_seconds", b.ID, b.Reads.ReadAt)
		if w := b.Window; w.Known {
			setCount("magpipe_batch_call_window_open", b.ID, zeroOrOne[w.Open])
			setCount("magpipe_batch_call_window_valid", b.ID, zeroOrOne[w.Valid])
			setTime("magpipe_batch_call_window_opened_timestamp_seconds", b.ID, w.Opened)
			setTime("magpipe_batch_call_window_opens_timestamp_seconds", b.ID, w.Opens)
			setTime("magpipe_batch_call_window_closes_timestamp_seconds", b.ID, w.Closes)
		}
		if r := b.Recipients; r != nil {
			setCount("magpipe_batch_attempted_recipients", b.ID, r.Dialled)
			setTime("magpipe_batch_outdated_since_timestamp_seconds", b.ID, r.OutdatedSince)
			setTime("magpipe_batch_oldest_active_call_timestamp_seconds", b.ID, r.OldestActive)
			setTime("magpipe_batch_last_attempt_timestamp_seconds", b.ID, r.LastDial)
			if r.Recorded > 0 {
				setCount("magpipe_batch_recorded_recipients", b.ID, r.Recorded)
				setCount("magpipe_batch_answered_recipients", b.ID, r.Answered)
			}
			setCount("recipients", b.ID+" pending", r.Pending)
			setCount("recipients", b.ID+" unknown", r.Unknown)
			setCount("recipients", b.ID+" completed", r.Completed)
			setCount("recipients", b.ID+" failed", r.Failed)
			setCount("recipients", b.ID+" active", r.Active)
			setCount("recipients", b.ID+" finished", r.Finished)
		}
	}
	return all
}

// groups of the status label of magpipe_batch_recipients.
var groups = map[string][]string{
	"pending": {"pending"}, "unknown": {"unknown"}, "completed": {"completed", "finished"}, "failed": {"failed", "finished"},
	"busy": {"finished"}, "no_answer": {"finished"}, "canceled": {"finished"},
	"calling": {"active"}, "initiated": {"active"}, "ringing": {"active"}, "in_progress": {"active"}, "skipped": nil,
}

// sameAsMetrics fails if the overview does not say what the metrics say at the
// same moment, and returns it.
func (w *world) sameAsMetrics() *collector.Overview {
	w.Helper()
	o := w.collector.Overview()
	told, all := samplesOf(&o), w.allValues()
	shown := map[string]map[string]float64{}
	for metric := range samplesOf(complete) {
		if len(all[metric]) > 0 {
			shown[metric] = all[metric]
		}
	}
	for labels, n := range all["magpipe_batch_recipients"] {
		id, status, _ := strings.Cut(labels, " ")
		for _, group := range groups[status] {
			if shown["recipients"] == nil {
				shown["recipients"] = map[string]float64{}
			}
			shown["recipients"][id+" "+group] += n
		}
	}
	for id, recorded := range shown["magpipe_batch_recorded_recipients"] {
		if recorded == 0 {
			delete(shown["magpipe_batch_recorded_recipients"], id)
			delete(shown["magpipe_batch_answered_recipients"], id)
		}
	}
	for _, metric := range []string{"magpipe_batch_recorded_recipients", "magpipe_batch_answered_recipients"} {
		if len(shown[metric]) == 0 {
			delete(shown, metric)
		}
	}
	if diff := cmp.Diff(shown, told); diff != "" {
		w.Errorf("after %v, the overview differs (-metrics +overview):\n%s", time.Since(at(1, 0, 0)), diff)
	}
	var outcomes float64
	finished := all["magpipe_calls_finished_total"]
	for _, n := range finished {
		outcomes += n
	}
	if float64(o.Calls.Finished) != outcomes || float64(o.Calls.Failed) != finished["failed"] {
		w.Errorf("the overview has %+v, the metrics %v", o.Calls, finished)
	}
	return &o
}

// allValues returns the samples of all gauges and counters, by name and then by
// label values, separated by spaces.
func (w *world) allValues() map[string]map[string]float64 {
	w.Helper()
	families, err := w.collector.Gather()
	if err != nil {
		w.Fatal(err)
	}
	all := map[string]map[string]float64{}
	for _, family := range families {
		values := map[string]float64{}
		for _, m := range family.Metric {
			labels := make([]string, len(m.Label))
			for i, label := range m.Label {
				labels[i] = label.GetValue()
			}
			values[strings.Join(labels, " ")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		all[family.GetName()] = values
	}
	return all
}

// complete is an overview that has everything, so that samplesOf names every metric.
var complete = &collector.Overview{
	List: collector.Source{ReadAt: time.Unix(1, 0)}, Counts: []collector.StateCount{{}},
	Batches: []collector.BatchOverview{{
		CreatedAt: time.Unix(1, 0), ScheduledAt: time.Unix(1, 0), StartedAt: time.Unix(1, 0), UpdatedAt: time.Unix(1, 0),
		Reads:  collector.Source{ReadAt: time.Unix(1, 0)},
		Window: collector.WindowOverview{Known: true, Opened: time.Unix(1, 0), Opens: time.Unix(1, 0), Closes: time.Unix(1, 0)},
		Recipients: &collector.RecipientsOverview{
			OutdatedSince: time.Unix(1, 0), OldestActive: time.Unix(1, 0), LastDial: time.Unix(1, 0), Recorded: 1,
		},
	}},
}

// lively fills an account with a bit of everything.
func lively(a *simulator.Account) {
	reminders(a, "reminders")
	a.Add(simulator.Campaign{ID: "dials", Name: "Dials", Recipients: 400, MaxConcurrency: 3, DialEvery: 40 * time.Second, CallLength: 30 * time.Second})
	a.Add(simulator.Campaign{ID: "ends", Recipients: 9, MaxConcurrency: 3, DialEvery: 10 * time.Minute, CallLength: time.Minute})
	a.Add(simulator.Campaign{ID: "never", Recipients: 2, WindowStart: "22:00", WindowEnd: "06:00"})
	a.Add(simulator.Campaign{ID: "later", Status: "scheduled", Recipients: 3, ScheduledAt: at(9, 0, 0), WindowDays: []int{1}})
	a.Add(simulator.Campaign{ID: "draft", Status: "draft", Recipients: 1})
	a.Add(simulator.Campaign{ID: "old", Status: "completed", Recipients: 2, CompletedAt: at(0, 40, 0), UpdatedAt: at(0, 40, 0)})
	a.Add(simulator.Campaign{ID: "daily", Recipients: 4, Recurrence: "daily", MaxRuns: 3, RunEvery: 20 * time.Minute, DialEvery: time.Minute})
	oddRows(a)
}

func TestTheOverviewSaysWhatTheMetricsSay(t *testing.T) {
	for name, act := range map[string]func(*world){
		"while all is well":            func(*world) {},
		"while the list fails":         func(w *world) { w.account.Inject(simulator.Fault{Action: "list", Status: 500}) },
		"while recipients fail":        func(w *world) { w.account.Inject(simulator.Fault{Action: "get", NoRecipients: true}) },
		"while runs fail":              func(w *world) { w.account.Inject(simulator.Fault{Action: "list_runs", Status: 500}) },
		"while call records fail":      func(w *world) { w.account.Inject(simulator.Fault{Action: "list_calls", Status: 500}) },
		"while the key is rejected":    func(w *world) { w.account.Inject(simulator.Fault{Status: 401}) },
		"while the API asks for pause": func(w *world) { w.account.Inject(simulator.Fault{Status: 429}) },
		"once a batch is cancelled":    func(w *world) { w.account.Cancel("dials") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, lively, func(w *world) {
				w.sameAsMetrics()
				for range 40 {
					w.scrapeAfter(scrapeInterval)
					w.sameAsMetrics()
				}
				act(w)
				for range 80 {
					time.Sleep(scrapeInterval / 2)
					w.sameAsMetrics() // between two scrapes
					w.scrapeAfter(scrapeInterval / 2)
					w.sameAsMetrics()
				}
			})
		})
	}
}

func TestTheOverviewSaysWhatTheMetricsSayWithoutRecordsAndNames(t *testing.T) {
	inWorld(t, lively, func(w *world) {
		for range 20 {
			w.scrapeAfter(scrapeInterval)
			if o := w.sameAsMetrics(); o.CallRecords != nil {
				t.Fatal("it has call records")
			}
		}
	}, withConfig(func(c *collector.Config) { c.CallRecords, c.BatchNames = false, false }))
}

func TestTheOverviewSaysWhatTheMetricsSayAfterARestart(t *testing.T) {
	inWorld(t, lively, func(w *world) {
		w.scrapeFor(5 * time.Minute)
		w.restart(time.Minute)
		if o := w.sameAsMetrics(); o.Ready || !o.RefreshedAt.IsZero() || len(o.Batches) == 0 || o.List.ReadAt.IsZero() {
			t.Errorf("before the first read of the new process: %+v", o)
		}
		w.account.Inject(simulator.Fault{Status: 500})
		for range 30 {
			w.scrapeAfter(scrapeInterval)
			w.sameAsMetrics()
		}
	}, withState(t))
}

func TestTheOverviewCountsTheBatchesWithoutSeries(t *testing.T) {
	inWorld(t, lively, func(w *world) {
		w.scrape()
		if o := w.sameAsMetrics(); len(o.Batches) != 3 || o.Untracked != 11 {
			t.Errorf("%d batches, and %d more, want 3 and 11", len(o.Batches), o.Untracked)
		}
	}, withConfig(func(c *collector.Config) { c.MaxBatches = 3 }))
}

func TestTheOverviewTellsWhyReadsFailAndWhen(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		if o := w.collector.Overview(); o.Ready || o.List.Err != nil || !o.RefreshedAt.IsZero() || o.Counts != nil || len(o.Batches) != 0 {
			t.Errorf("before the first read: %+v", o)
		}
		w.scrape()
		began := time.Now()
		w.account.Inject(simulator.Fault{Status: 401})
		w.scrapeAfter(scrapeInterval)
		o := w.collector.Overview()
		if !o.Ready || o.List.Reason != "unauthorized" || o.List.Err == nil || !o.List.ReadAt.Equal(began) || o.RefreshedAt.Sub(began) != scrapeInterval {
			t.Errorf("after a failure: %+v", o)
		}
		if b := o.Batches[0]; b.Reads.Reason != "unauthorized" || b.Reads.Err == nil || !b.Reads.ReadAt.Equal(began) {
			t.Errorf("its recipients: %+v", b.Reads)
		}
	})
}

func TestTheOverviewTellsHowFarTheClocksAreApart(t *testing.T) {
	for _, ahead := range []time.Duration{0, -30 * time.Minute, 30 * time.Minute} {
		inWorld(t, func(a *simulator.Account) {
			date := at(1, 0, 0).Add(ahead).Format("Mon, 02 Jan 2006 15:04:05 GMT")
			a.Inject(simulator.Fault{Header: map[string][]string{"Date": {date}}})
		}, func(w *world) {
			w.scrape()
			if o := w.collector.Overview(); o.ClockAhead != ahead {
				t.Errorf("the API's clock is %v ahead, want %v", o.ClockAhead, ahead)
			}
		})
	}
}

const (
	clocksDiffer = `level=warn msg="the clocks of this host and of the API differ; call windows are judged at the wrong time" api_ahead=`
	clocksAgree  = `level=info msg="the clocks of this host and of the API agree again"`
)

// refreshDated refreshes once a minute, while the date of the answers is ahead.
func (w *world) refreshDated(ahead time.Duration, refreshes int) {
	w.Helper()
	for range refreshes {
		time.Sleep(time.Minute)
		date := time.Now().Add(ahead).Format("Mon, 02 Jan 2006 15:04:05 GMT")
		// Only the list tells a date, so that each refresh brings one.
		silence := w.account.Inject(simulator.Fault{Action: "get", Header: map[string][]string{"Date": {""}}})
		remove := w.account.Inject(simulator.Fault{Action: "list", Header: map[string][]string{"Date": {date}}})
		w.collector.Refresh(w.Context())
		remove()
		silence()
	}
}

// wantOfClocks fails if what has been logged about clocks is not the given line, and forgets it.
func (w *world) wantOfClocks(line string, after time.Duration) {
	w.Helper()
	var got []string
	for logged := range strings.Lines(w.logged.String()) {
		if strings.Contains(logged, "clocks") {
			got = append(got, strings.TrimSpace(logged))
		}
	}
	if strings.Join(got, "\n") != line {
		w.Errorf("with the API's clock %v ahead, %q was logged, want %q", after, got, line)
	}
	w.logged.Reset()
}

func TestClocksThatDifferAreLoggedOnceAndSoIsTheEndOfThat(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		for _, step := range []struct {
			ahead     time.Duration
			refreshes int
			line      string
		}{
			{59 * time.Second, 3, ""},
			{-30 * time.Minute, 1, ""}, // one answer may be wrong
			{-30 * time.Minute, 3, clocksDiffer + "-30m0s"},
			{0, 1, ""},
			{-30 * time.Minute, 3, ""},
			{45 * time.Second, 3, ""}, // so that it is not logged again and again when it is about a minute
			{29 * time.Second, 3, clocksAgree},
			{61 * time.Second, 3, clocksDiffer + "1m0s"},
		} {
			w.refreshDated(step.ahead, step.refreshes)
			w.wantOfClocks(step.line, step.ahead)
		}
	})
}

func TestAClockThatWasSetRightDuringARestartIsNotLogged(t *testing.T) {
	inWorld(t, func(*simulator.Account) {}, func(w *world) {
		w.refreshDated(time.Hour, 3)
		w.wantOfClocks(clocksDiffer+"1h0m0s", time.Hour)
		w.restart(time.Minute)
		w.refreshDated(0, 3)
		w.wantOfClocks("", 0)
	}, withState(t))
}

func TestTheOverviewTellsUntilWhenRecipientsAreKnownToBeRight(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "a", Recipients: 1, WindowStart: "20:00"}) // it rests, so that only its row is read
	}, func(w *world) {
		w.scrape()
		read := time.Now()
		if r := w.collector.Overview().Batches[0].Recipients; !r.RightUntil.Equal(read) {
			t.Errorf("right until %v, want %v", r.RightUntil, read)
		}
		w.scrapeFor(20 * time.Minute)
		o := w.collector.Overview()
		if r := o.Batches[0].Recipients; !r.ReadAt.Equal(read) || r.RightUntil.Sub(read) != 15*time.Minute {
			t.Errorf("read %v, right until %v, want 15 minutes later", r.ReadAt, r.RightUntil)
		}
	})
}

func TestTheOverviewSpendsNoRequest(t *testing.T) {
	inWorld(t, lively, func(w *world) {
		for range 3 {
			w.scrapeAfter(scrapeInterval)
			requests := len(w.account.Requests())
			for range 100 {
				time.Sleep(time.Minute)
				w.collector.Overview()
			}
			if n := len(w.account.Requests()); n != requests {
				t.Errorf("%d requests", n-requests)
			}
		}
	})
}
