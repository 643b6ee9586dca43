package fidelity_test

import (
	"fmt"
	"math"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

type campaign = simulator.Campaign

var (
	monday  = time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC) // when all worlds begin
	tuesday = monday.AddDate(0, 0, 1)
	office  = []int{1, 2, 3, 4, 5} // the days on which an office works
)

func clock(day time.Time, hour, minute int) time.Time {
	return day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

func (w *world) between(low, high float64) float64 { return low + (high-low)*w.random.Float64() }

func (w *world) seconds(low, high float64) time.Duration {
	return time.Duration(w.between(low, high) * float64(time.Second))
}

// outcomes returns how calls end if a share of them fails, in percent.
func outcomes(failed float64) simulator.Outcomes {
	rest := 1 - failed/100
	return simulator.Outcomes{Failed: failed, Busy: 8 * rest, NoAnswer: 19 * rest, Canceled: 3 * rest, Completed: 70 * rest}
}

// inOffice returns a campaign that dials in office hours.
func inOffice(name string, recipients, lines int, dialEvery time.Duration, failed float64) campaign {
	return campaign{
		Name: name, Recipients: recipients, MaxConcurrency: lines, DialEvery: dialEvery, CallLength: time.Minute,
		WindowStart: "09:00:00", WindowEnd: "17:00:00", WindowDays: office, Outcomes: outcomes(failed),
	}
}

// usual draws a healthy campaign.
func (w *world) usual(name string) campaign {
	recipients := min(900, max(10, 130*math.Exp(0.9*w.random.NormFloat64())))
	c := inOffice(name, int(recipients), 1+w.random.IntN(5), w.seconds(20, 60), w.between(5, 10))
	c.CallLength = w.seconds(45, 100)
	switch dice := w.random.Float64(); {
	case dice < 0.1:
		c.WindowEnd, c.WindowDays = "20:00:00", nil
	case dice < 0.2:
		c.WindowStart, c.WindowEnd, c.WindowDays = "", "", nil
	}
	return c
}

// long draws a campaign that takes days by plan.
func (w *world) long(name string) campaign {
	return inOffice(name, 500+w.random.IntN(400), 1, time.Minute, w.between(5, 10))
}

// populate plans a week of healthy work. All that is random is drawn here, before anything happens.
func (w *world) populate() {
	day := 24 * time.Hour
	series := func(name, recurrence string, every time.Duration, recipients int, first time.Time) campaign {
		c := inOffice(name, recipients, 2, 40*time.Second, w.between(5, 10))
		c.Recurrence, c.RunEvery, c.CreatedAt = recurrence, every, first.Add(-every)
		return c
	}
	w.add(series("office", "daily", day, 90, clock(monday, 9, 30).Add(-11*day))) // its runs of the weekend wait for Monday
	w.add(series("weekly", "weekly", 7*day, 150, clock(tuesday, 11, 0).Add(-14*day)))
	always := series("always", "daily", day, 60, clock(monday, 10, 0).Add(-8*day))
	always.WindowEnd, always.WindowDays = "20:00:00", nil
	w.add(always)
	for _, weekday := range office {
		w.planDay(monday.AddDate(0, 0, weekday-1))
	}
}

// planDay plans a working day.
func (w *world) planDay(day time.Time) {
	name := day.Format("Mon ")
	for i := range 3 + w.random.IntN(6) {
		w.plan(w.usual(fmt.Sprint(name, i)), clock(day, 8, 30+w.random.IntN(7*60)))
	}
	small := w.usual(name + "small")
	small.Recipients = 10
	w.at(clock(day, 11, w.random.IntN(60)), func() { w.add(small) })

	if day.Weekday()%2 == 1 { // Monday, Wednesday and Friday
		long := w.long(name + "long")
		w.at(clock(day, 9, 10+w.random.IntN(200)), func() { w.add(long) })
	}

	var paused string
	w.at(clock(day, 12, 0), func() {
		paused = w.busiest()
		w.account.Pause(paused)
	})
	w.at(clock(day, 13, 0), func() { w.account.Resume(paused) })

	twice := w.usual(name + "twice")
	twice.Recipients, twice.MaxConcurrency = 60, 3
	w.at(clock(day, 9, 15), func() { w.add(twice) })
	w.at(clock(day, 14, 20), func() { w.account.Rerun(w.ids[twice.Name]) })

	cancelled := w.usual(name + "cancelled")
	cancelled.Recipients, cancelled.MaxConcurrency = 400, 4
	w.at(clock(day, 13, 30), func() { w.add(cancelled) })
	w.at(clock(day, 15, 5), func() { w.account.Cancel(w.ids[cancelled.Name]) })
}

// plan plans a campaign that starts at a time, in one of the ways in which campaigns start.
func (w *world) plan(c campaign, start time.Time) {
	switch dice := w.random.Float64(); {
	case dice < 0.3: // created running
		w.at(start, func() { w.add(c) })
	case dice < 0.6: // scheduled some hours before
		c.Status, c.ScheduledAt = "scheduled", start.Truncate(30*time.Minute)
		w.at(c.ScheduledAt.Add(-w.seconds(3600, 20*3600)), func() { w.add(c) })
	default: // a draft, up to five days old; of half of them, the API does not tell the start
		c.Status = "draft"
		silent := w.random.IntN(2) == 0
		w.at(start.Add(-w.seconds(60, 5*24*3600)), func() { w.add(c) })
		w.at(start, func() {
			w.account.Start(w.ids[c.Name])
			if silent {
				w.account.Set(w.ids[c.Name], "started_at", nil)
			}
		})
	}
}

// busiest returns the running batch with the most recipients left to call, apart from those in trouble.
func (w *world) busiest() (id string) {
	most := 0
	for _, b := range w.account.Batches() {
		if b.Status == "running" && b.Pending > most && !w.inTrouble[b.ID] {
			id, most = b.ID, b.Pending
		}
	}
	return id
}
