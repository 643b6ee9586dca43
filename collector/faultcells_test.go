package collector_test

import (
	"net/http"
	"testing"
	"time"
)

// TestEachFaultOfEachActionIsSurvived is the matrix: every fault on one batch, or on the list, of every action, before
// and after a first success.
func TestEachFaultOfEachActionIsSurvived(t *testing.T) {
	cells := 0
	for _, f := range everyFault(realErrors(t)) {
		for _, v := range victims() {
			weight := f.weight
			for when, test := range map[string]func(*outage, *fault, victim){
				" before a first success": fromTheStart, " after a first success": afterAFirstSuccess,
			} {
				cells++
				t.Run(f.name+" of "+v.action+when, func(t *testing.T) {
					inOutage(t, func(o *outage) {
						test(o, &f, v)
						o.weighed(weight)
					})
					weight = 0
				})
			}
		}
	}
	if want := 26 * 3 * 2; cells != want { // as docs/reliability.md says
		t.Errorf("%d cells, want %d", cells, want)
	}
}

func fromTheStart(o *outage, f *fault, v victim) {
	o.front.spoil(f, v.action, v.id)
	page := o.scrapeIn(f)
	o.has(page, "!"+v.shown)
	if f.pause == 0 { // others that were not sent yet wait for the end of a pause
		o.has(page, v.others...)
	}
	if code, _ := o.get("/-/ready"); (code == http.StatusOK) != v.ready {
		o.Errorf("ready answers %d", code)
	}
	if v.action == "list" {
		o.has(page, "magpipe_up 0", "!magpipe_batch")
	}
	o.until(20 * time.Second) // a request that hangs has ended
	o.scrapeIn(f)
	o.until(40*time.Second + time.Nanosecond)
	o.counted(f, v)
	o.recovers(f, v)
	if code, _ := o.get("/-/ready"); code != http.StatusOK {
		o.Errorf("ready answers %d in the end", code)
	}
}

func afterAFirstSuccess(o *outage, f *fault, v victim) {
	const staleness = 5 * time.Minute
	o.has(o.scrapeIn(f), append(v.others, v.shown)...)
	o.front.spoil(f, v.action, v.id)
	for since := 15 * time.Second; since < staleness; since += time.Minute {
		o.until(since)
		begin := time.Now()
		page := o.scrapeIn(f)
		o.has(page, append(v.others, v.shown)...)
		if f.pause == 0 {
			o.has(page, refreshedAt("b", begin)) // others go on being read
		}
	}
	o.until(staleness - time.Second)
	o.has(o.page(), append(v.others, v.shown)...)
	o.until(staleness)
	gone := o.page()
	o.has(gone, "!"+v.shown)
	o.has(gone, v.others...)
	if v.action == "list" {
		o.has(gone, "magpipe_up 0", "!magpipe_batch")
	}
	o.counted(f, v)
	o.recovers(f, v)
	o.counted(f, v)
}
