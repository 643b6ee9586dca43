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
