//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"magpipe_exporter/internal/acceptance/process"
)

// notification is what Alertmanager sends to a webhook.
type notification struct {
	Path        string    `json:"-"`
	At          time.Time `json:"-"`
	Receiver    string
	GroupLabels map[string]string
	Alerts      []alert
}

type alert struct {
	Status              string
	Labels, Annotations map[string]string
}

// inbox takes notifications.
type inbox struct {
	url string

	mu       sync.Mutex
	received []notification
	broken   []string
}

func openInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	server := httptest.NewServer(in)
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

func (in *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	n := notification{Path: r.URL.Path, At: time.Now()}
	err := json.NewDecoder(r.Body).Decode(&n)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.broken = append(in.broken, fmt.Sprintf("%s: %v", n.Path, err))
	}
	in.received = append(in.received, n)
}

func (in *inbox) all(t *testing.T) []notification {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.broken) > 0 {
		t.Errorf("unreadable notifications: %v", in.broken)
	}
	return slices.Clone(in.received)
}

// firing are the alerts that were told as firing since then, newest last.
func (in *inbox) firing(t *testing.T, since time.Time) []alert {
	t.Helper()
	var found []alert
	for _, n := range in.all(t) {
		for _, a := range n.Alerts {
			if a.Status == "firing" && n.At.After(since) {
				found = append(found, a)
			}
		}
	}
	return found
}

// kept is an alert as Alertmanager's API has it.
type kept struct {
	Labels      map[string]string
	Fingerprint string
	Status      struct {
		State       string
		InhibitedBy []string
	}
}

func alertsAt(t *testing.T, alertmanager *process.Process) []kept {
	t.Helper()
	var alerts []kept
	get(t, "http://"+alertmanager.Address+"/api/v2/alerts", &alerts)
	return alerts
}

// get reads JSON. It fails unless the answer is a 200.
func get(t *testing.T, url string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, request, into)
}

func send(t *testing.T, request *http.Request, into any) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %v", request.URL, response.Status, err, into)
	}
}
