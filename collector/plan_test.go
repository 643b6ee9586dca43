package collector

import (
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

func TestThePlanIsUrgentFirstThenStalestThenNewest(t *testing.T) {
	began := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return began.Add(-d) }
	get := func(id string, urgency urgency, asked time.Time) candidate {
		return candidate{request: request{action: apiclient.ActionGet, id: id}, urgency: urgency, asked: asked, rest: 10 * time.Second}
	}
	newer := get("new, newer batch", neverRead, time.Time{})
	newer.created = began
	order := plan(began, []candidate{
		get("resting", byAge, ago(9*time.Second)),
		get("a minute old", byAge, ago(time.Minute)),
		get("spare", spare, time.Time{}),
		get("two minutes old", byAge, ago(2*time.Minute)),
		get("asked in this refresh", neverRead, began),
		get("new", neverRead, time.Time{}),
		newer,
		get("just left", justLeft, ago(15*time.Second)),
		get("the list's share", paced, ago(3*time.Minute)),
		get("rested", byAge, ago(10*time.Second)),
	})
	var ids []string
	for _, c := range order {
		ids = append(ids, c.id)
	}
	want := "the list's share, new, newer batch, new, just left, two minutes old, a minute old, rested, spare"
	if got := strings.Join(ids, ", "); got != want {
		t.Errorf("plan: %s\nwant: %s", got, want)
	}
}

func TestWhatWasAskedInThisRefreshIsNotDueAgainEvenWithoutARest(t *testing.T) {
	began := time.Now()
	due := plan(began, []candidate{
		{request: request{id: "now"}, asked: began},
		{request: request{id: "before"}, asked: began.Add(-time.Nanosecond)},
	})
	if len(due) != 1 || due[0].id != "before" {
		t.Errorf("due: %v", due)
	}
}
