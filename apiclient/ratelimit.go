package apiclient

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RateLimit is what the API says of its own window in X-RateLimit headers.
// Which of its windows that is, it does not say. The zero value means that the
// headers were missing, which is normal.
type RateLimit struct {
	Limit     int       // requests in the window; 0: unknown
	Remaining int       // of them left
	Reset     time.Time // when the window ends, by our clock; zero: unknown
}

func parseRateLimit(h http.Header) RateLimit {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	if err != nil || limit <= 0 {
		return RateLimit{}
	}
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || remaining < 0 {
		return RateLimit{}
	}
	r := RateLimit{Limit: limit, Remaining: remaining}
	if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && reset > 0 {
		r.Reset = time.Unix(reset, 0)
	}
	return r
}

const (
	defaultBackoff = 10 * time.Second
	maxBackoff     = time.Hour
)

// parseRetryAfter reads a Retry-After header: seconds, or an HTTP date, which
// is compared with the answer's own Date where it has one. What is missing,
// unreadable or not in the future means 10 s; an hour is the most.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, uint64(maxBackoff/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		wait = at.Sub(now)
	}
	if wait <= 0 {
		return defaultBackoff
	}
	return min(wait, maxBackoff)
}
