package apiclient_test

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
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
		{100, 6000, 50, 50.0 / 60, 50},
		{100, 1_000_000, 50, 50.0 / 60, 50},
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
		// Small limits are as frequent as large ones, because rounding matters most for them.
		l := apiclient.Limits{PerMinute: 1 + int(random.ExpFloat64()*40), PerHour: 1 + int(math.Pow(2000, random.Float64()))}
		synctest.Test(t, func(t *testing.T) {
			sent := greedy(l, random)
			if len(sent) < l.PerHour/2 && len(sent) < l.PerMinute {
				t.Errorf("%+v: only %d in two hours", l, len(sent))
			}
			hold(t, sent, l.PerMinute, time.Minute)
			hold(t, sent, l.PerHour, time.Hour)
		})
	}
}

// greedy takes all that a budget gives for two hours, except in idle periods in which it refills.
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

func hold(t *testing.T, sent []time.Time, limit int, window time.Duration) {
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

func TestAfterA429NothingIsSentUntilItsTimeHasCome(t *testing.T) {
	// The clocks differ by a day, so that the result shows which one a date is compared with.
	local := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's clock starts
	remote := local.AddDate(0, 0, 1)
	in := func(from time.Time, wait time.Duration) []string {
		return []string{from.Add(wait).Format(http.TimeFormat)}
	}
	date := in(remote, 0)
	for name, c := range map[string]struct {
		after, date []string
		want        time.Duration
	}{
		"seconds":                 {[]string{"37"}, date, 37 * time.Second},
		"seconds with blanks":     {[]string{" 37 "}, nil, 37 * time.Second},
		"date by the API's clock": {in(remote, 90*time.Second), date, 90 * time.Second},
		"date by the local clock": {in(local, 90*time.Second), nil, 90 * time.Second},
		"missing":                 {nil, date, 10 * time.Second},
		"empty":                   {[]string{""}, date, 10 * time.Second},
		"garbage":                 {[]string{"soon"}, date, 10 * time.Second},
		"fraction":                {[]string{"30.5"}, date, 30*time.Second + 500*time.Millisecond},
		"negative":                {[]string{"-3"}, date, 10 * time.Second},
		"negative fraction":       {[]string{"-0.5"}, date, 10 * time.Second},
		"less than any time":      {[]string{"1e-300"}, date, 10 * time.Second},
		"no number":               {[]string{"NaN"}, date, 10 * time.Second},
		"more than any":           {[]string{"1e999"}, date, time.Hour},
		"zero":                    {[]string{"0"}, date, 10 * time.Second},
		"past date":               {in(remote, -time.Minute), date, 10 * time.Second},
		"exactly an hour":         {[]string{"3600"}, date, time.Hour},
		"over an hour":            {[]string{"3601"}, date, time.Hour},
		"date over an hour":       {in(remote, 48*time.Hour), date, time.Hour},
		"for ever":                {[]string{"99999999999999999999999"}, date, time.Hour},
		"nearly for ever":         {[]string{"9223372036854775807"}, date, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, budget, err := refused(t, http.Header{"Retry-After": c.after, "Date": c.date})
			var failed *apiclient.StatusError
			if !errors.As(err, &failed) || failed.RetryAfter != c.want {
				t.Errorf("%s: %+v, want %v", name, failed, c.want)
			}
			time.Sleep(c.want - 1)
			if _, err := client.Take(); !errors.Is(err, apiclient.ErrBackoff) || budget.Remaining() != 0 {
				t.Errorf("%s: just before: %v, %d left", name, err, budget.Remaining())
			}
			time.Sleep(time.Nanosecond)
			if _, err := client.Take(); err != nil || budget.Remaining() == 0 {
				t.Errorf("%s: afterwards: %v, %d left", name, err, budget.Remaining())
			}
		})
	}
}

// refused sends one request, answered 429 with the headers.
func refused(t *testing.T, h http.Header) (*apiclient.Client, *apiclient.Budget, error) {
	t.Helper()
	a := unlimited(0)
	a.Inject(simulator.Fault{Status: http.StatusTooManyRequests, Header: h})
	budget := generous()
	c := connect(t, apiclient.Config{Transport: inside(a), Budget: budget})
	_, err := list(t, c)
	return c, budget, err
}

func TestAShorterPauseDoesNotEndALongerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(0)
		c := of(t, a)
		a.Inject(simulator.Fault{Action: "list", Status: 429, Header: http.Header{"Retry-After": {"60"}}})
		a.Inject(simulator.Fault{Action: "get", Status: 429, Latency: time.Second, Header: http.Header{"Retry-After": {"5"}}})
		var slower sync.WaitGroup
		slower.Go(func() {
			if _, _, err := read(t, c, "x"); apiclient.Reason(err) != "rate_limited" {
				t.Error(err)
			}
		})
		synctest.Wait() // until it is on its way
		if _, err := list(t, c); apiclient.Reason(err) != "rate_limited" {
			t.Fatal(err)
		}
		slower.Wait()
		time.Sleep(58 * time.Second)
		if _, err := c.Take(); !errors.Is(err, apiclient.ErrBackoff) {
			t.Errorf("after 59 s: %v", err)
		}
	})
}

func TestA503WithRetryAfterPauses(t *testing.T) {
	for after, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 10 * time.Second, "soon": 10 * time.Second, "9999": time.Hour, "": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			a := unlimited(0)
			a.Inject(simulator.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {after}}, Times: 1})
			c := of(t, a)
			_, err := list(t, c)
			var failed *apiclient.StatusError
			if !errors.As(err, &failed) || failed.RetryAfter != want || apiclient.Reason(err) != "server_error" {
				t.Errorf("%q: %+v", after, failed)
			}
			for _, paused := range []bool{want > 0, false} {
				if _, err := c.Take(); errors.Is(err, apiclient.ErrBackoff) != paused {
					t.Errorf("%q: %v", after, err)
				}
				time.Sleep(want)
			}
		})
	}
}

func TestRetryAfterOnAnythingElseChangesNothing(t *testing.T) {
	for _, status := range []int{200, 202, 301, 401, 403, 404, 500, 502, 504} {
		a := unlimited(0)
		a.Inject(simulator.Fault{Status: status, Header: http.Header{"Retry-After": {"60"}}})
		c := of(t, a)
		_, err := list(t, c)
		var failed *apiclient.StatusError
		if errors.As(err, &failed) && failed.RetryAfter != 0 {
			t.Errorf("%d: %+v", status, failed)
		}
		if _, err := c.Take(); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestA429PausesFromItsHeadersOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func() io.Reader {
			return io.MultiReader(io.LimitReader(trickle{}, 15), strings.NewReader(`{"error":"slow down"}`))
		}
		refuse := stream{status: 429, header: http.Header{"Retry-After": {"30"}}, body: slow}
		c := connect(t, apiclient.Config{Transport: refuse})
		early := paid(t, c)
		var asked sync.WaitGroup
		asked.Go(func() {
			if _, err := list(t, c); apiclient.Reason(err) != "rate_limited" {
				t.Error(err)
			}
		})
		time.Sleep(time.Second) // of fifteen that the body takes
		if _, err := c.Take(); !errors.Is(err, apiclient.ErrBackoff) {
			t.Errorf("while the body arrives: %v", err)
		}
		if _, err := early.Next(t.Context(), c.Batches().Walk()); !errors.Is(err, apiclient.ErrBackoff) {
			t.Errorf("with a permit from before: %v", err)
		}
		asked.Wait()
		time.Sleep(15*time.Second - 1) // thirty since the headers
		if _, err := c.Take(); !errors.Is(err, apiclient.ErrBackoff) {
			t.Errorf("just before the pause ends: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := c.Take(); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestAWindowIsNearlyExhaustedUntilItsReset(t *testing.T) {
	for name, c := range map[string]struct {
		limit, remaining string
		reset            time.Duration // from now; 0: no header
		exhausted        time.Duration // how long
	}{
		"plenty":        {"1000", "500", time.Hour, 0},
		"just over":     {"1000", "101", time.Hour, 0},
		"a tenth":       {"1000", "100", 7 * time.Minute, 7 * time.Minute},
		"nothing":       {"1000", "0", 7 * time.Minute, 7 * time.Minute},
		"no reset":      {"100", "3", 0, time.Minute},
		"in an hour":    {"100", "3", time.Hour, time.Hour},
		"over an hour":  {"100", "3", time.Hour + time.Second, time.Minute},
		"in a day":      {"100", "3", 24 * time.Hour, time.Minute},
		"reset is over": {"100", "3", -time.Minute, 0},
		"no limit":      {"", "0", time.Hour, 0},
		"no remaining":  {"100", "", time.Hour, 0},
		"odd limit":     {"many", "0", time.Hour, 0},
		"zero limit":    {"0", "0", time.Hour, 0},
		"odd remaining": {"100", "-1", time.Hour, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := http.Header{"X-Ratelimit-Limit": {c.limit}, "X-Ratelimit-Remaining": {c.remaining}}
			if c.reset != 0 {
				h.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(c.reset).Unix(), 10))
			}
			a, budget := unlimited(0), generous()
			a.Inject(simulator.Fault{Header: h})
			if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
				t.Fatal(err)
			}
			if budget.NearlyExhausted() != (c.exhausted > 0) {
				t.Errorf("%s: nearly exhausted %v", name, budget.NearlyExhausted())
			}
			time.Sleep(max(1, c.exhausted) - 1)
			if budget.NearlyExhausted() != (c.exhausted > 0) {
				t.Errorf("%s: nearly exhausted %v just before the reset", name, budget.NearlyExhausted())
			}
			time.Sleep(time.Nanosecond)
			if budget.NearlyExhausted() {
				t.Errorf("%s: nearly exhausted after the reset", name)
			}
		})
	}
}

func TestAResetInOtherUnitsCountsForAMinute(t *testing.T) {
	for _, reset := range []string{"946684860000", "946684860000000", "9223372036854775807", "99999999999999999999"} {
		synctest.Test(t, func(t *testing.T) {
			a, budget := unlimited(0), generous()
			a.Inject(simulator.Fault{Header: http.Header{
				"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"3"}, "X-Ratelimit-Reset": {reset},
			}})
			if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
				t.Fatal(err)
			}
			want := apiclient.RateLimit{Limit: 100, Remaining: 3}
			if time.Sleep(time.Minute - 1); budget.RateLimit() != want || !budget.NearlyExhausted() {
				t.Errorf("%s: %+v within the minute", reset, budget.RateLimit())
			}
			if time.Sleep(time.Nanosecond); budget.RateLimit() != (apiclient.RateLimit{}) || budget.NearlyExhausted() {
				t.Errorf("%s: %+v after it", reset, budget.RateLimit())
			}
		})
	}
}

func TestARateLimitIsForgottenWithItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, budget := unlimited(0), generous()
		c := connect(t, apiclient.Config{Transport: inside(a), Budget: budget})
		if got := budget.RateLimit(); got != (apiclient.RateLimit{}) {
			t.Errorf("at first: %+v", got)
		}
		reset := time.Now().Add(10 * time.Minute)
		stop := a.Inject(simulator.Fault{Header: http.Header{
			"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"700"}, "X-Ratelimit-Reset": {strconv.FormatInt(reset.Unix(), 10)},
		}})
		for range 10 { // with the headers, then without
			if _, err := list(t, c); err != nil {
				t.Fatal(err)
			}
			stop()
			if got := budget.RateLimit(); got.Limit != 1000 || got.Remaining != 700 || !got.Reset.Equal(reset) {
				t.Errorf("%v before the reset: %+v", time.Until(reset), got)
			}
			time.Sleep(time.Minute)
		}
		if got := budget.RateLimit(); got != (apiclient.RateLimit{}) {
			t.Errorf("after the reset: %+v", got)
		}
	})
}

func TestAnAnswerWithoutRateLimitHeadersSaysNothingAboutTheWindow(t *testing.T) {
	a, budget := unlimited(0), generous()
	c := connect(t, apiclient.Config{Transport: inside(a), Budget: budget})
	remove := a.Inject(simulator.Fault{Header: http.Header{"X-Ratelimit-Limit": {"50"}, "X-Ratelimit-Remaining": {"1"}}})
	for range 2 {
		if _, err := list(t, c); err != nil || !budget.NearlyExhausted() {
			t.Errorf("%v, nearly exhausted %v", err, budget.NearlyExhausted())
		}
		remove()
	}
}

func TestOddRateLimitHeadersAreAsGoodAsNone(t *testing.T) {
	for _, c := range [][3]string{{"", "5", "9"}, {"0", "5", "9"}, {"-7", "5", "9"}, {"100", "", "9"}, {"100", "-1", "9"}, {"1e3", "5", "9"}} {
		var seen apiclient.Exchange
		h := http.Header{"X-Ratelimit-Limit": {c[0]}, "X-Ratelimit-Remaining": {c[1]}, "X-Ratelimit-Reset": {c[2]}}
		a := unlimited(0)
		a.Inject(simulator.Fault{Header: h})
		client := connect(t, apiclient.Config{Transport: inside(a), Observe: func(e apiclient.Exchange) { seen = e }})
		if _, err := list(t, client); err != nil || seen.RateLimit != (apiclient.RateLimit{}) || seen.Date.IsZero() {
			t.Errorf("%q: %v, %+v", c, err, seen)
		}
	}
}

func TestAnOddResetIsUnknown(t *testing.T) {
	for _, reset := range []string{"", "0", "-5", "soon", "12.5"} {
		var seen apiclient.RateLimit
		h := http.Header{"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"50"}, "X-Ratelimit-Reset": {reset}}
		a := unlimited(0)
		a.Inject(simulator.Fault{Header: h})
		client := connect(t, apiclient.Config{Transport: inside(a), Observe: func(e apiclient.Exchange) { seen = e.RateLimit }})
		if _, err := list(t, client); err != nil || seen != (apiclient.RateLimit{Limit: 100, Remaining: 50}) {
			t.Errorf("%q: %v, %+v", reset, err, seen)
		}
	}
}

func TestAPermitBoughtBeforeA429IsNotUsedInItsPause(t *testing.T) {
	a := unlimited(0)
	c := of(t, a)
	permits := []*apiclient.Permit{paid(t, c), paid(t, c)}
	a.Inject(simulator.Fault{Status: 429, Times: 1})
	for i, want := range []string{"rate_limited", ""} {
		_, err := permits[i].Next(t.Context(), c.Batches().Walk())
		if want == "" && !errors.Is(err, apiclient.ErrBackoff) || want != "" && apiclient.Reason(err) != want {
			t.Errorf("request %d: %v", i+1, err)
		}
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
}

func TestAWindowOfAnySizeIsNearlyExhaustedWhenATenthIsLeft(t *testing.T) {
	for headers, want := range map[[2]string]bool{
		{"100", "11"}: false, {"100", "10"}: true, {"1000000000000000000", "1000000000000000000"}: false,
		{"1000000000000000000", "100000000000000000"}: true, {"0", "0"}: false, {"5", "0"}: true,
	} {
		a, budget := unlimited(0), generous()
		a.Inject(simulator.Fault{Header: http.Header{"X-Ratelimit-Limit": {headers[0]}, "X-Ratelimit-Remaining": {headers[1]}}})
		if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
			t.Fatal(err)
		}
		if got := budget.NearlyExhausted(); got != want {
			t.Errorf("%s of %s left: nearly exhausted %v", headers[1], headers[0], got)
		}
	}
}

func TestTheResetOfAWindowIsTakenByTheClockThatNamesIt(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			a, budget := unlimited(0), generous()
			remote := time.Now().Add(ahead)
			a.Inject(simulator.Fault{Header: http.Header{
				"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"3"},
				"X-Ratelimit-Reset": {strconv.FormatInt(remote.Add(time.Minute).Unix(), 10)}, "Date": {remote.UTC().Format(http.TimeFormat)},
			}})
			if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
				t.Fatal(err)
			}
			for _, want := range []bool{true, false} {
				if got := budget.NearlyExhausted(); got != want {
					t.Errorf("their clock is %v ahead: nearly exhausted %v, want %v", ahead, got, want)
				}
				time.Sleep(time.Minute)
			}
		})
	}
}

func TestAnAnswerThatAsksForNoPauseRefusesNobody(t *testing.T) {
	a, budget := unlimited(0), generous()
	if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
		t.Fatal(err)
	}
	if until := budget.State().PausedTo; !until.IsZero() {
		t.Errorf("requests are refused until %v", until)
	}
}

func TestABudgetGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := apiclient.Limits{PerMinute: 50, PerHour: 500}
		budget := apiclient.NewBudget(limits)
		time.Sleep(time.Hour)
		for range 40 {
			paid(t, connect(t, apiclient.Config{Transport: inside(unlimited(0)), Budget: budget}))
		}
		saved := budget.State()
		for wait, want := range map[time.Duration]int{0: 2, time.Minute: 9, time.Hour: 42, -time.Hour: 2} {
			saved.At = time.Now().Add(-wait)
			restored := apiclient.NewBudget(limits)
			restored.Restore(saved)
			if got := restored.Remaining(); got != want {
				t.Errorf("%v later, %d requests are left, want %d", wait, got, want)
			}
		}
		saved.PausedTo = time.Now().Add(48 * time.Hour)
		restored := apiclient.NewBudget(limits)
		restored.Restore(saved)
		time.Sleep(61 * time.Minute)
		if restored.Remaining() == 0 {
			t.Error("a pause outlives an hour")
		}
	})
}
