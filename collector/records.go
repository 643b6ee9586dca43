package collector

import (
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"magpipe_exporter/apiclient"
)

// callRecords is the listing of call records, which tell who answered. It is not
// walked from its newest row on. Instead, each request asks for the span of time in
// which calls wait for their records: these are known from the recipients. So a
// request never depends on the one before, rows that shift the pages do no harm,
// and an account that does not call costs nothing.
type callRecords struct {
	Cache     recordCache
	allowance *rate.Limiter // of all requests for call records

	Rest     time.Time // the end of the part of its span that the last page for calls in the counters did not reach; zero: it reached its start
	AskedAt  time.Time // when a page was last requested, successfully or not; zero: never
	ReadAt   time.Time // when the last good page was requested; zero: none yet
	failures int       // pages in a row that failed
	failure  error     // of the last failed page

	othersRest time.Time // as Rest, of the last page for other calls
	passedOver int       // requests for calls in the counters since the last one for others
}

// othersTurn is how many requests for calls in the counters there are for one for
// the others, so that on an account that always calls, these are read too.
const othersTurn = 3

func newCallRecords(budget *apiclient.Budget) callRecords {
	hourly := recordsShare * budget.Refill() * 3600
	burst := math.Max(1, math.Floor(hourly/10))
	perHour := math.Max(hourly-burst, hourly/2) // so that with the burst, no hour holds more than the share
	return callRecords{allowance: rate.NewLimiter(rate.Limit(perHour/3600), int(burst))}
}

// missing reports whether the key gives no access to call records.
func (r *callRecords) missing() bool {
	return r.failure != nil && slices.Contains([]string{"unauthorized", "not_found"}, apiclient.Reason(r.failure))
}

// record is one call record.
type record struct {
	_ struct{} `cbor:",toarray"`

	Created int64 // Unix microseconds by the API's clock
	ReadAt  int64 // Unix microseconds by the local clock; 0: no record
	Talk    time.Duration
}

// recordCache holds records that were read before their recipients, in two
// generations: when the newer one is full, the older one is dropped.
type recordCache struct{ Newer, Older map[uint64]record }

// cachedRecords is how many records a generation holds.
const cachedRecords = 1 << 13

func (c *recordCache) of(key uint64) record {
	if r, ok := c.Newer[key]; ok {
		return r
	}
	return c.Older[key]
}

func (c *recordCache) add(key uint64, r record) {
	if len(c.Newer) >= cachedRecords {
		c.Newer, c.Older = nil, c.Newer
	}
	if c.Newer == nil {
		c.Newer = map[uint64]record{}
	}
	c.Newer[key] = r
}

// recordSlack is how far a record's created_at may be from its call's attempted_at.
const recordSlack = 5 * time.Second

// of reports whether a record was read and is that of a call. One that was created
// before the call began is not: a recipient that is called again may show the
// record of its last call for a moment.
func (r record) of(k *knownCall) bool {
	return r.ReadAt != 0 && r.Created >= k.Attempted-recordSlack.Microseconds()
}

// learn records what a record tells about its call.
func (k *knownCall) learn(r record, events *callEvents) {
	if k.Settled || !r.of(k) {
		return
	}
	k.Talk, k.ReadEarly = r.Talk, k.Ended && r.ReadAt < k.Settles-settleAfter.Microseconds()
	if k.Settled = r.Talk > 0 || (k.Ended && r.ReadAt >= k.Settles); k.Settled {
		k.Settles = 0
	}
	if k.Settled && k.Counted && r.Talk > 0 {
		events.talks = append(events.talks, k.Talk)
	}
}

// recordDue returns when the record of a call is to be read, or zero if it is not.
// Of a call that has not ended, it is read once.
func (k *knownCall) recordDue() time.Time {
	switch {
	case k.Settled, k.Record == 0, !k.Counted && !k.Current:
		return time.Time{}
	case k.Talk == notRead, k.ReadEarly:
		return time.Unix(0, 0) // at once
	case k.Ended:
		return time.UnixMicro(k.Settles)
	}
	return time.Time{}
}

// schedule computes when the next records are due.
func (l *ledger) schedule() {
	l.dueCounted, l.dueOthers = time.Time{}, time.Time{}
	for i := range l.Calls {
		if k := &l.Calls[i]; k.Counted {
			l.dueCounted = earlier(l.dueCounted, k.recordDue())
		} else {
			l.dueOthers = earlier(l.dueOthers, k.recordDue())
		}
	}
	for i := range l.Superseded {
		l.dueCounted = earlier(l.dueCounted, l.Superseded[i].recordDue())
	}
}

// each calls do with every call that is known.
func (l *ledger) each(do func(*knownCall)) {
	for i := range l.Calls {
		do(&l.Calls[i])
	}
	for i := range l.Superseded {
		do(&l.Superseded[i])
	}
}

// talkStats summarizes the talk times of the calls that the last read of a batch
// shows.
type talkStats struct {
	answered, recorded int64        // calls with a talk time above 0, and calls whose record was read
	talk               distribution // of the former
}

func (l *ledger) talkStats() *talkStats {
	if l.talk == nil {
		stats, talks := &talkStats{}, []time.Duration(nil)
		for i := range l.Calls {
			k := &l.Calls[i]
			if !k.Current || k.Talk == notRead {
				continue
			}
			stats.recorded++
			if k.Talk > 0 {
				talks = append(talks, k.Talk)
			}
		}
		stats.answered, stats.talk = int64(len(talks)), distributionOf(talks)
		l.talk = stats
	}
	return l.talk
}

// holdsUntil is when the data from call records is dropped because their reads
// keep failing. It is in the past if none was ever read.
func (r *callRecords) holdsUntil(maxStaleness time.Duration) time.Time {
	switch {
	case r.failures > 0 && r.ReadAt.IsZero():
		return r.AskedAt
	case persistent(r.failures):
		return r.ReadAt.Add(maxStaleness)
	}
	return time.Time{}
}

// span is a span of time by the API's clock, with both ends.
type span struct {
	from, to time.Time
	others   bool // it is that of calls that are not in the counters
}

// nextSpan returns the span of the calls that wait for their records: of those in
// the counters, or of the others if there are none or it is their turn. If the last
// page for the same did not reach the start of its span, the calls in the rest of it
// come first.
func (s *store) nextSpan(now time.Time) span {
	var counted, others []time.Time
	for _, b := range s.batches {
		if b.Ledger == nil {
			continue
		}
		b.Ledger.each(func(k *knownCall) {
			switch due := k.recordDue(); {
			case due.IsZero() || due.After(now):
			case k.Counted:
				counted = append(counted, time.UnixMicro(k.Attempted))
			default:
				others = append(others, time.UnixMicro(k.Attempted))
			}
		})
	}
	waiting, rest := counted, s.records.Rest
	forOthers := len(others) > 0 && (len(counted) == 0 || s.records.passedOver >= othersTurn)
	s.records.passedOver++
	if forOthers {
		waiting, rest, s.records.passedOver = others, s.records.othersRest, 0
	}
	if len(waiting) == 0 {
		return span{from: now, to: now}
	}
	slices.SortFunc(waiting, time.Time.Compare)
	next := span{waiting[0].Add(-recordSlack), waiting[len(waiting)-1].Add(recordSlack), forOthers}
	if inRest, _ := slices.BinarySearchFunc(waiting, rest, time.Time.Compare); inRest > 0 {
		next.to = earlier(waiting[inRest-1].Add(recordSlack), rest)
	}
	return next
}

// recordCalls records a page of call records that was asked for at a local time.
// A call in the part of the span that the page covers, but without a record there,
// has none, unless it has ended just now.
func (s *store) recordCalls(asked span, page apiclient.CallPage, sent time.Time) {
	s.version++
	s.records.ReadAt, s.records.failures, s.records.failure = sent, 0, nil
	read := map[uint64]record{}
	oldest := asked.to
	for _, row := range page.Records {
		for _, odd := range row.Odd {
			s.counters.countOdd(oddValue{field: odd.Field, recipient: row.Key, hash: odd.Hash})
		}
		if row.Key != 0 && row.Talk.Known && !row.CreatedAt.IsZero() {
			read[row.Key] = record{Created: row.CreatedAt.UnixMicro(), ReadAt: sent.UnixMicro(), Talk: talkTime(row.Talk)}
			oldest = earlier(oldest, row.CreatedAt)
		}
	}
	covered, rest := asked, &s.records.Rest
	if asked.others {
		rest = &s.records.othersRest
	}
	*rest = time.Time{}
	switch n := int64(len(page.Records)); {
	case n == 0 && page.Total.N > 0:
		return // it says that there are records, and shows none
	case n > 0 && (!page.Total.Known || page.Total.N > n):
		*rest = earlier(oldest, asked.to.Add(-time.Microsecond)) // or it would be asked for again and again
		covered.from = rest.Add(time.Microsecond)
	}
	for _, b := range s.batches {
		if b.Ledger != nil {
			s.countCalls(b, b.Ledger.learnAll(read, covered, sent))
		}
	}
	for key, r := range read {
		s.records.Cache.add(key, r)
	}
}

// talkTime returns the talk time that a record tells, at most that of the longest call.
func talkTime(seconds apiclient.Count) time.Duration {
	return time.Duration(min(float64(seconds.N)*float64(time.Second), float64(longestCall)))
}

// learnAll records what a page of call records tells about the calls of a batch,
// and removes their records from those that were read.
func (l *ledger) learnAll(read map[uint64]record, covered span, sent time.Time) (events callEvents) {
	touched := false
	l.each(func(k *knownCall) {
		r := read[k.Record]
		if r.of(k) {
			delete(read, k.Record)
		}
		switch {
		case k.Record == 0 || k.Settled:
		case r.of(k):
			k.learn(r, &events)
			touched = true
		case k.Attempted >= covered.from.UnixMicro() && k.Attempted <= covered.to.UnixMicro() && sent.UnixMicro() >= k.Settles:
			k.Settled, touched = true, true // it has no record
		}
	})
	if touched {
		l.Superseded = slices.DeleteFunc(l.Superseded, func(k knownCall) bool { return k.Settled })
		l.schedule()
		l.talk = nil
	}
	return events
}
