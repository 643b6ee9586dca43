package collector_test

import (
	"fmt"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestTheCallWindowIsEvaluatedAtEachScrapeInItsZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin") // an hour ahead
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "w", Recipients: 1, WindowStart: "02:00", WindowEnd: "02:01"})
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_call_window_open{batch_id="w"} 0`)
		closing := []string{`!magpipe_batch_call_window_closes`, `magpipe_batch_call_window_closes_timestamp_seconds{batch_id="w"} 9.4668852e+08`}
		for _, open := range []int{1, 0} {
			time.Sleep(time.Minute)
			w.has(w.page(), fmt.Sprintf(`magpipe_batch_call_window_open{batch_id="w"} %d`, open), closing[open])
		}
	}, withConfig(func(c *collector.Config) { c.WindowZone = berlin }))
}

func TestOfAWindowThatMakesNoSenseNothingIsShown(t *testing.T) {
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "odd", Recipients: 1, WindowEnd: "17:00"})
		a.Set("odd", "window_start_time", "25:00")
	}, func(w *world) {
		w.has(w.scrape(), `magpipe_batch_status{batch_id="odd",status="running"} 1`, `!magpipe_batch_call_window_`)
	})
}
