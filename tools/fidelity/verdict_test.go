package fidelity_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// verdict is what came of a trouble in one world: a number for each measure.
type verdict [len(measures)]int

const (
	firstAlert     = iota // minutes from the beginning until a right alert fires
	firstCritical         // minutes from the beginning until a critical alert fires
	cleared               // minutes from the end until no right alert fires any more
	gaps                  // how often no right alert fires although the trouble lasts
	beside                // notifications about campaigns in trouble beside the right one
	falseWarnings         // notifications about what is not in trouble
	falseCriticals        // notifications about what is not in trouble
	faults                // evaluations of rules that go wrong
)

var measures = [...]string{
	"first alert", "first critical", "cleared", "gaps", "beside", "false warnings", "false criticals", "faults",
}

const (
	none  = -1      // the measure does not apply
	never = 1 << 20 // minutes
	grace = 10 * time.Minute
)

// goals returns the highest numbers that are good enough.
func (x trouble) goals() verdict {
	return verdict{
		firstAlert: cmp.Or(x.within, never), firstCritical: cmp.Or(x.critical, never), cleared: cmp.Or(x.clears, 20),
		beside: 2, falseWarnings: x.tolerated,
	}
}

// judge compares the alerts of a world with those that would be right. Those of severity info are never false.
func (x trouble) judge(w *world) verdict {
	v := verdict{firstAlert: none, firstCritical: none, cleared: none}
	if len(x.alerts) > 0 {
		v[firstAlert] = never
	}
	if x.critical > 0 {
		v[firstCritical] = never
	}
	var covered time.Time // until when right alerts fired, since the first one
	for _, a := range w.prometheus.alerts {
		severity, name := a.labels["severity"], string(a.labels["alertname"])
		due := x.causes(w, a)
		right := due && slices.Contains(x.alerts, name)
		w.Logf("%s %s %q fired %v, notified %v, ended %v; due: %t, right: %t",
			severity, name, a.labels["name"], stamp(a.fired), stamp(a.notified), stamp(a.ended), due, right)

		notified := !a.notified.IsZero() && severity != "info"
		switch {
		case notified && !due && severity == "critical":
			v[falseCriticals]++
		case notified && !due:
			v[falseWarnings]++
		case notified && a.labels["batch_id"] != "" && (x.wide || !right):
			v[beside]++
		}
		delay := max(0, minutes(a.fired.Sub(cmp.Or(w.counted, w.began))))
		if due && severity == "critical" && (v[firstCritical] == none || delay < v[firstCritical]) {
			v[firstCritical] = delay
		}
		if !right {
			continue
		}
		v[firstAlert] = min(v[firstAlert], delay)
		if !covered.IsZero() && a.fired.After(covered) && (w.ended.IsZero() || a.fired.Before(w.ended)) {
			v[gaps]++
		}
		if end := cmp.Or(a.ended, time.Now()); end.After(covered) {
			covered = end
		}
	}
	if !covered.IsZero() && !w.ended.IsZero() {
		v[cleared] = max(0, minutes(covered.Sub(w.ended)))
		if covered.Equal(time.Now()) {
			v[cleared] = never
		}
		if covered.Before(w.ended) {
			v[gaps]++
		}
	}
	for _, times := range w.prometheus.faults {
		v[faults] += times
	}
	return v
}

// causes reports whether the trouble may cause an alert: the alert fires in time, and is about what is in trouble.
func (x trouble) causes(w *world, a *alert) bool {
	if len(x.alerts) == 0 || a.fired.Before(w.began) || !w.ended.IsZero() && a.fired.After(w.ended.Add(grace)) {
		return false
	}
	if batch := string(a.labels["batch_id"]); batch != "" {
		return w.inTrouble[batch]
	}
	return x.wide || slices.Contains(x.alerts, string(a.labels["alertname"]))
}

func minutes(d time.Duration) int { return int(d / time.Minute) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("Mon 15:04")
}

// row is a row of the table: a trouble and what came of it with several seeds.
type row struct {
	trouble
	verdicts []verdict
}

// table returns the results as Markdown, with one number for each seed. Those that miss their goal are bold.
func table(rows []row) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| world | right alerts | %s |\n|%s\n", strings.Join(measures[:], " | "), strings.Repeat("---|", len(measures)+2))
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s |", r.name, strings.Join(r.alerts, ", "))
		goals := r.goals()
		for m := range measures {
			for i, v := range r.verdicts {
				fmt.Fprintf(&out, "%s %s", strings.Repeat(",", min(i, 1)), cell(v[m], goals[m]))
			}
			if goals[m] != never && m <= firstCritical || m == cleared && r.clears > 0 {
				fmt.Fprintf(&out, " (≤ %d)", goals[m])
			}
			out.WriteString(" |")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func cell(n, goal int) string {
	text := fmt.Sprint(n)
	switch n {
	case none:
		text = "–"
	case never:
		text = "never"
	}
	if n > goal {
		return "**" + text + "**"
	}
	return text
}
