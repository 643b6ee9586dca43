package apiclient_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestABudgetSplitsItsLimitsIntoBurstAndRefill(t *testing.T) {
	for _, c := range []struct {
		minute, hour, burst int
		refill              float64 // per second
		first               int     // requests right after the start
	}{
		{50, 500, 42, 458.0 / 3600, 20},
		{100, 1000, 84, 916.0 / 3600, 40},
		{1, 1, 1, 1.0 / 3600, 1},
		{1, 500, 1, 1.0 / 60, 1},
		{1, 30, 1, 30.0 / 3600, 1},
		{50, 1, 1, 1.0 / 3600, 1},
		{2, 2, 1, 1.0 / 3600, 1},
		{2, 1000, 1, 1.0 / 60, 1},
		{100, 50, 5, 45.0 / 3600, 2},
		{3, 9, 1, 8.0 / 3600, 1},
		{1_000_000_000, 1_000_000_000, 100_000_000, 250_000, 40_000_000},
	} {
		limits := apiclient.Limits{PerMinute: c.minute, PerHour: c.hour}
		b := apiclient.NewBudget(limits)
		if b.Limits() != limits || b.Burst() != c.burst || math.Abs(b.Refill()/c.refill-1) > 1e-12 {
			t.Errorf("%+v: burst %d, refill %v, want %d, %v", b.Limits(), b.Burst(), b.Refill(), c.burst, c.refill)
		}
		synctest.Test(t, func(t *testing.T) {
			if n := apiclient.NewBudget(limits).Remaining(); n != c.first {
				t.Errorf("%+v: starts with %d, want %d", limits, n, c.first)
			}
		})
	}
}

func TestLimitsUnderOneCountAsOne(t *testing.T) {
	b := apiclient.NewBudget(apiclient.Limits{PerHour: -7})
	if b.Limits() != (apiclient.Limits{PerMinute: 1, PerHour: 1}) {
		t.Errorf("limits %+v", b.Limits())
	}
}

func TestNoMinuteAndNoHourHoldsMoreThanItsLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		// Small limits are as frequent as large ones, for that is where rounding hurts.
		l := apiclient.Limits{PerMinute: 1 + int(random.ExpFloat64()*40), PerHour: 1 + int(math.Pow(2000, random.Float64()))}
		synctest.Test(t, func(t *testing.T) {
			sent := greedy(l, random)
			if len(sent) < l.PerHour/2 && len(sent) < l.PerMinute {
				t.Errorf("%+v: only %d in two hours", l, len(sent))
			}
			crowd(t, sent, l.PerMinute, time.Minute)
			crowd(t, sent, l.PerHour, time.Hour)
		})
	}
}

// greedy takes whatever a budget gives for two hours, but for some idle gaps in which it fills.
func greedy(l apiclient.Limits, random *rand.Rand) (sent []time.Time) {
	b := apiclient.NewBudget(l)
	c := apiclient.New(apiclient.Config{Budget: b})
	next := time.Duration(float64(time.Second) / b.Refill())
	for begin := time.Now(); time.Since(begin) < 2*time.Hour; {
		for _, err := c.Take(); err == nil; _, err = c.Take() {
			sent = append(sent, time.Now())
		}
		switch random.IntN(50) {
		case 0:
			time.Sleep(time.Duration(random.Int64N(int64(20 * time.Minute))))
		case 1, 2, 3:
			time.Sleep(next)
		default:
			time.Sleep(time.Duration(random.Int64N(int64(10 * time.Second))))
		}
	}
	return sent
}

func crowd(t *testing.T, sent []time.Time, limit int, window time.Duration) {
	t.Helper()
	for i := range max(0, len(sent)-limit) {
		if span := sent[i+limit].Sub(sent[i]); span < window {
			t.Fatalf("%d requests within %v, %v allowed, from the %dth on", limit+1, span, window, i)
		}
	}
}

func TestAServerWithTheSameLimitsNeverRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := apiclient.Limits{PerMinute: 50, PerHour: 500}
		a := simulator.New(simulator.Options{PerMinute: limits.PerMinute, PerHour: limits.PerHour})
		budget := apiclient.NewBudget(limits)
		c := connect(t, apiclient.Config{Transport: inside(a), Budget: budget})
		for begin := time.Now(); time.Since(begin) < 3*time.Hour; time.Sleep(time.Second) {
			permit, err := c.Take()
			if err != nil {
				continue
			}
			if _, err := permit.Next(t.Context(), c.Batches().Walk()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(a.Requests()); n < 1370 || n > 1420 {
			t.Errorf("%d requests in three hours, 20 at the start and 458 each hour", n)
		}
	})
}

func TestWhatIsTakenComesBackWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := apiclient.NewBudget(apiclient.Limits{PerMinute: 50, PerHour: 500})
		c := apiclient.New(apiclient.Config{Budget: b})
		for want := 19; want >= 0; want-- {
			if _, err := c.Take(); err != nil || b.Remaining() != want {
				t.Fatalf("%v, %d left, want %d", err, b.Remaining(), want)
			}
		}
		if p, err := c.Take(); !errors.Is(err, apiclient.ErrBudgetSpent) || p != nil {
			t.Errorf("took %v, %v from an empty budget", p, err)
		}
		time.Sleep(7860 * time.Millisecond) // 3600/458 s is a little longer
		if n := b.Remaining(); n != 0 {
			t.Errorf("%d came back too early", n)
		}
		time.Sleep(time.Millisecond)
		if n := b.Remaining(); n != 1 {
			t.Errorf("%d came back after 7.861 s", n)
		}
		time.Sleep(time.Hour)
		if n := b.Remaining(); n != 42 {
			t.Errorf("%d after an idle hour, want the burst", n)
		}
	})
}

func TestAPermitPaysForOneRequest(t *testing.T) {
	a := unlimited(0)
	c := of(t, a)
	used := paid(t, c)
	if _, err := used.Next(t.Context(), c.Batches().Walk()); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*apiclient.Permit{"used": used, "missing": nil, "made by hand": {}} {
		_, listed := p.Next(t.Context(), c.Batches().Walk())
		_, got := p.Get(t.Context(), "x", nil)
		if !errors.Is(listed, apiclient.ErrPermitUsed) || !errors.Is(got, apiclient.ErrPermitUsed) {
			t.Errorf("%s permit: %v, %v", name, listed, got)
		}
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d requests reached the account", n)
	}
}

func TestAFailedRequestSpendsItsPermit(t *testing.T) {
	a := unlimited(0)
	a.Inject(simulator.Fault{Status: 500, Times: 1})
	c := of(t, a)
	p := paid(t, c)
	_, first := p.Next(t.Context(), c.Batches().Walk())
	if _, err := p.Next(t.Context(), c.Batches().Walk()); first == nil || !errors.Is(err, apiclient.ErrPermitUsed) {
		t.Errorf("first %v, then %v", first, err)
	}
}
