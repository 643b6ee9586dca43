package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

func TestAFaultReplacesTheAnswer(t *testing.T) {
	a := simulator.New(simulator.Options{})
	id := a.Add(simulator.Campaign{Recipients: 3})
	for _, c := range []struct {
		fault  simulator.Fault
		status int
		body   string
		kind   string
	}{
		{simulator.Fault{Status: 503}, 503, `{"error":"Service Unavailable"}`, "application/json"},
		{
			simulator.Fault{Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}},
			502, "<html>", "text/html",
		},
		{simulator.Fault{Body: "{}"}, 200, "{}", "application/json"},
	} {
		remove := a.Inject(c.fault)
		status, h, body := send(t, a, `{"action":"list"}`)
		if status != c.status || body != c.body || h.Get("Content-Type") != c.kind {
			t.Errorf("%+v: %d %s %s", c.fault, status, h.Get("Content-Type"), body)
		}
		remove()
		remove()
	}
	a.Inject(simulator.Fault{Header: http.Header{"Retry-After": {"9"}}, NoRecipients: true, Action: "get", Times: 1})
	_, h, body := send(t, a, `{"action":"get","batch_id":"`+id+`"}`)
	if h.Get("Retry-After") != "9" || !strings.Contains(body, `"recipients":[]`) {
		t.Errorf("header %v, body %s", h, body)
	}
	if n := len(get(t, a, id).Recipients); n != 3 {
		t.Errorf("%d recipients after the fault", n)
	}
}

func TestFaultsApplyToWhatTheyNameAndTheNewestWins(t *testing.T) {
	a := simulator.New(simulator.Options{})
	first, second := a.Add(simulator.Campaign{}), a.Add(simulator.Campaign{})
	a.Inject(simulator.Fault{BatchID: first, Status: 500})
	a.Inject(simulator.Fault{Action: "get", Status: 404, Times: 2})
	expect := func(body string, want int) {
		t.Helper()
		if status, _, _ := send(t, a, body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
	expect(`{"action":"list"}`, 200)
	expect(`{"action":"get","batch_id":"`+first+`"}`, 404)
	expect(`{"action":"get","batch_id":"`+second+`"}`, 404)
	expect(`{"action":"get","batch_id":"`+first+`"}`, 500)
	expect(`{"action":"get","batch_id":"`+second+`"}`, 200)
}

func TestLatencyDelaysTheAnswerAndHangingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		begin := time.Now()
		a.Inject(simulator.Fault{Latency: 7 * time.Second, Times: 1})
		read(t, a, `{"action":"list"}`)
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("answered after %v", took)
		}
		for _, f := range []simulator.Fault{{Hang: true}, {Latency: time.Hour}} {
			f.Times = 1
			a.Inject(f)
			begin = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			_, err := a.Client().Do(request(t, `{"action":"list"}`).WithContext(ctx))
			cancel()
			if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 20*time.Second {
				t.Errorf("%+v: %v after %v", f, err, took)
			}
		}
		client := a.Client()
		client.Timeout = 5 * time.Second
		a.Inject(simulator.Fault{Hang: true, Times: 1})
		if _, err := client.Do(request(t, `{"action":"list"}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the client's own timeout: %v", err)
		}
		if log := a.Requests(); log[0].Status != 200 || log[1].Status != 0 || log[2].Status != 0 {
			t.Errorf("log %+v", log)
		}
	})
}

func TestADelayedAnswerShowsTheStateAtTheEndOfTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{})
		a.Inject(simulator.Fault{Latency: time.Minute})
		go func() {
			time.Sleep(time.Second)
			a.SetStatus(id, "odd")
		}()
		if got := get(t, a, id).Batch.Status; got != "odd" {
			t.Errorf("status %s", got)
		}
	})
}

func TestACutBodyBreaksOffInProcess(t *testing.T) {
	a := simulator.New(simulator.Options{})
	a.Inject(simulator.Fault{CutAfter: 5})
	resp, err := a.Client().Do(request(t, `{"action":"list"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != `{"bat` || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestOverASocketTheAnswersAreTheSame(t *testing.T) {
	a := simulator.New(simulator.Options{})
	id := a.Add(simulator.Campaign{Recipients: 300})
	server := httptest.NewServer(a)
	defer server.Close()
	exchange := func(ctx context.Context) (string, http.Header, error) {
		body := strings.NewReader(`{"action":"get","batch_id":"` + id + `"}`)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
		if err != nil {
			return "", nil, err
		}
		r.Header.Set("Authorization", "Bearer k")
		resp, err := server.Client().Do(r)
		if err != nil {
			return "", nil, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), resp.Header, err
	}
	_, _, inProcess := send(t, a, `{"action":"get","batch_id":"`+id+`"}`)
	overSocket, h, err := exchange(t.Context())
	if err != nil || overSocket != inProcess || len(h["Date"]) != 1 {
		t.Errorf("%v, header %v, %d and %d bytes", err, h, len(overSocket), len(inProcess))
	}
	a.Inject(simulator.Fault{CutAfter: 1000, Times: 1})
	if body, _, err := exchange(t.Context()); len(body) != 1000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %d bytes, %v", len(body), err)
	}
	a.Inject(simulator.Fault{Hang: true, Times: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := exchange(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
}

func TestTheClientHonoursTheContext(t *testing.T) {
	a := simulator.New(simulator.Options{})
	a.Add(simulator.Campaign{})
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := a.Client().Do(request(t, `{"action":"list"}`).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on: %v", err)
	}
	if _, err := a.Client().Do(request(t, `{"action":"list"}`).WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("asking on: %v", err)
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d requests came in", n)
	}
}
