package collector

import "time"

// apiClock is how the API's clock stands to ours, as the Date headers of its
// answers tell. It keeps what the API's clock showed when the process started,
// and measures the time since then on our monotonic clock, for our wall clock
// may be set.
type apiClock struct {
	started      time.Time // of the process, by our clock
	countingFrom time.Time // the same moment by the API's clock, as the first answers told: calls count from here on
	current      time.Time // the same moment by the API's clock as it goes now, for that may be set, too
	rival        time.Time // what the last answer told, if it disagrees with current
	answers      int       // that had a say in countingFrom, up to enoughAnswers
}

func newAPIClock(now time.Time) apiClock {
	return apiClock{started: now, countingFrom: now, current: now, rival: now}
}

// clockTolerance is how far what two answers tell may differ: a Date has whole
// seconds, and its answer was on the way for a while.
const clockTolerance = 5 * time.Second

// enoughAnswers settle for good when the process started: of three, one may be
// wrong. Two that agree are as good.
const enoughAnswers = 3

// observe takes in the Date of an answer, and when it came by our clock. The
// API's clock has been set if two answers in a row agree that it has: a single
// one may come from a server whose clock is wrong, such as a gateway.
func (c *apiClock) observe(date, came time.Time) {
	told := date.Add(-came.Sub(c.started))
	agreed := true
	switch {
	case c.answers == 0:
		c.current, c.rival, agreed = told, told, false
	case told.Sub(c.current).Abs() <= clockTolerance:
		c.rival = c.current
	case told.Sub(c.rival).Abs() <= clockTolerance:
		c.current = c.rival
	default:
		c.rival, agreed = told, false
	}
	if c.answers == enoughAnswers {
		return
	}
	c.answers, c.countingFrom = c.answers+1, c.rival // that is current, or what this answer told
	if agreed {
		c.answers = enoughAnswers
	}
}

// disputed reports whether two answers disagree and no third has settled it.
func (c *apiClock) disputed() bool { return c.answers < enoughAnswers && !c.rival.Equal(c.current) }

// toAPI converts a moment of our clock to the API's.
func (c *apiClock) toAPI(ours time.Time) time.Time { return c.current.Add(ours.Sub(c.started)) }

// toOurs converts a moment of the API's clock to ours.
func (c *apiClock) toOurs(api time.Time) time.Time { return c.started.Add(api.Sub(c.current)) }
