package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// api answers as the service does. What the accounts answered once is kept, so that the server costs next to nothing
// while others are measured.
type api struct {
	url string

	mu       sync.Mutex
	accounts []*simulator.Account // turn by turn; one that is alone answers afresh each time
	turn     int
	kept     map[string][]byte
	requests int
}

// serveAPI serves on a free port of the loopback until the context is done.
func serveAPI(ctx context.Context, accounts ...*simulator.Account) (*api, error) {
	a := &api{accounts: accounts, kept: map[string][]byte{}}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the account: %w", err)
	}
	a.url = "http://" + listener.Addr().String() + "/"
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing of it is wanted any more
	go func() { _ = server.Serve(listener) }()
	return a, nil
}

// ServeHTTP answers with what the account of this turn says.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "no question", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(question))
	a.mu.Lock()
	a.requests++
	account := a.accounts[a.turn%len(a.accounts)]
	key := fmt.Sprintf("%d %s", a.turn%len(a.accounts), question)
	answer := a.kept[key]
	a.mu.Unlock()
	if len(a.accounts) == 1 {
		account.ServeHTTP(w, r)
		return
	}
	if answer == nil {
		if answer, err = ask(account, r); err != nil {
			http.Error(w, "no answer", http.StatusInternalServerError)
			return
		}
		a.mu.Lock()
		a.kept[key] = answer
		a.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) //nolint:gosec // JSON, to programs
}

func ask(account *simulator.Account, r *http.Request) ([]byte, error) {
	request := r.Clone(r.Context())
	request.RequestURI, request.URL.Scheme, request.URL.Host = "", "http", "simulator"
	response, err := account.Client().Do(request) //nolint:gosec // the account is in this process
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the account answers %s", response.Status)
	}
	return io.ReadAll(response.Body)
}

// asked tells how many requests there were.
func (a *api) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// next has the rows change.
func (a *api) next() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
}

func newAccount() *simulator.Account {
	return simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1})
}

// ended makes two turns of an account whose batches have ended, so that one list request tells all there is. Every row
// of one turn differs from the other's.
func ended(n int) (turns []*simulator.Account) {
	now := time.Now()
	for turn := range 2 {
		account := newAccount()
		addEnded(account, now, n, turn)
		turns = append(turns, account)
	}
	return turns
}

func addEnded(account *simulator.Account, now time.Time, n, turn int) {
	statuses := strings.Fields("completed completed completed completed completed completed completed completed cancelled failed")
	for i := range n {
		over := now.Add(-time.Hour - time.Duration(i)*time.Second)
		id := account.Add(simulator.Campaign{
			Name: fmt.Sprintf("Spring reminder %04d", i), Status: statuses[i%len(statuses)], Recipients: 25,
			CreatedAt: over.Add(-2 * time.Hour), ScheduledAt: over.Add(-time.Hour), StartedAt: over.Add(-time.Hour),
			CompletedAt: over, UpdatedAt: over.Add(time.Duration(turn) * time.Second),
			WindowStart: "09:00:00", WindowEnd: "17:00:00", WindowDays: []int{1, 2, 3, 4, 5}, MaxConcurrency: 1 + i%5,
		})
		account.Set(id, "completed_count", 12+turn)
	}
}

// recipients is how many a running batch has: as many as the service lets one have.
const recipients = 500

// addRunning adds batches that have dialled two thirds of their recipients; they go on if they move.
func addRunning(account *simulator.Account, now time.Time, n int, moves bool) {
	for i := range n {
		c := simulator.Campaign{
			Name: fmt.Sprintf("Autumn survey %04d", i), Recipients: recipients, MaxConcurrency: 5,
			CreatedAt: now.Add(-time.Hour - time.Duration(i)*time.Second), StartedAt: now.Add(-330 * time.Second),
		}
		if moves {
			c.DialEvery, c.CallLength = 5*time.Second, 4*time.Second
		}
		id := account.Add(c)
		if !moves {
			account.SetRecipients(id, called(now))
		}
	}
}

// called are recipients of whom most have been called.
func called(now time.Time) []simulator.Recipient {
	statuses := strings.Fields("completed completed completed failed busy no_answer ringing pending pending")
	all := make([]simulator.Recipient, recipients)
	for i := range all {
		r := simulator.Recipient{Status: statuses[i%len(statuses)]}
		if r.Status != "pending" {
			r.AttemptedAt = now.Add(time.Duration(i-2*recipients) * time.Second)
		}
		if r.Status != "pending" && r.Status != "ringing" {
			r.CompletedAt = r.AttemptedAt.Add(time.Duration(20+i%70) * time.Second)
		}
		all[i] = r
	}
	return all
}
