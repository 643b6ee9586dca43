package apiclient_test

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestAfterA429NothingIsSentUntilItsTimeHasCome(t *testing.T) {
	// Their clock and ours differ by a day, so that it shows which one a date is compared with.
	ours := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's clock starts
	theirs := ours.AddDate(0, 0, 1)
	in := func(from time.Time, wait time.Duration) []string {
		return []string{from.Add(wait).Format(http.TimeFormat)}
	}
	date := in(theirs, 0)
	for name, c := range map[string]struct {
		after, date []string
		want        time.Duration
	}{
		"seconds":             {[]string{"37"}, date, 37 * time.Second},
		"seconds with blanks": {[]string{" 37 "}, nil, 37 * time.Second},
		"date by their clock": {in(theirs, 90*time.Second), date, 90 * time.Second},
		"date by our clock":   {in(ours, 90*time.Second), nil, 90 * time.Second},
		"missing":             {nil, date, 10 * time.Second},
		"empty":               {[]string{""}, date, 10 * time.Second},
		"garbage":             {[]string{"soon"}, date, 10 * time.Second},
		"fraction":            {[]string{"2.5"}, date, 10 * time.Second},
		"negative":            {[]string{"-3"}, date, 10 * time.Second},
		"zero":                {[]string{"0"}, date, 10 * time.Second},
		"past date":           {in(theirs, -time.Minute), date, 10 * time.Second},
		"exactly an hour":     {[]string{"3600"}, date, time.Hour},
		"over an hour":        {[]string{"3601"}, date, time.Hour},
		"date over an hour":   {in(theirs, 48*time.Hour), date, time.Hour},
		"for ever":            {[]string{"99999999999999999999999"}, date, time.Hour},
		"nearly for ever":     {[]string{"9223372036854775807"}, date, time.Hour},
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

func TestOnlyA429Pauses(t *testing.T) {
	for _, status := range []int{401, 404, 500, 503} {
		a := unlimited(0)
		a.Inject(simulator.Fault{Status: status, Header: http.Header{"Retry-After": {"60"}}})
		c := of(t, a)
		_, err := list(t, c)
		var failed *apiclient.StatusError
		if !errors.As(err, &failed) || failed.RetryAfter != 0 {
			t.Errorf("%d: %+v", status, failed)
		}
		if _, err := c.Take(); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestAWindowNearlySpentIsCrowdedUntilItsReset(t *testing.T) {
	for name, c := range map[string]struct {
		limit, remaining string
		reset            time.Duration // from now; 0: no header
		crowded          time.Duration // how long
	}{
		"plenty":        {"1000", "500", time.Hour, 0},
		"just over":     {"1000", "101", time.Hour, 0},
		"a tenth":       {"1000", "100", 7 * time.Minute, 7 * time.Minute},
		"nothing":       {"1000", "0", 7 * time.Minute, 7 * time.Minute},
		"no reset":      {"100", "3", 0, time.Minute},
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
			if budget.NearlyExhausted() != (c.crowded > 0) {
				t.Errorf("%s: crowded %v", name, budget.NearlyExhausted())
			}
			time.Sleep(max(1, c.crowded) - 1)
			if budget.NearlyExhausted() != (c.crowded > 0) {
				t.Errorf("%s: crowded %v just before the reset", name, budget.NearlyExhausted())
			}
			time.Sleep(time.Nanosecond)
			if budget.NearlyExhausted() {
				t.Errorf("%s: crowded after the reset", name)
			}
		})
	}
}

func TestAnAnswerWithoutRateLimitHeadersSaysNothingAboutTheWindow(t *testing.T) {
	a, budget := unlimited(0), generous()
	c := connect(t, apiclient.Config{Transport: inside(a), Budget: budget})
	remove := a.Inject(simulator.Fault{Header: http.Header{"X-Ratelimit-Limit": {"50"}, "X-Ratelimit-Remaining": {"1"}}})
	for range 2 {
		if _, err := list(t, c); err != nil || !budget.NearlyExhausted() {
			t.Errorf("%v, crowded %v", err, budget.NearlyExhausted())
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

func TestAWindowOfAnySizeIsCrowdedOnlyWhenATenthIsLeft(t *testing.T) {
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
			t.Errorf("%s of %s left: crowded %v", headers[1], headers[0], got)
		}
	}
}

func TestTheResetOfAWindowIsTakenByTheClockThatNamesIt(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			a, budget := unlimited(0), generous()
			theirs := time.Now().Add(ahead)
			a.Inject(simulator.Fault{Header: http.Header{
				"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"3"},
				"X-Ratelimit-Reset": {strconv.FormatInt(theirs.Add(time.Minute).Unix(), 10)}, "Date": {theirs.UTC().Format(http.TimeFormat)},
			}})
			if _, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Budget: budget})); err != nil {
				t.Fatal(err)
			}
			for _, want := range []bool{true, false} {
				if got := budget.NearlyExhausted(); got != want {
					t.Errorf("their clock is %v ahead: crowded %v, want %v", ahead, got, want)
				}
				time.Sleep(time.Minute)
			}
		})
	}
}
