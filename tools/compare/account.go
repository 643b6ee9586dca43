package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

const madeUpKey = "mgp_0123456789abcdef0123456789abcdef01234567"

// recipients is the number of recipients of a running batch. The service allows no more.
const recipients = 500

// account serves its turns, one after the other.
type account struct {
	*httptest.Server
	turns          []http.Handler
	turn, requests atomic.Int64
}

func serve(turns ...http.Handler) *account {
	a := &account{turns: turns}
	a.Server = httptest.NewServer(a)
	return a
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	a.turns[int(a.turn.Load())%len(a.turns)].ServeHTTP(w, r)
}

// frozen keeps the answers of an account, so that rendering them does not count in the measurement.
type frozen struct {
	account *simulator.Account
	mu      sync.Mutex
	answers map[string]*httptest.ResponseRecorder // by request
}

func (f *frozen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := f.answer(r, string(request))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // fails only if the program has disconnected
}

func (f *frozen) answer(r *http.Request, request string) *httptest.ResponseRecorder {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers[request] == nil {
		r.Body = io.NopCloser(strings.NewReader(request))
		f.answers[request] = httptest.NewRecorder()
		f.account.ServeHTTP(f.answers[request], r)
	}
	return f.answers[request]
}

// frozenTurns returns two turns of an account with batches that have ended, whose rows all change with the turn, and
// with running ones that have stalled.
func frozenTurns(ended, stalled int) (turns []http.Handler) {
	now := time.Now()
	for turn := range 2 {
		account := newAccount()
		for i := range ended {
			c := endedBatch(i, now.Add(-time.Hour))
			c.UpdatedAt = c.CompletedAt.Add(time.Duration(turn) * time.Second)
			account.Set(account.Add(c), "completed_count", 12+turn)
		}
		addRunning(account, stalled, simulator.Campaign{StartedAt: now.Add(-time.Hour), StallAfter: recipients * 3 / 4, StuckCalls: 1})
		turns = append(turns, &frozen{account: account, answers: make(map[string]*httptest.ResponseRecorder)})
	}
	return turns
}

func endedBatch(i int, lastEnd time.Time) simulator.Campaign {
	end := lastEnd.Add(-time.Duration(i) * time.Second)
	return simulator.Campaign{
		Name: fmt.Sprintf("Spring reminder %04d", i), Recipients: 25, MaxConcurrency: 1 + i%5,
		Status:    cmp.Or(map[int]string{8: "cancelled", 9: "failed"}[i%10], "completed"),
		CreatedAt: end.Add(-2 * time.Hour), ScheduledAt: end.Add(-time.Hour), StartedAt: end.Add(-time.Hour), CompletedAt: end,
		WindowStart: "09:00:00", WindowEnd: "17:00:00", WindowDays: []int{1, 2, 3, 4, 5},
	}
}

// calling returns an account with batches that have called two thirds of their recipients and are still calling.
func calling(batches int) *simulator.Account {
	account := newAccount()
	addRunning(account, batches, simulator.Campaign{StartedAt: time.Now().Add(-330 * time.Second)})
	return account
}

func newAccount() *simulator.Account {
	return simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
}

func addRunning(account *simulator.Account, n int, c simulator.Campaign) {
	c.Recipients, c.MaxConcurrency, c.DialEvery, c.CallLength = recipients, 5, 5*time.Second, 4*time.Second
	for i := range n {
		c.Name, c.CreatedAt = fmt.Sprintf("Autumn survey %04d", i), c.StartedAt.Add(-time.Duration(i)*time.Second)
		account.Add(c)
	}
}
