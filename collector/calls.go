package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

// call is the latest call of one recipient, as one read shows it.
type call struct {
	recipient            uint64 // apiclient.Recipient.Key
	attempted, completed int64  // Unix microseconds; 0: none
	status               apiclient.RecipientStatus
}

// longestCall is more than any call takes.
const longestCall = 24 * time.Hour

// impossible reports whether the call ended before it began, or a day after that.
func (c call) impossible() bool {
	return c.attempted != 0 && c.completed != 0 &&
		(c.completed < c.attempted || c.completed-c.attempted > longestCall.Microseconds())
}

// duration returns how long the call took, or -1 if that is unknown or impossible.
func (c call) duration() time.Duration {
	if c.attempted == 0 || c.completed == 0 || c.impossible() {
		return -1
	}
	return time.Duration(c.completed-c.attempted) * time.Microsecond
}

// callEvents are the starts and ends of calls that one read shows for the first time.
type callEvents struct {
	started int
	ended   []call
}

// ledger remembers which calls of one batch were counted, so that each call is
// counted once, however often it is read and even if the batch is run again or
// the recipient retried.
type ledger struct {
	calls  map[uint64]countedCall // by the recipient's key
	newest int64                  // newest timestamp of a counted call, in Unix microseconds
}

// countedCall is the latest counted call of a recipient: attempted_at in Unix
// microseconds times two, plus one if its end was counted. It is that compact
// because one is kept for every recipient of every tracked batch.
type countedCall int64

func (c countedCall) attempted() int64 { return int64(c >> 1) }
func (c countedCall) ended() bool      { return c&1 == 1 }

// count records the calls of one read and returns the events that are new. In
// the first read, only events at or after from count; in later reads, every
// event that was not seen before, whatever its timestamp.
func (l *ledger) count(calls []call, from time.Time) callEvents {
	least := int64(0)
	if l.calls == nil {
		l.calls, least = make(map[uint64]countedCall, len(calls)), from.UnixMicro()
	}
	var events callEvents
	for _, c := range calls {
		counted := l.calls[c.recipient]
		if c.attempted < counted.attempted() {
			continue // a newer call has replaced it
		}
		if now := l.advance(counted, c, least, &events); now != counted {
			l.calls[c.recipient] = now
		}
	}
	return events
}

// advance adds the events of a call that were not counted for its recipient yet.
func (l *ledger) advance(counted countedCall, c call, least int64, events *callEvents) countedCall {
	l.newest = max(l.newest, c.attempted)
	if c.attempted > counted.attempted() {
		counted = countedCall(c.attempted << 1)
		if c.attempted >= least {
			events.started++
		}
	}
	if counted.ended() || !c.status.Outcome() {
		return counted // the first outcome stands
	}
	end := max(c.attempted, c.completed) // if the end is missing or impossible, the time of the attempt stands in
	l.newest = max(l.newest, end)
	if end >= least {
		events.ended = append(events.ended, c)
	}
	return counted | 1
}

// resumeFrom is the moment from which on calls count once the ledger is
// dropped: right after the newest stamp counted, but not after the last read,
// for a stamp may lie in the future. It is finer than the time of that read,
// which the API's clock gives in whole seconds.
func (l *ledger) resumeFrom(lastRead time.Time) time.Time {
	return time.UnixMicro(min(l.newest, lastRead.UnixMicro()) + 1)
}
