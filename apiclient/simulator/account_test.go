package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

type batch struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Status        string `json:"status"`
	Target        int    `json:"total_recipients"`
	Completed     int    `json:"completed_count"`
	Failed        int    `json:"failed_count"`
	CreatedAt     string `json:"created_at"`
	UpdatedAt     string `json:"updated_at"`
	StartedAt     string `json:"started_at"`
	CompletedAt   string `json:"completed_at"`
	Runs          int    `json:"recurrence_run_count"`
	Occurrence    int    `json:"occurrence_number"`
	ParentBatchID string `json:"parent_batch_id"`
}

type recipient struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	AttemptedAt *time.Time `json:"attempted_at"`
	CompletedAt *time.Time `json:"completed_at"`
}

type page struct {
	Batches    []batch     `json:"batches"`
	Batch      batch       `json:"batch"`
	Recipients []recipient `json:"recipients"`
	Runs       []batch     `json:"runs"`
}

// count gives how many recipients are in the states.
func (p page) count(states ...string) (n int) {
	for _, r := range p.Recipients {
		for _, s := range states {
			if r.Status == s {
				n++
			}
		}
	}
	return n
}

func request(t *testing.T, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://simulated/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer mgp_test")
	return r
}

// send returns the status, the header and the body of the answer.
func send(t *testing.T, a *simulator.Account, body string) (int, http.Header, string) {
	t.Helper()
	return do(t, a, request(t, body))
}

func do(t *testing.T, a *simulator.Account, r *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := a.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// read sends a request that must succeed.
func read(t *testing.T, a *simulator.Account, format string, args ...any) page {
	t.Helper()
	status, _, body := send(t, a, fmt.Sprintf(format, args...))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	var p page
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func list(t *testing.T, a *simulator.Account) page {
	t.Helper()
	return read(t, a, `{"action":"list","limit":1000}`)
}

func get(t *testing.T, a *simulator.Account, id string) page {
	t.Helper()
	return read(t, a, `{"action":"get","batch_id":%q}`, id)
}

// brisk is a campaign that is through in some minutes.
func brisk(recipients int) simulator.Campaign {
	return simulator.Campaign{
		Name: "Brisk", Recipients: recipients, MaxConcurrency: 3,
		DialEvery: 10 * time.Second, CallLength: 8 * time.Second,
	}
}
