package simulator_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// spend sends n requests that must all be answered.
func spend(t *testing.T, a *simulator.Account, n int) {
	t.Helper()
	for range n {
		read(t, a, `{"action":"list","limit":1}`)
	}
}

func refused(t *testing.T, a *simulator.Account, retryAfter string) {
	t.Helper()
	status, h, body := send(t, a, `{"action":"list"}`)
	if status != http.StatusTooManyRequests || h.Get("Retry-After") != retryAfter {
		t.Errorf("status %d, Retry-After %q, want 429 after %s", status, h.Get("Retry-After"), retryAfter)
	}
	if !strings.HasPrefix(body, `{"error":{"code":"rate_limit_exceeded","message":"`) {
		t.Errorf("body %s", body)
	}
}

func TestTheMinuteSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		spend(t, a, 40)
		time.Sleep(30 * time.Second)
		spend(t, a, 60)
		refused(t, a, "30")
		time.Sleep(29900 * time.Millisecond)
		refused(t, a, "1")
		time.Sleep(100 * time.Millisecond)
		spend(t, a, 40)
		refused(t, a, "30")
	})
}

func TestTheHourSlidesAndRefusedRequestsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		for range 10 {
			spend(t, a, 100)
			time.Sleep(time.Minute)
		}
		for range 50 {
			refused(t, a, "3000")
		}
		time.Sleep(50 * time.Minute)
		spend(t, a, 100)
		refused(t, a, "60")
	})
}

func TestLimitsCanBeSetAndLifted(t *testing.T) {
	a := simulator.New(simulator.Options{PerMinute: 3, PerHour: -1})
	spend(t, a, 3)
	if status, _, _ := send(t, a, `{"action":"list"}`); status != http.StatusTooManyRequests {
		t.Errorf("the fourth request got %d", status)
	}
	spend(t, simulator.New(simulator.Options{PerMinute: -1, PerHour: -1}), 1500)
}

func TestRateLimitHeadersShowTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{RateLimitHeaders: true, PerHour: 5})
		start := time.Now()
		spend(t, a, 1)
		time.Sleep(time.Minute)
		_, h, _ := send(t, a, `{"action":"list"}`)
		if h.Get("X-RateLimit-Limit") != "5" || h.Get("X-RateLimit-Remaining") != "3" {
			t.Errorf("header %v", h)
		}
		if got, want := h.Get("X-RateLimit-Reset"), start.Add(time.Hour).Unix(); got != strconv.FormatInt(want, 10) {
			t.Errorf("reset %s, want %d", got, want)
		}
		if h.Get("Date") != time.Now().UTC().Format(http.TimeFormat) {
			t.Errorf("date %q", h.Get("Date"))
		}
	})
}

func TestAnswersCarryNoRateLimitHeadersUnlessAsked(t *testing.T) {
	_, h, _ := send(t, simulator.New(simulator.Options{}), `{"action":"list"}`)
	if len(h) != 2 {
		t.Errorf("header %v, want Content-Type and Date", h)
	}
}

func TestOddRequestsAreAnsweredAsTheServiceDoes(t *testing.T) {
	a := simulator.New(simulator.Options{Key: "mgp_test"})
	id := a.Add(simulator.Campaign{})
	const unexpected = `{"error":"Unexpected end of JSON input"}`
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{"", 500, unexpected},
		{`{"action":"list"`, 500, `{"error":"`},
		{`[]`, 500, `{"error":"`},
		{`{"action":"frobnicate"}`, 400, `{"error":"Unknown action: frobnicate"}`},
		{`{"action":"get"}`, 400, `{"error":"batch_id is required"}`},
		{`{"action":"get","batch_id":"x"}`, 404, `{"error":"Batch not found"}`},
		{`{"action":"list_runs","parent_batch_id":"x"}`, 404, `{"error":"Batch not found"}`},
		{`{"action":"list","limit":10.5}`, 200, `{"batches":[]}`},
		{`{"action":"list","limit":"abc"}`, 200, `{"batches":[]}`},
		{`{"action":"list","offset":0.5}`, 200, `{"batches":[]}`},
		{`{"action":"list","offset":1000}`, 200, `{"batches":[]}`},
		{`{"action":"list","status":"nonsense"}`, 200, `{"batches":[]}`},
		{`{"action":"list","limit":1e1}`, 200, `{"batches":[{"id":"` + id},
		{`{"action":"list_runs","parent_batch_id":"` + id + `"}`, 200, `{"runs":[]}`},
	} {
		status, h, body := send(t, a, c.body)
		if status != c.status || !strings.HasPrefix(body, c.want) || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s, want %d %s", c.body, status, body, c.status, c.want)
		}
	}
	r := request(t, `{"action":"list"}`)
	r.Method = http.MethodGet
	if status, _, body := do(t, a, r); status != 500 || body != unexpected {
		t.Errorf("GET: %d %s", status, body)
	}
}

func TestAWrongKeyIsUnauthorized(t *testing.T) {
	for key, headers := range map[string][]string{
		"mgp_right": {"", "Bearer ", "Bearer mgp_wrong", "mgp_right", "Basic mgp_right"},
		"":          {"", "Bearer ", "mgp_any"},
	} {
		a := simulator.New(simulator.Options{Key: key})
		for _, h := range headers {
			r := request(t, `{"action":"list"}`)
			r.Header.Set("Authorization", h)
			if status, _, body := do(t, a, r); status != 401 || body != `{"error":"Unauthorized"}` {
				t.Errorf("key %q, header %q: %d %s", key, h, status, body)
			}
		}
		if log := a.Requests(); len(log) != len(headers) || log[0].Status != 401 {
			t.Errorf("log %+v", log)
		}
	}
}
