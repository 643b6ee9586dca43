package collector

import "time"

// apiClock is how the API's clock stands to ours, as the Date of its answers
// tells: which time it showed when the process started. Ours only measures how
// long ago that was, on the monotonic clock, for its wall clock may be set.
type apiClock struct {
	started time.Time // of the process, by our clock
	start   time.Time // the same by the API's clock, as the first answers told; the last of them until that is settled
	now     time.Time // the same by the API's clock as it goes now: it may be set, too
	doubt   time.Time // what the last answer told, if that is not now
	heard   int       // answers that told; settled is enough
}

func startClock(at time.Time) apiClock { return apiClock{started: at, start: at, now: at, doubt: at} }

// sameClock is how far what two answers tell may differ: a Date has whole
// seconds, and is as old as its answer was on the way.
const sameClock = 5 * time.Second

// settled is how many answers tell for good when the process started: of three,
// one may be wrong. Two that agree are as good.
const settled = 3

// hear takes in the Date of an answer, and when it came. A clock has moved when
// two answers in a row agree that it has: one alone may come from a server whose
// clock is wrong, such as a gateway.
func (c *apiClock) hear(date, came time.Time) {
	tells := date.Add(-came.Sub(c.started))
	agreed := true
	switch {
	case c.heard == 0:
		c.now, c.doubt, agreed = tells, tells, false
	case tells.Sub(c.now).Abs() <= sameClock:
		c.doubt = c.now
	case tells.Sub(c.doubt).Abs() <= sameClock:
		c.now = c.doubt
	default:
		c.doubt, agreed = tells, false
	}
	if c.heard == settled {
		return
	}
	c.heard, c.start = c.heard+1, c.doubt // that is now, or what this answer tells
	if agreed {
		c.heard = settled
	}
}

// disputed tells that two answers differ, and that no third has told which is right.
func (c *apiClock) disputed() bool { return c.heard < settled && !c.doubt.Equal(c.now) }

// theirs is a moment of ours by the API's clock.
func (c *apiClock) theirs(ours time.Time) time.Time { return c.now.Add(ours.Sub(c.started)) }

// ours is a moment of the API's by our clock.
func (c *apiClock) ours(theirs time.Time) time.Time { return c.started.Add(theirs.Sub(c.now)) }
