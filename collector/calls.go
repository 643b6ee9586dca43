package collector

import (
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// sighting is what one read shows of one recipient's latest call.
type sighting struct {
	key                  uint64
	attempted, completed int64 // Unix microseconds; 0: none
	status               apiclient.RecipientStatus
}

// entry is the latest call of one recipient that was seen: 16 bytes, for they
// are kept for every recipient of every tracked batch.
type entry struct {
	key  uint64
	call int64 // attempted_at in Unix microseconds, times two, plus one if its end was seen
}

func (e entry) attempted() int64 { return e.call >> 1 }
func (e entry) ended() bool      { return e.call&1 == 1 }

// ledger remembers which calls of one batch were seen, so that each counts once
// however often it is read, re-run or retried.
type ledger struct {
	entries []entry // by key
	newest  int64   // the newest stamp of a call seen, Unix microseconds
	opened  bool    // a read was absorbed
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

// absorb adds what a read shows. Of a first read only what happened at or after
// since counts; later everything that was not seen before does, whatever its stamp.
func (l *ledger) absorb(seen []sighting, since time.Time) events {
	slices.SortStableFunc(seen, func(a, b sighting) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	from := int64(0)
	if !l.opened {
		from = since.UnixMicro()
	}
	var news events
	merged := make([]entry, 0, max(len(seen), len(l.entries)))
	old := l.entries
	for i := 0; i < len(seen); {
		key := seen[i].key
		for len(old) > 0 && old[0].key < key {
			merged, old = append(merged, old[0]), old[1:]
		}
		e := entry{key: key}
		if len(old) > 0 && old[0].key == key {
			e, old = old[0], old[1:]
		}
		for ; i < len(seen) && seen[i].key == key; i++ {
			e = l.sight(e, seen[i], from, &news)
		}
		if e.call != 0 {
			merged = append(merged, e)
		}
	}
	l.entries, l.opened = slices.Clip(append(merged, old...)), true
	return news
}

// sight compares one sighting with what is known of the same recipient.
func (l *ledger) sight(e entry, s sighting, from int64, news *events) entry {
	if s.attempted == 0 || s.attempted < e.attempted() {
		return e // not called yet, or a call that a newer one has replaced
	}
	l.newest = max(l.newest, s.attempted)
	if s.attempted > e.attempted() {
		e.call = s.attempted << 1
		if s.attempted >= from {
			news.started++
		}
	}
	if e.ended() || !s.status.Outcome() {
		return e
	}
	e.call |= 1
	end := max(s.attempted, s.completed) // an impossible end is none
	l.newest = max(l.newest, end)
	if end >= from {
		news.ended = append(news.ended, ending{outcome: s.status, duration: s.duration()})
	}
	return e
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
