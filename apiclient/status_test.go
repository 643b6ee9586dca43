package apiclient_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// words names states, in their order.
func words[S fmt.Stringer](states []S) (all []string) {
	for _, s := range states {
		all = append(all, s.String())
	}
	return all
}

// pick keeps the states for which something holds.
func pick[S any](states []S, holds func(S) bool) (some []S) {
	for _, s := range states {
		if holds(s) {
			some = append(some, s)
		}
	}
	return some
}

func TestStatesHaveTheirNamesAndKinds(t *testing.T) {
	batches, recipients := apiclient.BatchStatuses(), apiclient.RecipientStatuses()
	for name, c := range map[string]struct{ got, want []string }{
		"batch": {words(batches), []string{
			"draft", "scheduled", "running", "paused", "completed", "cancelled", "failed", "recurring", "unknown",
		}},
		"ended": {words(pick(batches, apiclient.BatchStatus.Ended)), []string{"completed", "cancelled", "failed"}},
		"recipient": {words(recipients), []string{
			"pending", "calling", "initiated", "ringing", "in_progress", "completed", "failed", "busy", "no_answer", "skipped", "unknown",
		}},
		"active": {words(pick(recipients, apiclient.RecipientStatus.Active)), []string{
			"calling", "initiated", "ringing", "in_progress",
		}},
		"outcome": {words(pick(recipients, apiclient.RecipientStatus.Outcome)), []string{"completed", "failed", "busy", "no_answer"}},
		"listed":  {words(apiclient.Outcomes()), []string{"completed", "failed", "busy", "no_answer"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEveryStateOfABatchIsRead(t *testing.T) {
	for _, want := range apiclient.BatchStatuses() {
		a := unlimited(0)
		id := a.Add(simulator.Campaign{})
		a.Set(id, "status", want.String())
		got, err := list(t, of(t, a))
		if err != nil || len(got) != 1 || got[0].Status != want || (got[0].Odd != nil) != (want == apiclient.BatchUnknown) {
			t.Errorf("%s: %v, %+v", want, err, got)
		}
	}
}
