package apiclient

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Errors of Take, and of a request whose permit is no longer valid.
var (
	ErrBudgetSpent = errors.New("the request budget is spent for now")
	ErrBackoff     = errors.New("the API asked for a pause")
	ErrPermitUsed  = errors.New("the permit was used for another request")
)

// Limits are the maximum number of requests in any minute and in any hour. Both
// are at least 1.
type Limits struct{ PerMinute, PerHour int }

// Budget decides whether one more request may be sent. A single token bucket
// keeps both limits: with burst b and refill r (per second), there are at most
// b+60r requests in any minute and at most b+3600r in any hour. It is safe for
// concurrent use.
type Budget struct {
	limits Limits
	bucket *rate.Limiter

	mu            sync.Mutex
	pausedTo      time.Time
	rateLimit     RateLimit // what the API last reported about its own window
	rateLimitEnds time.Time // when rateLimit expires
}

// NewBudget makes a budget that starts with a 25th of the hour's requests, or
// with a full bucket if that is less. After a restart, what was spent before is
// forgotten, and a crash loop must not exceed the API's documented limits.
func NewBudget(l Limits) *Budget {
	l = Limits{PerMinute: max(1, min(l.PerMinute, unlimited)), PerHour: max(1, min(l.PerHour, unlimited))}
	burst, refill := l.split()
	b := &Budget{limits: l, bucket: rate.NewLimiter(rate.Limit(refill), burst)}
	b.bucket.AllowN(time.Now(), burst-min(burst, max(1, l.PerHour/25)))
	return b
}

// BudgetState is what a Budget knows about the requests sent, to be kept across
// restarts.
type BudgetState struct {
	At            time.Time // of the state
	Tokens        float64   // requests that the bucket would have paid for then
	PausedTo      time.Time // the end of the pause that the API asked for; zero: none
	RateLimit     RateLimit
	RateLimitEnds time.Time
}

// State returns what the budget knows now.
func (b *Budget) State() BudgetState {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return BudgetState{At: now, Tokens: b.bucket.TokensAt(now), PausedTo: b.pausedTo, RateLimit: b.rateLimit, RateLimitEnds: b.rateLimitEnds}
}

// Restore continues from an earlier state, since which the bucket has refilled.
// The budget must not have been used yet.
func (b *Budget) Restore(s BudgetState) {
	now := time.Now()
	burst := float64(b.Burst())
	tokens := s.Tokens + b.Refill()*max(0, now.Sub(s.At).Seconds())
	b.bucket = rate.NewLimiter(b.bucket.Limit(), b.Burst())
	b.bucket.AllowN(now, int(math.Ceil(burst-max(0, min(burst, tokens)))))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pausedTo = s.PausedTo
	if latest := now.Add(longestPause); b.pausedTo.After(latest) {
		b.pausedTo = latest
	}
	b.rateLimit, b.rateLimitEnds = s.RateLimit, s.RateLimitEnds
}

// unlimited is more requests than can ever be sent, and small enough to calculate with.
const unlimited = 1 << 40

// split divides the limits into a burst (requests) and a refill (requests per second).
func (l Limits) split() (burst int, refill float64) {
	m, h := float64(l.PerMinute), float64(l.PerHour)
	if l.PerMinute == 1 || l.PerHour == 1 {
		return 1, min(m/60, h/3600)
	}
	// However high the limit per hour, half of the requests of a minute stay for
	// the burst. Otherwise a scrape could send one request, whatever was regained.
	hour := min(l.PerHour, 30*l.PerMinute)
	burst = max(1, min((60*l.PerMinute-hour)/59, max(1, l.PerHour/10)))
	return burst, min((m-float64(burst))/60, (h-float64(burst))/3600)
}

// Limits returns the limits that the budget was made with.
func (b *Budget) Limits() Limits { return b.limits }

// Burst returns the maximum number of requests that can be sent at once.
func (b *Budget) Burst() int { return b.bucket.Burst() }

// Refill returns the number of requests that the budget regains per second.
func (b *Budget) Refill() float64 { return float64(b.bucket.Limit()) }

// Remaining returns the number of requests that could be sent right now.
func (b *Budget) Remaining() int {
	now := time.Now()
	if b.paused(now) != nil {
		return 0
	}
	return max(0, int(b.bucket.TokensAt(now)))
}

// take pays for one request, or returns ErrBudgetSpent or ErrBackoff.
func (b *Budget) take() error {
	now := time.Now()
	if err := b.paused(now); err != nil {
		return err
	}
	if !b.bucket.AllowN(now, 1) {
		return ErrBudgetSpent
	}
	return nil
}

// paused returns ErrBackoff while the API has asked for a pause.
func (b *Budget) paused(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.pausedTo) {
		return ErrBackoff
	}
	return nil
}

// pause stops all requests for a while. It does not shorten a longer pause.
func (b *Budget) pause(wait time.Duration) {
	if wait <= 0 {
		return // a pause until now would refuse whoever has looked at the clock just before
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(wait); until.After(b.pausedTo) {
		b.pausedTo = until
	}
}

// RateLimit is what the API reports about its own rate limit window in
// X-RateLimit headers. The API does not say whether that window is the minute or
// the hour. The zero value means that the headers were missing, which is normal.
type RateLimit struct {
	Limit     int       // requests in the window; 0: unknown
	Remaining int       // how many of them are left
	Reset     time.Time // when the window ends, by the local clock; zero: unknown
}

// RateLimit returns what the latest answer with X-RateLimit headers reported. It
// returns the zero value once that window has ended, or after a minute if the
// answer did not say when the window ends.
func (b *Budget) RateLimit() RateLimit {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !time.Now().Before(b.rateLimitEnds) {
		return RateLimit{}
	}
	return b.rateLimit
}

// NearlyExhausted reports whether a tenth or less of the API's own window is
// left, no matter which client used it up. Reads that can wait should wait then.
func (b *Budget) NearlyExhausted() bool {
	r := b.RateLimit()
	return r.Limit > 0 && r.Remaining <= r.Limit/10
}

func (b *Budget) observe(r RateLimit) {
	if r.Limit <= 0 {
		return
	}
	ends := r.Reset
	if ends.IsZero() {
		ends = time.Now().Add(time.Minute)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rateLimit, b.rateLimitEnds = r, ends
}

// parseRateLimit reads the X-RateLimit headers of an answer that arrived now. The
// reset is in Unix seconds by the clock of the answer's Date, if it has one. It
// is ignored if it is more than an hour ahead, since no window of the API is longer.
func parseRateLimit(h http.Header, now time.Time) RateLimit {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	if err != nil || limit <= 0 {
		return RateLimit{}
	}
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || remaining < 0 {
		return RateLimit{}
	}
	r := RateLimit{Limit: limit, Remaining: remaining}
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if date := dateOf(h, now); err == nil && reset > 0 && reset-date.Unix() <= int64(time.Hour/time.Second) {
		r.Reset = now.Add(time.Unix(reset, 0).Sub(date))
	}
	return r
}

// dateOf returns the Date of an answer, or the local time of its arrival if it
// has none.
func dateOf(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

const (
	defaultPause = 10 * time.Second
	longestPause = time.Hour
)

// pauseAsked returns the pause that an answer asks for: a 429 always asks for
// one, a 503 only with a Retry-After, and other answers never do.
func pauseAsked(status int, h http.Header, now time.Time) time.Duration {
	switch {
	case status == http.StatusTooManyRequests,
		status == http.StatusServiceUnavailable && h.Get("Retry-After") != "":
		return parseRetryAfter(h, now)
	}
	return 0
}

// parseRetryAfter reads a Retry-After header: seconds, of which some servers send
// fractions, or an HTTP date by the clock of the answer's own Date, if it has one.
// What is missing, unreadable or not in the future means 10 s; an hour is the most.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	wait := time.Duration(0)
	if seconds, err := strconv.ParseFloat(value, 64); seconds > 0 && (err == nil || errors.Is(err, strconv.ErrRange)) {
		wait = time.Duration(min(seconds, longestPause.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(dateOf(h, now))
	}
	if wait <= 0 {
		return defaultPause
	}
	return min(wait, longestPause)
}
