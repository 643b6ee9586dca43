package fidelity_test

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// trouble is a world in which something goes wrong, or might seem to. Numbers are minutes.
type trouble struct {
	name string

	// What should happen.
	alerts    []string // the alerts that are right, the expected one first; none: there should be silence
	within    int      // how soon one of them should fire
	critical  int      // how soon a critical alert should fire; 0: none has to
	clears    int      // how soon they should end once the trouble is over; 0: 20
	tolerated int      // false warnings that do not count

	// What goes wrong.
	begins  time.Time       // zero: usual
	lasts   int             // 0: 120
	subject campaign        // the campaign in trouble; without a name: there is none
	added   time.Time       // when it is added; zero: Tuesday 09:05
	wide    bool            // the whole account is in trouble
	change  func(*campaign) // how the subject dials in the meantime; if it is wide: all campaigns
	fault   *simulator.Fault
	begin   func(*world)
	end     func(*world)

	// The world around it.
	alone   bool // there is no healthy work
	state   bool // the exporter has a state file
	options simulator.Options
	prepare func(*world)
	starts  time.Time // when the exporter starts; zero: Tuesday 08:00
	stops   time.Time // when the world ends; zero: Tuesday 14:40
	short   bool      // part of the short form
}

const (
	subject = "subject"
	forever = 60 * 24 * 365
)

// usual is when most troubles begin.
var usual = clock(tuesday, 10, 37)

// play plays the trouble in a world, until the world ends.
func (x trouble) play(w *world) {
	if !x.alone {
		w.populate()
	}
	if x.state {
		w.stateFile = filepath.Join(w.TempDir(), "state")
	}
	if x.prepare != nil {
		x.prepare(w)
	}
	if x.subject.Name != "" {
		w.at(cmp.Or(x.added, clock(tuesday, 9, 5)), func() { w.inTrouble[w.add(x.subject)] = true })
	}
	begins := cmp.Or(x.begins, usual)
	w.at(begins, func() { x.start(w) })
	w.at(begins.Add(time.Duration(cmp.Or(x.lasts, 120))*time.Minute), func() { x.stop(w) })
	w.play(cmp.Or(x.starts, clock(tuesday, 8, 0)), cmp.Or(x.stops, clock(tuesday, 14, 40)))
}

func (x trouble) start(w *world) {
	w.began = time.Now()
	if x.begin != nil {
		x.begin(w)
	}
	if x.fault != nil {
		w.removeFault = w.account.Inject(*x.fault)
	}
	if x.change == nil {
		return
	}
	w.every(time.Minute, w.began, func() (again bool) { // because batches may start in the meantime
		for _, id := range w.running() {
			if _, done := w.changed[id]; !done && (x.wide || id == w.ids[subject]) {
				w.inTrouble[id] = true
				w.account.Tune(id, func(c *campaign) {
					w.changed[id] = *c
					x.change(c)
				})
			}
		}
		return w.ended.IsZero()
	})
}

func (x trouble) stop(w *world) {
	w.ended = time.Now()
	if x.fault != nil {
		w.removeFault()
	}
	for id, before := range w.changed {
		w.account.Tune(id, func(c *campaign) { *c = before })
		w.account.EndStuckCalls(id)
	}
	if x.end != nil {
		x.end(w)
	}
}

// steady returns a campaign of about 170 calls an hour that lasts all day, with some changes.
func steady(changes ...func(*campaign)) campaign {
	c := inOffice(subject, 990, 3, 30*time.Second, 7)
	for _, change := range changes {
		change(&c)
	}
	return c
}

func slow(c *campaign)   { c.MaxConcurrency, c.DialEvery = 1, 150*time.Second } // about 24 calls an hour
func idle(c *campaign)   { c.DialEvery = 0 }
func dials(c *campaign)  { c.DialEvery = 30 * time.Second }
func hangs(c *campaign)  { c.StuckCalls = math.MaxInt }
func stalls(c *campaign) { c.StallAfter = 1 }
func goesOn(c *campaign) { c.StallAfter = 0 }
func daily(c *campaign)  { c.Recurrence, c.Recipients = "daily", 60 } // its runs have to be spawned

func fails(percent float64) func(*campaign) {
	return func(c *campaign) { c.Outcomes = outcomes(percent) }
}
func of(recipients int) func(*campaign) { return func(c *campaign) { c.Recipients = recipients } }

func window(from, to string) func(*campaign) {
	return func(c *campaign) { c.WindowStart, c.WindowEnd = from, to }
}

// toSubject returns an action that does something to the campaign in trouble.
func toSubject(do func(a *simulator.Account, id string)) func(*world) {
	return func(w *world) { do(w.account, w.ids[subject]) }
}

func tune(change func(*campaign)) func(*world) {
	return toSubject(func(a *simulator.Account, id string) { a.Tune(id, change) })
}

func spawn(w *world) { w.account.Spawn(w.ids[subject]) }

// at returns an action that plans others.
func at(t time.Time, actions ...func(*world)) func(*world) {
	return func(w *world) {
		w.at(t, func() {
			for _, do := range actions {
				do(w)
			}
		})
	}
}

func troubles() []trouble {
	return slices.Concat(troublesOfCalls(), troublesOfProgress(), troublesOfData(), troublesOfExporter(), silences())
}

func troublesOfCalls() []trouble {
	const high, rising = "MagpipeCampaignFailureRateHigh", "MagpipeCampaignFailureRateRising"
	return []trouble{
		{
			name: "60 % of all calls fail", wide: true, subject: steady(), change: fails(60), short: true,
			alerts: []string{"MagpipeAccountFailureRateHigh"}, within: 10, critical: 10,
		}, {
			name: "60 % of the calls of a campaign fail, 170 calls an hour", subject: steady(), change: fails(60), short: true,
			alerts: []string{high, rising}, within: 12,
		}, {
			name: "60 % of the calls of a campaign fail, 24 calls an hour", subject: steady(slow), change: fails(60),
			alerts: []string{high, rising}, within: 90, clears: 60, // it has to be judged by its last hour
		}, {
			name: "33 % of the calls of a campaign fail, 170 calls an hour", subject: steady(), change: fails(33),
			alerts: []string{rising, high}, within: 45,
		}, {
			name: "all 15 calls of a campaign fail", subject: steady(of(15), fails(100)), added: usual, lasts: forever, short: true,
			begin: func(w *world) {
				w.every(time.Second, w.began, func() (again bool) { // delays count from the end of the last call
					w.counted = time.Now()
					return slices.Contains(w.running(), w.ids[subject])
				})
			},
			alerts: []string{high}, within: 10,
		}, {
			name: "a call hangs", subject: steady(func(c *campaign) { c.StuckCalls = 1 }), added: usual,
			end:    toSubject((*simulator.Account).EndStuckCalls),
			alerts: []string{"MagpipeCallsStuck"}, within: 33,
		}, {
			name: "all calls hang", wide: true, subject: steady(), change: hangs, short: true,
			alerts: []string{"MagpipeCallsStuck"}, within: 33, critical: 20,
		}, {
			name: "all calls take 2 s", wide: true, change: func(c *campaign) { c.CallLength = 2 * time.Second },
			alerts: []string{"MagpipeTooManyShortCalls"}, within: 30, clears: 60, // half an hour counts, or an hour
		}, {
			name: "10 % of the calls of a campaign complete", subject: steady(), change: func(c *campaign) {
				c.Outcomes = simulator.Outcomes{Failed: 7, Busy: 13, NoAnswer: 70, Completed: 10}
			},
			alerts: []string{"MagpipeCampaignAnswerRateLow"}, within: 70,
		}, {
			name: "nobody talks in a campaign, 170 calls an hour", subject: steady(), change: nobodyTalks,
			alerts: []string{"MagpipeCampaignAnswerRateLow"}, within: 30, clears: 40, // the last hour keeps it firing
		},
	}
}

// nobodyTalks lets calls complete as before, but with a talk time of 0 in their records.
func nobodyTalks(c *campaign) { c.Records.ZeroTalk = 1 }

func troublesOfProgress() []trouble {
	stalled := []string{"MagpipeCampaignStalled"}
	return []trouble{
		{
			name: "a campaign stalls, 170 calls an hour", subject: steady(), change: stalls, short: true, alerts: stalled, within: 20,
		}, {
			name: "a campaign stalls, 24 calls an hour", subject: steady(slow), change: stalls, alerts: stalled, within: 45,
		}, {
			name: "all campaigns stall", wide: true, subject: steady(), change: stalls, alerts: stalled, within: 20, critical: 20,
		}, {
			name: "a campaign does not go on when its window opens", subject: steady(), added: clock(monday, 15, 0),
			prepare: at(tuesday, tune(stalls)), begins: clock(tuesday, 9, 1), end: tune(goesOn), alerts: stalled, within: 33,
		}, {
			name: "a campaign does not dial in its window of 45 minutes", subject: steady(idle, window("10:00:00", "10:45:00")),
			begins: clock(tuesday, 10, 1), lasts: 44, alerts: stalled, within: 33,
		}, {
			name: "a draft is started and does not dial", added: clock(monday, 10, 0),
			subject: steady(idle, func(c *campaign) { c.Status = "draft" }),
			begin: toSubject(func(a *simulator.Account, id string) {
				a.Start(id)
				a.Set(id, "started_at", nil)
			}),
			end: tune(dials), alerts: stalled, within: 33,
		}, {
			name:    "a scheduled campaign does not start",
			subject: steady(idle, func(c *campaign) { c.Status, c.ScheduledAt = "scheduled", usual }),
			end: toSubject(func(a *simulator.Account, id string) {
				a.Tune(id, dials)
				a.Start(id)
			}),
			alerts: []string{"MagpipeCampaignOverdue"}, within: 15,
		}, {
			name: "the window of a campaign never opens", subject: steady(window("22:00:00", "06:00:00")), added: usual,
			end: toSubject((*simulator.Account).Cancel), alerts: []string{"MagpipeWindowNeverOpens"}, within: 5,
		}, {
			name: "a campaign becomes too slow for its window", subject: steady(),
			change: func(c *campaign) { c.DialEvery = 6 * time.Minute },
			alerts: []string{"MagpipeCampaignMissesItsWindow", "MagpipeCampaignEndFarOff"}, within: 45,
		}, {
			name: "a campaign fails", subject: steady(),
			begin: toSubject(func(a *simulator.Account, id string) { a.SetStatus(id, "failed") }), lasts: 30,
			end: toSubject((*simulator.Account).Rerun), alerts: []string{"MagpipeCampaignFailed"}, within: 2, critical: 2,
		}, {
			name: "a daily series stops", alone: true, stops: clock(tuesday, 40, 0), subject: steady(daily), added: clock(monday, 9, 0),
			prepare: func(w *world) { // two runs, because one does not tell how often it runs
				at(clock(monday, 10, 0), spawn)(w)
				at(clock(tuesday, 10, 0), spawn)(w)
			},
			begins: clock(tuesday, 34, 0), lasts: 300, end: spawn,
			alerts: []string{"MagpipeSeriesSilent"}, within: 150,
		},
	}
}

func troublesOfData() []trouble {
	drift := func(n int) func(*world) {
		return toSubject(func(a *simulator.Account, id string) { a.Drift(id, n, 0) })
	}
	status := func(status string) func(*world) {
		return toSubject(func(a *simulator.Account, id string) {
			for i := range 25 {
				a.SetRecipientKey(id, i, "status", status)
			}
		})
	}
	return []trouble{
		{
			name: "the API returns 1000 of 1500 recipients", subject: steady(of(1500)), added: usual,
			end: toSubject((*simulator.Account).Delete), alerts: []string{"MagpipeRecipientsCut"}, within: 15,
		}, {
			name: "the API's counts drift", subject: steady(), begin: drift(110), end: drift(-110),
			alerts: []string{"MagpipeCountersDrift"}, within: 65,
		}, {
			name: "25 recipients have an unknown status", subject: steady(), lasts: 30,
			begin: status("voicemail"), end: status("completed"),
			alerts: []string{"MagpipeUnknownValues"}, within: 5, clears: 35, // it tells what is new within an hour
		}, {
			name: "the list may hide batches that were created at the same time", options: simulator.Options{PageCap: 50},
			begin:  func(w *world) { w.addMany(120, campaign{Status: "draft", CreatedAt: monday}) },
			end:    func(w *world) { w.forMany(w.account.Delete) },
			alerts: []string{"MagpipeListTruncated"}, within: 20,
		}, {
			name: "the recipients of a campaign cannot be read", subject: steady(func(c *campaign) { c.ID = subject }),
			fault:  &simulator.Fault{Action: "get", BatchID: subject, Status: 500},
			alerts: []string{"MagpipeDetailsStale"}, within: 30,
		},
	}
}

func troublesOfExporter() []trouble {
	const down, apiDown, listStale = "MagpipeExporterDown", "MagpipeApiDown", "MagpipeListStale"
	outage := func(name string, minutes int, fault *simulator.Fault, alerts ...string) trouble {
		x := trouble{name: name, lasts: minutes, fault: fault, alerts: alerts}
		if fault == nil {
			x.begin, x.end = (*world).stop, (*world).start
		}
		if len(alerts) > 0 {
			x.within, x.critical = 6, 6
		}
		return x
	}
	overOpening := outage("the exporter is down while windows open", 77, nil, down)
	overOpening.starts, overOpening.begins = clock(tuesday, 7, 0), clock(tuesday, 7, 45)
	stateful := outage("the exporter with a state file is down for 20 minutes", 20, nil, down)
	stateful.state = true
	return []trouble{
		{name: "the exporter restarts at once", prepare: at(usual, (*world).stop, (*world).start)},
		{name: "the exporter with a state file restarts at once", prepare: at(usual, (*world).stop, (*world).start), state: true},
		stateful,
		outage("the exporter is down for 3 minutes", 3, nil),
		outage("the exporter is down for 20 minutes", 20, nil, down),
		outage("the exporter is down for 70 minutes", 70, nil, down),
		overOpening,
		{name: "the exporter starts for the first time at 09:40", starts: clock(tuesday, 9, 40)},
		{name: "one scrape an hour fails", prepare: func(w *world) {
			w.lost = func() bool { return time.Now().Minute() == 17 && time.Now().Second() < 15 }
		}},
		outage("the API answers 503 for 3 minutes", 3, &simulator.Fault{Status: 503}),
		outage("the API answers 503 for 20 minutes", 20, &simulator.Fault{Status: 503}, apiDown, listStale),
		outage("the API hangs for 20 minutes", 20, &simulator.Fault{Hang: true}, apiDown, listStale),
		outage("the API rejects the key for 20 minutes", 20, &simulator.Fault{Status: 401}, "MagpipeKeyRejected", apiDown, listStale),
		{name: "others want 720 of the account's 1000 requests an hour", prepare: func(w *world) {
			w.every(time.Minute, clock(tuesday, 7, 0), func() (again bool) {
				w.others(12)
				return true
			})
		}},
	}
}

// silences are worlds in which nothing is wrong, however it may look.
func silences() []trouble {
	return []trouble{
		{
			name: "100 campaigns start at once", begin: func(w *world) { w.addMany(100, steady(slow)) },
			end:    func(w *world) { w.forMany(w.account.Cancel) },
			alerts: []string{"MagpipeReadRoundLong"}, within: 20,
		}, {
			name: "5 campaigns take days by plan", alone: true, stops: clock(tuesday, 17, 30),
			prepare: func(w *world) {
				for i := range 5 {
					long := w.long(fmt.Sprint("long ", i))
					w.at(clock(monday, 10+i, 0), func() { w.add(long) })
				}
			},
		}, {
			name: "10 to 20 % of the calls of 6 campaigns fail from the beginning", alone: true,
			prepare: func(w *world) {
				for i := range 6 {
					c := w.usual(fmt.Sprint("old list ", i))
					c.Recipients, c.Outcomes = 500, outcomes(10+2*float64(i))
					w.at(clock(tuesday, 9, 5*i), func() { w.add(c) })
				}
			},
		}, {
			name: "the service dials for 10 of 15 campaigns at a time", alone: true, options: simulator.Options{DialBatches: 10},
			prepare: at(clock(tuesday, 9, 30), func(w *world) { w.addMany(15, steady()) }),
		}, {
			name: "a series runs every second day", alone: true, stops: clock(tuesday, 60, 0), added: monday,
			subject: steady(daily, func(c *campaign) { c.RunEvery, c.CreatedAt = 48*time.Hour, clock(monday, -7*24+10, 0) }),
			prepare: at(clock(monday, 1, 0), toSubject(func(a *simulator.Account, id string) { a.Set(id, "recurrence_interval", 2) })),
		}, {
			name: "two runs of a series wait for their window", alone: true, added: clock(monday, 9, 0),
			subject: steady(daily, func(c *campaign) { c.WindowDays = []int{5} }),
			prepare: func(w *world) {
				at(clock(monday, 10, 0), spawn)(w)
				at(clock(tuesday, 10, 0), spawn)(w)
			},
		},
	}
}
