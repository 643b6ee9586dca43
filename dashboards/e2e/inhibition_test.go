//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// TestWhatIsSilencedByWhat gives Alertmanager alerts by hand, among them those that the demo cannot bring about.
func TestWhatIsSilencedByWhat(t *testing.T) {
	t.Parallel()
	const campaign, rate, account = "a campaign's", "a campaign's rate", "an account's"
	about := map[string]map[string]string{
		campaign: {"alertname": "MagpipeCampaignFailed", "severity": "critical", "job": "magpipe", "batch_id": "b", "name": "n"},
		rate:     {"alertname": "MagpipeCampaignFailureRateRising", "severity": "warning", "job": "magpipe", "batch_id": "b", "name": "n"},
		account:  {"alertname": "MagpipeListStale", "severity": "warning", "job": "magpipe"},
	}
	for name, test := range map[string]struct {
		alert      map[string]string
		suppressed string // those of about that fall silent
	}{
		"the exporter is down":      {map[string]string{"alertname": "MagpipeExporterDown", "job": "magpipe"}, campaign + rate + account},
		"the API is down":           {map[string]string{"alertname": "MagpipeApiDown", "job": "magpipe"}, campaign + rate + account},
		"another exporter is down":  {map[string]string{"alertname": "MagpipeExporterDown", "job": "magpipe-north"}, ""},
		"no exporter is known":      {map[string]string{"alertname": "MagpipeExporterDown"}, campaign + rate},
		"something else is down":    {map[string]string{"alertname": "SomethingDown", "job": "magpipe"}, ""},
		"the account's calls fail":  {map[string]string{"alertname": "MagpipeAccountFailureRateHigh", "job": "magpipe"}, rate},
		"the account's calls stop":  {map[string]string{"alertname": "MagpipeAccountStalled", "job": "magpipe"}, rate},
		"another account's stop":    {map[string]string{"alertname": "MagpipeAccountStalled", "job": "magpipe-north"}, ""},
		"the campaign's calls fail": {map[string]string{"alertname": "MagpipeCampaignFailureRateHigh", "job": "magpipe", "batch_id": "b"}, rate},
		"another campaign's fail":   {map[string]string{"alertname": "MagpipeCampaignFailureRateHigh", "job": "magpipe", "batch_id": "c"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alertmanager := startAlertmanager(t, openInbox(t).url)
			test.alert["severity"] = "critical"
			post(t, alertmanager, test.alert, about[campaign], about[rate], about[account])
			eventually(t, 20*time.Second, func() string {
				var got string
				alerts := map[string]kept{}
				for _, a := range alertsAt(t, alertmanager) {
					alerts[a.Labels["alertname"]] = a
				}
				for _, who := range []string{campaign, rate, account} {
					switch state := alerts[about[who]["alertname"]].Status.State; state {
					case "suppressed":
						got += who
					case "active":
					default:
						return fmt.Sprintf("%s alert is %q", who, state)
					}
				}
				if got != test.suppressed {
					return fmt.Sprintf("suppressed: %q, want %q", got, test.suppressed)
				}
				return ""
			})
		})
	}
}

func post(t *testing.T, alertmanager *process.Process, labels ...map[string]string) {
	t.Helper()
	var alerts []map[string]any
	for _, l := range labels {
		alerts = append(alerts, map[string]any{"labels": l})
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+alertmanager.Address+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}
