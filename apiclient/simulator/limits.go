package simulator

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// limits are the two sliding windows of the service; a negative one has no limit. Refused requests do not count.
type limits struct {
	minute, hour int
	answered     []time.Time // within the last hour, oldest first
}

// take counts one request, or tells how long to wait until one fits.
func (l *limits) take(now time.Time) (wait time.Duration) {
	l.forget(now)
	wait = max(l.wait(l.minute, time.Minute, now), l.wait(l.hour, time.Hour, now))
	if wait <= 0 && (l.minute >= 0 || l.hour >= 0) {
		l.answered = append(l.answered, now)
	}
	return wait
}

func (l *limits) forget(now time.Time) {
	horizon := time.Hour
	if l.hour < 0 {
		horizon = time.Minute
	}
	for len(l.answered) > 0 && now.Sub(l.answered[0]) >= horizon {
		l.answered = l.answered[1:]
	}
}

func (l *limits) wait(limit int, window time.Duration, now time.Time) time.Duration {
	if limit < 0 || len(l.answered) < limit {
		return 0
	}
	return window - now.Sub(l.answered[len(l.answered)-limit])
}

// show sends what is left of the hour.
func (l *limits) show(h http.Header, now time.Time) {
	if l.hour < 0 {
		return
	}
	reset := now.Add(time.Hour)
	if len(l.answered) > 0 {
		reset = l.answered[0].Add(time.Hour)
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(l.hour))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, l.hour-len(l.answered))))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}

// refuse answers a request that exceeds a limit.
func refuse(wait time.Duration) answer {
	h := make(http.Header)
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return answer{
		status: http.StatusTooManyRequests,
		header: h,
		body:   []byte(`{"error":{"code":"rate_limit_exceeded","message":"Too many requests, try again later"}}`),
	}
}
