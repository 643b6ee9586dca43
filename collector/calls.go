package collector

import (
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// call is the latest call of one recipient, as one read shows it.
type call struct {
	recipient, record    uint64 // apiclient.Recipient.Key and Record
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

// callEvents are what one answer shows for the first time.
type callEvents struct {
	started int
	ended   []call
	talks   []time.Duration // talk times of the calls that ended and were answered
}

// callCounts are the counters of one batch.
type callCounts struct {
	Since             time.Time // when the batch was first seen
	Started, Answered int64
	Finished          [apiclient.RecipientCanceled + 1]int64 // by outcome
}

func (c *callCounts) add(events callEvents) {
	c.Started += int64(events.started)
	c.Answered += int64(len(events.talks))
	for _, call := range events.ended {
		c.Finished[call.status]++
	}
}

// ledger remembers the calls of one batch, so that each is counted once, however
// often it is read and even if the batch is run again or the recipient retried.
type ledger struct {
	Calls      []knownCall // the latest call of each recipient
	Superseded []knownCall // older calls whose records are still to be read
	Newest     int64       // newest timestamp of a counted call, in Unix microseconds
	Begun      bool        // a read was counted

	talk *talkStats // of the calls that the last read shows; nil: to be computed

	dueCounted, dueOthers time.Time // when the next record is due of a call in the counters, and of another; zero: none is
}

// knownCall is one call. One is kept for every recipient of every tracked batch,
// so it is small.
type knownCall struct {
	_ struct{} `cbor:",toarray"`

	Recipient, Record uint64
	Attempted         int64         // Unix microseconds by the API's clock
	Settles           int64         // from when on the talk time in its record is final, in Unix microseconds by the local clock; 0: not known yet
	Talk              time.Duration // in whole seconds; notRead until its record was read
	Current           bool          // the last read shows it
	Ended             bool
	Counted           bool // its end is in the counters
	Settled           bool // its record need not be read again
	ReadEarly         bool // its record was read before it ended, and not since
}

const notRead = -1

// settleAfter is how long after a call was seen to end a talk time of 0 in its
// record is final, and a missing record is given up.
const settleAfter = 3 * time.Minute

// callsRead are the calls that one read of a batch shows.
type callsRead struct {
	calls []call
	sent  time.Time // when the request was sent, by the local clock
	from  time.Time // from when on calls count, by the API's clock, if this is the first read
}

// count records the calls of one read and returns the events that are new. In
// the first read, only events at or after read.from count; in later reads, every
// event that was not seen before, whatever its timestamp. Records are those that
// were read before.
func (l *ledger) count(read callsRead, records *recordCache) callEvents {
	var events callEvents
	calls, least := read.calls, int64(0)
	if !l.Begun {
		l.Begun, least = true, read.from.UnixMicro()
	}
	for i := range l.Calls {
		l.Calls[i].Current = false
	}
	index := l.indexFor(calls)
	for _, c := range calls {
		known := &l.Calls[index[c.recipient]]
		if c.attempted >= known.Attempted { // otherwise a newer call has replaced it
			l.advance(known, c, least, &events)
			known.settle(read.sent)
			known.learn(records.of(known.Record), &events)
		}
	}
	l.schedule()
	l.talk = nil
	return events
}

// indexFor returns the index in l.calls of each recipient, those of the given calls
// included, for which it makes room.
func (l *ledger) indexFor(calls []call) map[uint64]int {
	index := make(map[uint64]int, len(l.Calls)+len(calls))
	for i := range l.Calls {
		index[l.Calls[i].Recipient] = i
	}
	var added []uint64
	for _, c := range calls {
		if _, ok := index[c.recipient]; !ok {
			index[c.recipient] = len(index)
			added = append(added, c.recipient)
		}
	}
	if len(added) > 0 {
		grown := make([]knownCall, len(index)) // no larger than it must be, because it is kept
		known := copy(grown, l.Calls)
		for i, recipient := range added {
			grown[known+i].Recipient = recipient
		}
		l.Calls = grown
	}
	return index
}

// advance adds the events of a call that were not counted for its recipient yet.
func (l *ledger) advance(known *knownCall, c call, least int64, events *callEvents) {
	l.Newest = max(l.Newest, c.attempted)
	if c.attempted > known.Attempted {
		if known.awaited() {
			l.supersede(*known)
		}
		*known = knownCall{Recipient: c.recipient, Attempted: c.attempted, Talk: notRead}
		if c.attempted >= least {
			events.started++
		}
	}
	known.Current = true
	if !known.Settled {
		known.Record = c.record
	}
	if known.Ended || !c.status.Outcome() {
		return // the first outcome stands
	}
	end := max(c.attempted, c.completed) // if the end is missing or impossible, the time of the attempt stands in
	l.Newest = max(l.Newest, end)
	known.Ended, known.Settled, known.ReadEarly = true, known.Talk > 0, known.Talk == 0
	if end < least {
		return
	}
	known.Counted = true
	events.ended = append(events.ended, c)
	if known.Settled {
		events.talks = append(events.talks, known.Talk)
	}
}

// settle says from when on the record of a call that was seen to end is final. One
// that ended before calls counted has done so long ago.
func (k *knownCall) settle(seen time.Time) {
	switch {
	case !k.Ended || k.Settled || k.Settles != 0:
	case k.Counted:
		k.Settles = seen.Add(settleAfter).UnixMicro()
	default:
		k.Settles = seen.UnixMicro()
	}
}

// mostSuperseded bounds the memory for calls whose records are never read.
const mostSuperseded = 1000

func (l *ledger) supersede(k knownCall) {
	if len(l.Superseded) >= mostSuperseded {
		l.Superseded = slices.Delete(l.Superseded, 0, 1)
	}
	l.Superseded = append(l.Superseded, k)
}

// awaited reports whether the record of a call in the counters is still to be read.
func (k *knownCall) awaited() bool { return k.Counted && !k.Settled && k.Record != 0 }

// resumeFrom is the moment from which on calls count once the ledger is
// dropped: right after the newest stamp counted, but not after the last read,
// for a stamp may lie in the future. It is finer than the time of that read,
// which the API's clock gives in whole seconds.
func (l *ledger) resumeFrom(lastRead time.Time) time.Time {
	return time.UnixMicro(min(l.Newest, lastRead.UnixMicro()) + 1)
}
