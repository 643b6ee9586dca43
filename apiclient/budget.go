package apiclient

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Errors of Take, and of a request whose permit is used up.
var (
	ErrBudgetSpent = errors.New("the request budget is spent for now")
	ErrBackoff     = errors.New("the API asked for a pause")
	ErrPermitUsed  = errors.New("the permit was used for another request")
)

// Limits are the most requests in any minute and in any hour. Both are at least 1.
type Limits struct{ PerMinute, PerHour int }

// Budget decides whether one more request may be sent. One token bucket meets
// both limits: with burst b and refill r (per second) every minute holds at
// most b+60r and every hour at most b+3600r requests, wherever it starts. It
// is safe for concurrent use.
type Budget struct {
	limits Limits
	bucket *rate.Limiter

	mu        sync.Mutex
	pausedTo  time.Time
	account   RateLimit // what the API last said of its own window
	accountAt time.Time
}

// NewBudget makes a budget that starts with a 25th of the hour's requests, or
// a full bucket where that is less: a restart forgets what was spent before
// it, and a crash loop must not break the limits that the API documents.
func NewBudget(l Limits) *Budget {
	l = Limits{PerMinute: max(1, min(l.PerMinute, unlimited)), PerHour: max(1, min(l.PerHour, unlimited))}
	burst, refill := l.split()
	b := &Budget{limits: l, bucket: rate.NewLimiter(rate.Limit(refill), burst)}
	b.bucket.AllowN(time.Now(), burst-min(burst, max(1, l.PerHour/25)))
	return b
}

// unlimited is more requests than can ever be sent, and small enough to reckon with.
const unlimited = 1 << 40

// split divides the limits into a burst (requests) and a refill (requests per second).
func (l Limits) split() (burst int, refill float64) {
	m, h := float64(l.PerMinute), float64(l.PerHour)
	if l.PerMinute == 1 || l.PerHour == 1 {
		return 1, min(m/60, h/3600)
	}
	burst = max(1, min((60*l.PerMinute-l.PerHour)/59, max(1, l.PerHour/10)))
	return burst, min((m-float64(burst))/60, (h-float64(burst))/3600)
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

// Remaining is the number of requests that could be sent right now.
func (b *Budget) Remaining() int {
	now := time.Now()
	if b.paused(now) != nil {
		return 0
	}
	return max(0, int(b.bucket.TokensAt(now)))
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

// Limits are those that the budget was made with.
func (b *Budget) Limits() Limits { return b.limits }

// Burst is the most requests that can be sent at once.
func (b *Budget) Burst() int { return b.bucket.Burst() }

// Refill is the number of requests that the budget regains per second.
func (b *Budget) Refill() float64 { return float64(b.bucket.Limit()) }

// NearlyExhausted reports whether the account's own window is nearly spent, a tenth or
// less of it left, by whomever: reads that can wait should. It lasts until the
// window's reset, or a minute where the API names none.
func (b *Budget) NearlyExhausted() bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.account.Limit <= 0 || b.account.Remaining > b.account.Limit/10 {
		return false
	}
	reset := b.account.Reset
	if reset.IsZero() {
		reset = b.accountAt.Add(time.Minute)
	}
	return now.Before(reset)
}

// backOff stops all requests for a while, as a 429 asks.
func (b *Budget) backOff(wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(wait); until.After(b.pausedTo) {
		b.pausedTo = until
	}
}

func (b *Budget) observe(r RateLimit) {
	if r.Limit <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account, b.accountAt = r, time.Now()
}

// RateLimit is what the API said last of its own window.
func (b *Budget) RateLimit() RateLimit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account
}
