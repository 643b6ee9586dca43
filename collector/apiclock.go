package collector

import "time"

// apiClock is how the API's clock stands to ours, as the Date of its answers
// tells. Ours may be set while the process runs, and then stands otherwise.
type apiClock struct {
	first time.Duration // the API's clock less ours, rounded down, as the first answer told
	skew  time.Duration // the same now
	asked bool          // an answer has told
	doubt time.Duration // what the last answer told, if that is not skew
}

// sameClock is how far what two answers tell may differ: a Date has whole
// seconds, and is as old as its answer was on the way.
const sameClock = 5 * time.Second

// hear takes in what an answer tells. A clock has moved when two answers in a
// row agree that it has: one alone may come from a server whose clock is wrong.
func (c *apiClock) hear(skew time.Duration) {
	switch {
	case !c.asked:
		c.first, c.skew, c.doubt, c.asked = skew, skew, skew, true
	case (skew - c.skew).Abs() <= sameClock:
		c.doubt = c.skew
	case (skew - c.doubt).Abs() <= sameClock:
		c.skew = c.doubt
	default:
		c.doubt = skew
	}
}

// ours is a moment of the API's by our clock, and stays where it is on the
// monotonic one when ours is set later.
func (c *apiClock) ours(theirs time.Time) time.Time {
	now := time.Now()
	return now.Add(theirs.Add(-c.skew).Sub(now))
}
