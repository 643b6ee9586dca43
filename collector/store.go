package collector

import (
	"cmp"
	"slices"
	"time"

	"magpipe_exporter/apiclient"
)

// store is what is known about the account. The mutex of its Collector guards it.
//
// A batch leaves the exposition when
//   - it is gone: see markGone for what proves that;
//   - it has ended and Config.FinishedRetention has passed, or nothing says when
//     it ended: see retained;
//   - it becomes a draft, or its state is not known: see rank;
//   - batches of a higher rank take all places of Config.MaxBatches: see tracked;
//   - its row comes from a listing that keeps failing, and is older than
//     Config.MaxStaleness: see rowHoldsUntil.
//
// Its recipients alone leave if its gets keep failing (see recipientsHoldUntil),
// and if it becomes a template. It leaves the memory in sweep.
type store struct {
	cfg      *Config
	counters *counters
	clock    apiClock
	batches  map[string]*batch
	listings listings
	records  callRecords
	version  uint64 // incremented with every change

	lastInTurn time.Time // when a batch that showed no change was last read
}

// batch is what is known about one batch or run.
type batch struct {
	Row      apiclient.Batch
	RowAt    time.Time // when the request that brought the row was sent, or when the batch was found to be gone
	ListedAt time.Time // when the last listing that showed it was read; of a run: or the last get

	StoppedAt  time.Time // since when it is known, or suspected, not to run; zero while it runs
	EndedAt    time.Time // zero unless it has ended and the time is known
	GetPending bool      // a get is due whatever the state: it stopped or ended, a listing lacks it, or its calls cannot be counted yet
	Misses     int       // walks in a row that should have shown it and did not
	Gone       bool      // it no longer exists; remembered for a while in case that is wrong

	AskedAt  time.Time // when it was last requested with get, successfully or not; zero: never
	Failures int       // consecutive gets that failed
	failure  error     // of the last failed get
	NotFound int       // consecutive gets that were answered 404
	Stats    *recipientStats

	OutdatedSince time.Time // since when the row has shown that stats is outdated; zero: it is up to date

	Ledger *ledger    // nil until the batch is read
	Calls  callCounts // seen since the batch was first seen

	ResumeFrom time.Time   // from when on calls count, if the ledger was dropped
	ResumeRow  fingerprint // of the row, when the ledger was dropped
}

func newStore(cfg *Config, client *apiclient.Client, counters *counters) *store {
	return &store{
		cfg: cfg, counters: counters, clock: newAPIClock(time.Now()),
		batches: map[string]*batch{}, listings: newListings(client, cfg.API.Budget), records: newCallRecords(cfg.API.Budget),
	}
}

// isTemplate reports whether a batch only spawns runs, while its own recipients
// stay pending forever.
func isTemplate(row *apiclient.Batch) bool {
	return isRecurring(row) && row.Status != apiclient.BatchRunning
}

func isRecurring(row *apiclient.Batch) bool {
	return row.ParentID == "" && recurrence(row) != "none"
}

func recurrence(row *apiclient.Batch) string { return cmp.Or(row.Recurrence, "none") }

// isLiveRun reports whether a row is a run in a known state that has not ended.
func isLiveRun(row *apiclient.Batch) bool {
	return row.ParentID != "" && !row.Status.Ended() && row.Status != apiclient.BatchUnknown
}

// recordPage records a page of a listing. A walk of runs ends at the first page
// without a live run.
func (s *store) recordPage(l *listing, r request, rows []apiclient.Batch) {
	s.version++
	live, oldest := false, time.Time{}
	for _, row := range rows {
		row.ParentID = cmp.Or(r.id, row.ParentID)
		s.update(row, l.AskedAt, true)
		live = live || isLiveRun(&row)
		oldest = earlier(oldest, row.CreatedAt)
	}
	l.pageRead()
	if l.walk.Done() || (r.action == apiclient.ActionListRuns && !live) {
		s.finishWalk(l, r, oldest)
	}
}

// finishWalk ends a walk and looks for batches that it should have shown but did
// not. A walk of runs may stop early; runs created at or before oldest are not
// expected in it then.
func (s *store) finishWalk(l *listing, r request, oldest time.Time) {
	walk := l.finish()
	l.Known, l.Waiting = 0, 0
	for id, b := range s.batches {
		if b.Gone || b.Row.ParentID != r.id {
			continue
		}
		l.Known++
		if isLiveRun(&b.Row) && b.Row.Status != apiclient.BatchRunning {
			l.Waiting++
		}
		covered := b.RowAt.Before(l.began)
		switch {
		case r.running:
			covered = covered && b.Row.Status == apiclient.BatchRunning
		case r.id != "":
			covered = covered && (walk.Done() || b.Row.CreatedAt.After(oldest))
		}
		if covered && !walk.Has(id) {
			s.missing(b, r, walk)
		}
	}
}

// missing handles a batch that a walk should have shown but did not. If the walk
// had one page, which shows the account at one moment, the batch is gone. A
// longer walk may miss a row because of a deletion or equal creation times, and
// the list of running batches does not show batches that have stopped: a get
// decides then. A batch without series is not worth a get; it is gone if two
// walks in a row do not show it.
func (s *store) missing(b *batch, r request, walk *apiclient.Walk) {
	b.Misses++
	switch {
	case walk.Pages() <= 1 && !walk.Truncated() && !r.running:
		s.markGone(b)
	case s.rank(b, time.Now()) == 0:
		if b.Misses >= 2 {
			s.markGone(b)
		}
	case walk.Truncated():
		b.GetPending = true // but not urgent: the next truncated walk may miss other batches
	case !b.GetPending:
		b.GetPending, b.StoppedAt = true, time.Now()
	}
}

// markGone records that a batch no longer exists. That is proven by a walk of one
// page that lacks it, by two walks in a row if it has no series, and by two gets
// in a row that are answered 404 if a walk lacks it or it is a run. Its runs go
// with it, except those that are followed by get: nothing else would show that
// they are gone.
func (s *store) markGone(b *batch) {
	s.version++
	id := b.Row.ID
	b.Gone, b.GetPending, b.RowAt, b.AskedAt = true, false, time.Now(), time.Time{}
	if s.listings.runs[id] == nil {
		return
	}
	delete(s.listings.runs, id)
	for _, run := range s.batches {
		if run.Row.ParentID == id && !run.Gone && run.Row.Status != apiclient.BatchRunning && !run.GetPending {
			s.markGone(run)
		}
	}
}

// update records a row from an answer whose request was sent at the given time.
// It returns the row, with members that the answer left out filled in from the
// known row.
func (s *store) update(row apiclient.Batch, sent time.Time, listed bool) apiclient.Batch {
	s.version++
	for _, odd := range row.Odd {
		s.counters.countOdd(oddValue{field: odd.Field, batch: row.ID, hash: odd.Hash})
	}
	b := s.batches[row.ID]
	if b == nil {
		b = &batch{Calls: callCounts{Since: time.Now()}}
		s.batches[row.ID] = b
		s.firstSeen(b, &row, sent)
	} else {
		row.KeepFrom(&b.Row)
		if sent.Before(b.RowAt) {
			return row // the known row is newer
		}
		s.changed(b, &row)
	}
	b.Row, b.RowAt, b.Misses, b.Gone = row, sent, 0, false
	if b.Stats != nil && b.OutdatedSince.IsZero() && b.Stats.Row != fingerprintOf(&row) {
		b.OutdatedSince = sent
	}
	if listed || row.ParentID != "" {
		b.ListedAt = sent
	}
	return row
}

// firstSeen initializes a batch that is seen for the first time. If it has
// ended, the time of its end is taken from its row, and it is read once if that
// is after the process started.
func (s *store) firstSeen(b *batch, row *apiclient.Batch, sent time.Time) {
	if row.Status != apiclient.BatchRunning {
		b.StoppedAt = sent
	}
	if !row.Status.Ended() {
		return
	}
	ended := row.UpdatedAt
	if !row.CompletedAt.IsZero() && !row.CompletedAt.Before(row.StartedAt) {
		ended = row.CompletedAt
	}
	if !ended.IsZero() {
		b.EndedAt = earlier(s.clock.toOurs(ended), sent) // the API's clock is only known in whole seconds: never in the future
	}
	b.GetPending = !isTemplate(row) && !ended.Before(s.countsFrom(b, row))
}

// changed sets what follows if a newer row of a batch is in another state:
//
//	from running to any other   stopped now, a last get is due
//	to running                  neither stopped nor ended, nothing is due
//	to an ended state           ended now, a last get is due unless it is a template
//	to any other                not ended
//
// A batch that had ended and still has may have run in between: then it ended
// anew.
func (s *store) changed(b *batch, row *apiclient.Batch) {
	now, was, is := time.Now(), b.Row.Status, row.Status
	if is == apiclient.BatchRunning {
		b.StoppedAt, b.EndedAt, b.GetPending = time.Time{}, time.Time{}, false
		return
	}
	if was == apiclient.BatchRunning || b.StoppedAt.IsZero() {
		b.StoppedAt, b.GetPending = now, was == apiclient.BatchRunning || !isTemplate(row)
	}
	switch {
	case !is.Ended():
		b.EndedAt = time.Time{}
	case !was.Ended() || row.RanSince(&b.Row):
		b.EndedAt, b.StoppedAt = now, now
		b.GetPending = b.GetPending || !isTemplate(row)
	case b.Gone: // wrongly, and its recipients were dropped
		b.GetPending = !isTemplate(row) && (s.retained(b, now) || b.ResumeRow != fingerprintOf(row))
	}
}

// countsFrom returns the time from which calls count in the first read of a
// batch, or in the first one after its ledger was dropped.
func (s *store) countsFrom(b *batch, row *apiclient.Batch) time.Time {
	if !b.ResumeFrom.IsZero() {
		return b.ResumeFrom
	}
	if l := s.listings.runs[row.ParentID]; l != nil {
		return later(s.clock.countingFrom, l.ResumeFrom)
	}
	return s.clock.countingFrom
}

// recordGet records a complete answer to get.
func (s *store) recordGet(row apiclient.Batch, reader *recipientReader, sent time.Time) {
	row = s.update(row, sent, false)
	b := s.batches[row.ID]
	stats := reader.finish(&row, sent)
	for _, odd := range reader.odd {
		s.counters.countOdd(odd)
	}
	if row.Status != apiclient.BatchRunning || !sent.Before(b.StoppedAt) {
		b.GetPending = false
	}
	stats.ReadAtAPI = s.clock.toAPI(sent)
	b.Failures, b.failure, b.NotFound, b.Stats, b.OutdatedSince = 0, nil, 0, stats, time.Time{}
	if s.clock.disputed() {
		b.GetPending = true // read it again once the time from which calls count is settled
		return
	}
	if b.Ledger == nil {
		b.Ledger = &ledger{}
	}
	s.countCalls(b, b.Ledger.count(callsRead{reader.countable(s.cfg.CallRecords), sent, s.countsFrom(b, &row)}, &s.records.Cache))
}

// countCalls adds events to the counters of the account and of their batch.
func (s *store) countCalls(b *batch, events callEvents) {
	s.counters.countCalls(events)
	b.Calls.add(events)
}

// recordGetFailure records a failed get. A single 404 proves nothing, because
// the API answers database errors in the same way. Two in a row mean that the
// batch is gone, unless the listing still shows it. For runs the listing is not
// consulted, because a run may be on a page that is not read.
func (s *store) recordGetFailure(b *batch, err error) {
	s.version++
	b.Failures++
	b.failure = err
	if apiclient.Reason(err) != "not_found" {
		b.NotFound = 0
		return
	}
	if b.NotFound++; b.NotFound >= 2 && (b.Misses > 0 || b.Row.ParentID != "") {
		s.markGone(b)
	}
}

// tracked returns the batches that have series of their own: at most
// Config.MaxBatches, by rank, and newest first within a rank.
func (s *store) tracked(now time.Time) []*batch {
	type ranked struct {
		*batch
		rank int
	}
	var all []ranked
	for _, b := range s.batches {
		if rank := s.rank(b, now); rank > 0 {
			all = append(all, ranked{b, rank})
		}
	}
	slices.SortFunc(all, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), y.Row.CreatedAt.Compare(x.Row.CreatedAt), cmp.Compare(x.Row.ID, y.Row.ID))
	})
	tracked := make([]*batch, min(len(all), s.cfg.MaxBatches))
	for i := range tracked {
		tracked[i] = all[i].batch
	}
	return tracked
}

// rank returns the priority for being tracked, 1 being the highest; 0 means that
// the batch is not tracked.
func (s *store) rank(b *batch, now time.Time) int {
	switch {
	case b.Gone:
		return 0
	case b.Row.Status == apiclient.BatchRunning:
		return 1
	case b.Row.Status == apiclient.BatchPaused, b.Row.Status == apiclient.BatchRecurring:
		return 2
	case b.Row.Status == apiclient.BatchScheduled:
		return 3
	case b.Row.Status.Ended() && s.retained(b, now):
		return 4
	}
	return 0
}

// retained reports whether a batch ended within Config.FinishedRetention.
func (s *store) retained(b *batch, now time.Time) bool {
	return !b.EndedAt.IsZero() && now.Before(b.EndedAt.Add(s.cfg.FinishedRetention))
}

// rememberFor is how long a batch that is gone, or a run whose retention is
// over, is remembered after it was seen last, so that its calls do not count
// twice should it return.
const rememberFor = 24 * time.Hour

// sweep frees the memory of batches that are no longer tracked.
func (s *store) sweep(now time.Time) {
	keep := map[*batch]bool{}
	for _, b := range s.tracked(now) {
		keep[b] = true
	}
	for id, b := range s.batches {
		if keep[b] || b.GetPending || s.awaitsRecords(b, now) {
			continue
		}
		b.dropLedger()
		over := b.Gone || (b.Row.ParentID != "" && b.Row.Status.Ended() && !s.retained(b, now))
		if over && now.Sub(b.RowAt) >= rememberFor {
			if l := s.listings.runs[b.Row.ParentID]; l != nil {
				l.ResumeFrom = later(l.ResumeFrom, b.ResumeFrom)
			}
			delete(s.batches, id)
		}
	}
}

// awaitsRecords reports whether the records of calls in the counters have yet to be
// read. If they could not be read for long, nothing waits for them.
func (s *store) awaitsRecords(b *batch, now time.Time) bool {
	lost := s.records.missing() || s.records.failures > 0 && now.Sub(later(s.clock.started, s.records.ReadAt)) >= rememberFor
	lost = lost || !b.StoppedAt.IsZero() && now.Sub(b.StoppedAt) >= rememberFor // there are more than the budget can read
	return s.cfg.CallRecords && !lost && b.Ledger != nil && !b.Ledger.dueCounted.IsZero()
}

// dropLedger frees what is known about a batch's calls. It keeps only the time
// from which calls count if the batch is read again.
func (b *batch) dropLedger() {
	if b.Ledger != nil {
		b.ResumeFrom = b.Ledger.resumeFrom(b.Stats.ReadAtAPI.Add(clockTolerance))
		b.ResumeRow = fingerprintOf(&b.Row)
	}
	b.Ledger, b.Stats, b.OutdatedSince = nil, nil, time.Time{}
}
