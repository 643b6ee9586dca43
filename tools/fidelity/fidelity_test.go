// Package fidelity_test plays the exporter over simulated days and weeks, and evaluates all shipped rules with the
// storage and the rule engine of Prometheus. docs/alerts.md describes its worlds and what it measures. It is a separate
// module, so that the exporter does not depend on Prometheus.
package fidelity_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

const firstSeed = 101

var tableFile = flag.String("table", "", "file for the table of results")

// TestAlertsAreRight plays four healthy weeks, and each trouble with three seeds. With -short, it plays one healthy day
// and five troubles.
func TestAlertsAreRight(t *testing.T) {
	healthy, weeks, seeds := trouble{name: "a healthy week", stops: monday.AddDate(0, 0, 7), tolerated: 1}, 4, 3
	if testing.Short() {
		healthy, weeks, seeds = trouble{name: "a healthy day", stops: tuesday}, 1, 1
	}
	healthy.starts = monday
	var rows []row
	t.Run("worlds", func(t *testing.T) {
		rows = append(rows, play(t, healthy, weeks))
		for _, x := range troubles() {
			if x.short || !testing.Short() {
				rows = append(rows, play(t, x, seeds))
			}
		}
	})
	falseAlarms := 0
	for _, v := range rows[0].verdicts {
		falseAlarms += v[falseWarnings]
	}
	if 2*falseAlarms > weeks {
		t.Errorf("%d false warnings in %d healthy weeks: at most one in two weeks is good enough", falseAlarms, weeks)
	}
	if *tableFile == "" {
		return
	}
	if err := os.WriteFile(*tableFile, []byte(table(rows)), 0o644); err != nil {
		t.Error(err)
	}
}

// play plays a trouble with several seeds, in parallel with all others. The row it returns is complete when all are done.
func play(t *testing.T, x trouble, seeds int) row {
	t.Helper()
	r := row{x, make([]verdict, seeds)}
	for i := range r.verdicts {
		options := x.options
		options.Seed = firstSeed + uint64(i)
		t.Run(fmt.Sprintf("%s, seed %d", x.name, options.Seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(monday))
				w := newWorld(t, options)
				x.play(w)
				r.verdicts[i] = x.judge(w)
				for f, times := range w.prometheus.faults {
					t.Errorf("%s (%d times): %s", f.rule, times, f.text)
				}
			})
			for m, goal := range x.goals() {
				if n := r.verdicts[i][m]; n > goal {
					t.Errorf("%s: %s", measures[m], cell(n, never))
				}
			}
		})
	}
	return r
}
