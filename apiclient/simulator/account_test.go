package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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
	Phone       string     `json:"phone_number"`
	RecordID    string     `json:"call_record_id"`
	Error       string     `json:"error_message"`
	AttemptedAt *time.Time `json:"attempted_at"`
	CompletedAt *time.Time `json:"completed_at"`
}

type page struct {
	Batches    []batch     `json:"batches"`
	Batch      batch       `json:"batch"`
	Recipients []recipient `json:"recipients"`
	Runs       []batch     `json:"runs"`
}

// count returns how many recipients are in the states.
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

// newestEnd returns the newest completed_at.
func (p page) newestEnd() (newest time.Time) {
	for _, r := range p.Recipients {
		if r.CompletedAt != nil && r.CompletedAt.After(newest) {
			newest = *r.CompletedAt
		}
	}
	return newest.UTC()
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

// brisk returns a campaign that ends within some minutes.
func brisk(recipients int) simulator.Campaign {
	return simulator.Campaign{
		Name: "Brisk", Recipients: recipients, MaxConcurrency: 3,
		DialEvery: 10 * time.Second, CallLength: 8 * time.Second,
	}
}

func TestTheSameSeedGivesTheSameHistoryHoweverOftenItIsAsked(t *testing.T) {
	history := func(o simulator.Options, poll time.Duration) (calls []simulator.Call, rows []batch) {
		synctest.Test(t, func(t *testing.T) {
			a := simulator.Demo(o)
			recurring := a.Add(simulator.Campaign{
				Recurrence: "hourly", Recipients: 20, RunEvery: 31 * time.Minute, DialEvery: 20 * time.Second,
			})
			for range 3 * time.Hour / poll {
				time.Sleep(poll)
				list(t, a)
			}
			a.Cancel(recurring)
			rows = list(t, a).Batches
			calls = a.Calls()
		})
		return calls, rows
	}
	for _, o := range []simulator.Options{{Seed: 7}, {Seed: 7, DialBatches: 2, DialTurn: 5 * time.Minute}} {
		calls, rows := history(o, 3*time.Hour)
		for _, poll := range []time.Duration{time.Hour, 10 * time.Minute, 45 * time.Second} {
			again, rowsAgain := history(o, poll)
			if !slices.Equal(calls, again) || !reflect.DeepEqual(rows, rowsAgain) {
				t.Errorf("polling every %v changes the history: %d calls, then %d", poll, len(calls), len(again))
			}
		}
		o.Seed++
		if other, _ := history(o, time.Hour); slices.Equal(calls, other) {
			t.Error("another seed gives the same history")
		}
	}
}

func TestAFrozenBatchDoesNotMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Recipients: 3})
		before := get(t, a, id)
		time.Sleep(24 * time.Hour)
		if after := get(t, a, id); !reflect.DeepEqual(before, after) {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

func TestThePastOfACampaignIsPlayedWhenItIsAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(30)
		c.CreatedAt = time.Now().Add(-24 * time.Hour)
		id := a.Add(c)
		done := a.Add(simulator.Campaign{
			Status: "completed", Recipients: 10, CreatedAt: c.CreatedAt, CompletedAt: c.CreatedAt.Add(time.Hour),
		})
		for _, id := range []string{id, done} {
			p := get(t, a, id)
			if n := p.count("completed", "failed", "busy", "no_answer"); p.Batch.Status != "completed" || n != p.Batch.Target {
				t.Errorf("%s, %d of %d ended", p.Batch.Status, n, p.Batch.Target)
			}
		}
		if calls := a.Calls(); len(calls) != 40 || !calls[39].AttemptedAt.Before(c.CreatedAt.Add(time.Hour)) {
			t.Errorf("%d calls", len(calls))
		}
	})
}
