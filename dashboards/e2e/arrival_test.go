//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// troubled are the campaigns of the demo that somebody has to hear of, and by which alert.
var troubled = map[string]string{
	"Reconquête clients – été":    "MagpipeCampaignFailureRateHigh",
	"Zahlungserinnerung Köln":     "MagpipeCampaignStalled",
	"お客様アンケート":                    "MagpipeCallsStuck",
	"Voter registration – wave 2": "MagpipeCampaignOverdue",
	"Overnight outage notice":     "MagpipeWindowNeverOpens",
	"Parcel pick-up reminder":     "MagpipeCampaignAnswerRateLow",
}

const healthy = "Appointment reminders"

func arrive(t *testing.T, g guard) {
	t.Helper()
	eventually(t, 5*time.Minute, func() string {
		missing := maps.Clone(troubled)
		for _, a := range g.inbox.firing(t, time.Time{}) {
			if missing[a.Labels["name"]] == a.Labels["alertname"] {
				delete(missing, a.Labels["name"])
			}
		}
		if len(missing) > 0 {
			return fmt.Sprintf("nobody heard of %v", missing)
		}
		return ""
	})
}

// whole complains once of what may have been sent many times.
func whole(t *testing.T, g guard) {
	t.Helper()
	runbooks, err := os.ReadFile("../runbooks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]bool{}
	for _, n := range g.inbox.all(t) {
		for _, a := range n.Alerts {
			for _, fault := range faultsOf(n, a, string(runbooks)) {
				faults[a.Labels["alertname"]+" "+fault] = true
			}
		}
	}
	for _, fault := range slices.Sorted(maps.Keys(faults)) {
		t.Error(fault)
	}
}

func faultsOf(n notification, a alert, runbooks string) (faults []string) {
	complain := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	name, description := a.Labels["alertname"], a.Annotations["description"]
	if severity := a.Labels["severity"]; n.Path != "/"+severity || n.Receiver != "magpipe-"+severity {
		complain("of severity %q went to %s", severity, n.Path)
	}
	want := repository + "/dashboards/runbooks/README.md#" + strings.ToLower(name)
	if a.Annotations["runbook_url"] != want || !strings.Contains(runbooks, "\n## "+name+"\n") {
		complain("has the runbook %q, want %q and such a heading", a.Annotations["runbook_url"], want)
	}
	if a.Annotations["summary"] == "" || description == "" || strings.Contains(description, "<no value>") {
		complain("has the annotations %q", a.Annotations)
	}
	batch, campaign := a.Labels["batch_id"], n.GroupLabels["name"]
	if batch != n.Alerts[0].Labels["batch_id"] || batch != n.GroupLabels["batch_id"] {
		complain("about %s is in the notification about %v", batch, n.GroupLabels)
	} else if batch != "" && (campaign == "" || !strings.Contains(description, campaign)) {
		complain("does not say which campaign of %v: %q", n.GroupLabels, description)
	}
	if _, there := a.Labels["magpipe_repository"]; there || a.Labels["job"] != "magpipe" {
		complain("has the labels %v", a.Labels)
	}
	return faults
}

func silent(t *testing.T, g guard) {
	t.Helper()
	for _, n := range g.inbox.all(t) {
		for _, a := range n.Alerts {
			if a.Labels["name"] == healthy {
				t.Fatalf("somebody was told of the healthy campaign: %v", a)
			}
		}
	}
}
