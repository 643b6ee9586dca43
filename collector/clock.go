package collector

import "time"

// apiClock converts between the API's clock and the local one, based on the Date
// headers of the API's answers. It keeps what the API's clock showed when the
// process started and measures the time since then with the local monotonic
// clock, because the wall clock may be adjusted.
type apiClock struct {
	started      time.Time // start of the process by the local clock
	countingFrom time.Time // the same moment by the API's clock, according to the first answers; calls count from then on
	current      time.Time // the same moment by the API's clock as it runs now; it may have been adjusted since
	rival        time.Time // the same moment according to the last answer, if that disagrees with current
	answers      int       // number of answers that determined countingFrom, up to enoughAnswers
}

func newAPIClock(now time.Time) apiClock {
	return apiClock{started: now, countingFrom: now, current: now, rival: now}
}

// clockTolerance is how much two answers may differ and still agree: a Date
// header has whole seconds, and the answer takes some time to arrive.
const clockTolerance = 5 * time.Second

// ClockDifference is how far the API's clock and the local one may be apart. If
// it is more, times are compared wrongly wherever the local clock counts, and the
// log says so.
const ClockDifference = time.Minute

// enoughAnswers is the number of answers that fix countingFrom for good: of
// three, one may be wrong. Two that agree are enough, too.
const enoughAnswers = 3

// observe records the Date of an answer and when it arrived by the local clock.
// It takes two answers in a row to conclude that the API's clock was adjusted: a
// single one may come from a server whose clock is wrong, such as a gateway.
func (c *apiClock) observe(date, arrived time.Time) {
	start := date.Add(-arrived.Sub(c.started)) // of the process, according to this answer
	agreed := true
	switch {
	case c.answers == 0:
		c.current, c.rival, agreed = start, start, false
	case start.Sub(c.current).Abs() <= clockTolerance:
		c.rival = c.current
	case start.Sub(c.rival).Abs() <= clockTolerance:
		c.current = c.rival
	default:
		c.rival, agreed = start, false
	}
	if c.answers == enoughAnswers {
		return
	}
	c.answers, c.countingFrom = c.answers+1, c.rival // rival is current or start by now
	if agreed {
		c.answers = enoughAnswers
	}
}

// disputed reports whether two answers disagree and no third one has decided between them.
func (c *apiClock) disputed() bool { return c.answers < enoughAnswers && !c.rival.Equal(c.current) }

// ahead returns how far the API's clock is ahead of the local one, which shows now.
func (c *apiClock) ahead(now time.Time) time.Duration { return c.toAPI(now).Sub(now) }

// differs reports whether the clocks are too far apart, as far as the answers agree
// about that; if they do not, it returns what was reported before. What has been
// reported ends only when the difference has become clearly smaller.
func (c *apiClock) differs(now time.Time, reported bool) bool {
	if c.answers < enoughAnswers || !c.rival.Equal(c.current) {
		return reported
	}
	most := ClockDifference
	if reported {
		most /= 2
	}
	return c.ahead(now).Abs() > most
}

// toAPI converts a local time to the API's clock.
func (c *apiClock) toAPI(local time.Time) time.Time { return c.current.Add(local.Sub(c.started)) }

// toOurs converts a time by the API's clock to the local clock.
func (c *apiClock) toOurs(api time.Time) time.Time { return c.started.Add(api.Sub(c.current)) }
