package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

// sighting is what one read shows of one recipient's latest call.
type sighting struct {
	key                  uint64
	attempted, completed int64 // Unix microseconds; 0: none
	status               apiclient.RecipientStatus
}

// latest is the latest call of a recipient that was seen: attempted_at in Unix
// microseconds, times two, plus one if its end was seen. It is this small because
// one is kept for every recipient of every tracked batch.
type latest int64

func (c latest) attempted() int64 { return int64(c >> 1) }
func (c latest) ended() bool      { return c&1 == 1 }

// ledger remembers which calls of one batch were seen, so that each counts once
// however often it is read, re-run or retried.
type ledger struct {
	calls  map[uint64]latest // by the recipient's key
	newest int64             // the newest stamp of a call seen, Unix microseconds
}

// events are the calls that a read shows for the first time.
type events struct {
	started int
	ended   []ending
}

type ending struct {
	outcome  apiclient.RecipientStatus
	duration time.Duration // negative: none, or an impossible one
}

// absorb adds what a read shows of recipients that were called. Of a first read
// only what happened at or after since counts; later everything that was not
// seen before does, whatever its stamp.
func (l *ledger) absorb(seen []sighting, since time.Time) events {
	from := int64(0)
	if l.calls == nil {
		l.calls, from = make(map[uint64]latest, len(seen)), since.UnixMicro()
	}
	var news events
	for _, s := range seen {
		if was := l.calls[s.key]; s.attempted >= was.attempted() { // or a newer call has replaced it
			if is := l.sight(was, s, from, &news); is != was {
				l.calls[s.key] = is
			}
		}
	}
	return news
}

// sight compares one sighting with what is known of the same recipient.
func (l *ledger) sight(c latest, s sighting, from int64, news *events) latest {
	l.newest = max(l.newest, s.attempted)
	if s.attempted > c.attempted() {
		c = latest(s.attempted << 1)
		if s.attempted >= from {
			news.started++
		}
	}
	if c.ended() || !s.status.Outcome() {
		return c
	}
	end := max(s.attempted, s.completed) // an impossible end is none
	l.newest = max(l.newest, end)
	if end >= from {
		news.ended = append(news.ended, ending{outcome: s.status, duration: s.duration()})
	}
	return c | 1
}

// duration is how long a call took, or -1 where that can't be told or be true.
func (s sighting) duration() time.Duration {
	if s.attempted == 0 || s.completed == 0 || s.impossible() {
		return -1
	}
	return time.Duration(s.completed-s.attempted) * time.Microsecond
}

const longestCall = 24 * time.Hour

// impossible tells of a call that ended before it began, or a day after that.
func (s sighting) impossible() bool {
	return s.attempted != 0 && s.completed != 0 &&
		(s.completed < s.attempted || s.completed-s.attempted > longestCall.Microseconds())
}

// watermark is the moment from which on events count, should the batch come
// back after its ledger was dropped: right after the newest stamp seen, but not
// after the last read, for a stamp may lie in the future. It is finer than the
// read's own time, which the API's clock gives in whole seconds only.
func (l *ledger) watermark(read time.Time) time.Time {
	return time.UnixMicro(min(l.newest, read.UnixMicro()) + 1)
}
