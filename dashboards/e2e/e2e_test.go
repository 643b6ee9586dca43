//go:build e2e

// Package e2e_test runs what an operator runs: the exporter on its demo, Prometheus and Alertmanager with the shipped
// configs and rules, and a receiver that takes the notifications. `make e2e` builds what it needs.
package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// guard is the whole set-up.
type guard struct {
	exporter, alertmanager *process.Process
	prometheus             server
	inbox                  *inbox
}

// find looks for the programs, the first of which will do.
func find(t *testing.T, programs ...string) string {
	t.Helper()
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	t.Fatalf("none of %v is there: start the tests with make e2e; Alertmanager has to be installed", programs)
	return ""
}

func startAlertmanager(t *testing.T, receiver string) *process.Process {
	t.Helper()
	dir := t.TempDir()
	return start(t, find(t, "prometheus-alertmanager", "alertmanager"),
		"--config.file="+copyAlertmanagerConfig(t, dir, receiver), "--storage.path="+dir,
		"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
}

func stand(t *testing.T) guard {
	t.Helper()
	g := guard{inbox: openInbox(t)}
	g.alertmanager = startAlertmanager(t, g.inbox.url)
	g.exporter = start(t, find(t, "../../magpipe_exporter"), "--demo", "--web.listen-address=127.0.0.1:0", "--state.file="+filepath.Join(t.TempDir(), "state"),
		"--collector.min-refresh="+shrink(t, "10s"), "--collector.max-staleness="+shrink(t, "5m"))
	dir := t.TempDir()
	copyPrometheusConfig(t, dir, g.exporter.Address, g.alertmanager.Address)
	g.prometheus = server{start(t, find(t, "../../dist/tools/prometheus"),
		"--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0",
		"--query.lookback-delta="+shrink(t, "5m"), "--rules.alert.resend-delay="+shrink(t, "1m"))}
	return g
}

func TestFromCallsToNotifications(t *testing.T) {
	g := stand(t)
	began := time.Now()
	for _, step := range []struct {
		name string
		test func(*testing.T, guard)
	}{
		{"each campaign in trouble arrives", arrive},
		{"each notification is whole and about one campaign", whole},
		{"the healthy campaign is silent", silent},
		{"Prometheus scrapes without fault", scrapes},
		{"every expression has a result", evaluate},
		{"a dead exporter is told and silences its campaigns", inhibit},
		{"the healthy campaign is still silent", silent},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.test(t, g)
			t.Logf("done %s after the start", time.Since(began).Round(time.Second))
		})
	}
}

// inhibit stops the exporter. The alert on the failing campaign outlives it, for it looks an hour back.
func inhibit(t *testing.T, g guard) {
	t.Helper()
	const name = "Reconquête clients – été"
	if err := g.exporter.Stop(); err != nil {
		t.Fatal(err)
	}
	if len(g.exporter.Complaints()) > 1 { // the demo warns that it is one
		t.Errorf("the exporter complains: %q", g.exporter.Complaints())
	}
	stopped := time.Now()
	eventually(t, time.Minute, func() string {
		for _, a := range g.inbox.firing(t, stopped) {
			if a.Labels["alertname"] == "MagpipeExporterDown" {
				return ""
			}
		}
		return "nobody heard that the exporter is down"
	})
	told := time.Now()
	eventually(t, 20*time.Second, func() string {
		alerts := alertsAt(t, g.alertmanager)
		var down string
		for _, a := range alerts {
			if a.Labels["alertname"] == "MagpipeExporterDown" {
				down = a.Fingerprint
			}
		}
		for _, a := range alerts {
			if a.Labels["name"] == name && a.Status.State == "suppressed" && slices.Contains(a.Status.InhibitedBy, down) {
				return ""
			}
		}
		return fmt.Sprintf("the alert on %s is not inhibited: %v", name, alerts)
	})
	// Three more notifications on the exporter take longer than one on the campaign would.
	eventually(t, time.Minute, func() string {
		again := 0
		for _, a := range g.inbox.firing(t, told.Add(time.Second)) {
			switch {
			case a.Labels["alertname"] == "MagpipeExporterDown":
				again++
			case a.Labels["batch_id"] != "":
				t.Fatalf("told of a campaign while the exporter is down: %v", a.Labels)
			}
		}
		if again < 3 {
			return fmt.Sprintf("heard %d times more that the exporter is down", again)
		}
		return ""
	})
	for _, a := range alertsAt(t, g.alertmanager) {
		if a.Labels["name"] == name {
			return
		}
	}
	t.Errorf("the alert on %s has ended meanwhile: its silence proves nothing", name)
}
