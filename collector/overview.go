package collector

import (
	"time"

	"magpipe_exporter/apiclient"
)

// Overview is what is known about the account at one moment, for people to read
// without Prometheus. What the metrics do not show at that moment is not in it
// either.
//
// Times are zero if they are unknown or do not exist. Those that come from the
// API are by the API's clock: see ClockAhead. All others are by the local clock.
type Overview struct {
	At          time.Time     // the moment
	ClockAhead  time.Duration // how far the API's clock is ahead of the local one; below zero if it is behind
	RefreshedAt time.Time     // when the newest Refresh began: nothing is read between refreshes

	Ready         bool // this process has read a batch list
	List          Source
	ListTruncated bool // the last walk of the list may have missed batches

	CallRecords *Source // nil: Config.CallRecords is off

	Calls  CallTotals
	Budget BudgetOverview

	Counts    []StateCount    // batches by state, without runs; nil if they are unknown
	Batches   []BatchOverview // those with series, by priority, and within one the newest first
	Untracked int             // batches that would have series if Config.MaxBatches were larger
}

// StateCount is the number of batches in one state.
type StateCount struct {
	State   string // as the API writes it; "unknown" if it is not documented
	Batches int
}

// Source describes the reads of one kind of data.
type Source struct {
	ReadAt time.Time // of the batch list: when the last full walk began; of others: when the last good read began
	Err    error     // why the last read failed; nil if it did not
	Reason string    // one word for Err, as on magpipe_exporter_api_request_failures_total
}

// CallTotals are the account's counters.
type CallTotals struct {
	Started, Finished, Failed, Answered int64 // Failed and Answered are among the finished ones
}

// BudgetOverview is how many requests the exporter may send.
type BudgetOverview struct {
	Remaining          int   // requests that could be sent right now
	PerMinute, PerHour int   // the limits
	Deferred           error // why the newest refresh has not sent all that was due; nil: it has

	APILimit, APIRemaining int // what the API reports about its own limit, in requests; APILimit 0: nothing
}

// BatchOverview is a batch or a run.
type BatchOverview struct {
	ID, ParentID  string // ParentID is that of a run's recurring batch
	Name          string // "" without Config.BatchNames
	State         string // as the API writes it
	Ended         bool   // State is that of a batch that is over
	Recurrence    string // "none", "daily" ...
	Template      bool   // it calls nobody itself, but spawns runs
	Runs, MaxRuns int64  // of a recurring batch: spawned so far, and at most; -1: unknown, or no limit

	Target     int64               // recipients as the API counts them; -1: unknown
	Recipients *RecipientsOverview // nil: not read, or nothing to show
	Reads      Source              // of the recipients
	Window     WindowOverview

	SeenAt, EndedAt                              time.Time // when it was first seen, and when it ended, by the local clock
	CreatedAt, ScheduledAt, StartedAt, UpdatedAt time.Time // from the API
}

// RecipientsOverview counts the recipients of a batch.
type RecipientsOverview struct {
	ReadAt        time.Time
	OutdatedSince time.Time // since when the batch's row has shown that they have changed; zero: they are up to date
	RightUntil    time.Time // until when they are known to be right

	Dialled   int64 // called at least once
	Active    int64 // whose call is under way
	Pending   int64 // still to be called
	Unknown   int64 // that the API has not handed out, or whose state is not known
	Finished  int64 // whose call has ended, whatever its outcome
	Completed int64 // of those, the ones whose outcome is completed: answered by somebody, a voicemail or nobody
	Failed    int64 // of those, the ones whose outcome is failed

	Recorded int64 // whose call's record was read; 0 if records are not read
	Answered int64 // of those, the ones that talked

	OldestActive, LastDial time.Time // from the API
}

// WindowOverview is a call window at the moment of the overview.
type WindowOverview struct {
	Known  bool // it could be decoded; if not, nothing else is known
	Valid  bool // it can open
	Open   bool
	Opened time.Time // since when it has been open; zero: it is closed, or has always been open
	Closes time.Time // zero: it is closed, or never closes
	Opens  time.Time // zero: it is open, or never opens
}

// Overview returns what is known now. It sends no API requests and does not wait
// for any.
func (c *Collector) Overview() Overview {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, s := time.Now(), c.store
	all := &s.listings.all
	o := Overview{
		At: now, ClockAhead: s.clock.ahead(now),
		Ready: all.answered, List: sourceOf(all.WholeAt, s.listings.failure()), ListTruncated: all.Truncated,
		Calls: c.counters.totals(), Budget: budgetOverview(c.cfg.API.Budget, c.refresh.refused),
	}
	if c.refresh.newest != nil {
		o.RefreshedAt = c.refresh.newest.since
	}
	if c.cfg.CallRecords {
		records := sourceOf(s.records.ReadAt, s.records.failure)
		o.CallRecords = &records
	}
	if !all.WholeAt.IsZero() && !passed(all.staleAt(all.GoodAt, s.cfg.MaxStaleness), now) {
		o.Counts = s.countStates()
	}
	for _, b := range s.batches {
		if s.rank(b, now) > 0 && !passed(s.rowHoldsUntil(b), now) {
			o.Untracked++
		}
	}
	for _, b := range s.tracked(now) {
		if !passed(s.rowHoldsUntil(b), now) {
			o.Batches = append(o.Batches, s.overviewOf(b, now))
			o.Untracked--
		}
	}
	return o
}

func (s *store) countStates() (counts []StateCount) {
	var batches [apiclient.BatchRecurring + 1]int
	for _, b := range s.batches {
		if !b.Gone && b.Row.ParentID == "" {
			batches[b.Row.Status]++
		}
	}
	for _, status := range apiclient.BatchStatuses() {
		counts = append(counts, StateCount{status.String(), batches[status]})
	}
	return counts
}

func sourceOf(readAt time.Time, err error) Source {
	source := Source{ReadAt: readAt, Err: err}
	if err != nil {
		source.Reason = apiclient.Reason(err)
	}
	return source
}

func budgetOverview(b *apiclient.Budget, refused error) BudgetOverview {
	limits, api := b.Limits(), b.RateLimit()
	return BudgetOverview{
		Remaining: b.Remaining(), PerMinute: limits.PerMinute, PerHour: limits.PerHour, Deferred: refused,
		APILimit: api.Limit, APIRemaining: api.Remaining,
	}
}

func (c *counters) totals() CallTotals {
	c.mu.Lock()
	defer c.mu.Unlock()
	value := func(name string, labels ...string) int64 { return int64(c.of(name, labels).Value) }
	totals := CallTotals{Started: value("magpipe_calls_started_total"), Answered: value("magpipe_calls_answered_total")}
	for _, outcome := range apiclient.Outcomes() {
		n := value("magpipe_calls_finished_total", outcome.String())
		totals.Finished += n
		if outcome == apiclient.RecipientFailed {
			totals.Failed = n
		}
	}
	return totals
}

func (s *store) overviewOf(b *batch, now time.Time) BatchOverview {
	row := &b.Row
	o := BatchOverview{
		ID: row.ID, ParentID: shorten(row.ParentID), Name: nameIf(s.cfg.BatchNames, row.Name),
		State: row.Status.String(), Ended: row.Status.Ended(),
		Recurrence: shorten(recurrence(row)), Template: isTemplate(row),
		Runs: orUnknown(ifRecurring(row, row.RecurrenceRuns)), MaxRuns: orUnknown(ifRecurring(row, row.RecurrenceMaxRuns)),
		Target: orUnknown(row.TotalRecipients), Window: windowOverview(row.Window, now.In(s.cfg.WindowZone)),
		SeenAt: b.Calls.Since, EndedAt: b.EndedAt,
		CreatedAt: row.CreatedAt, ScheduledAt: row.ScheduledAt, StartedAt: row.StartedAt, UpdatedAt: row.UpdatedAt,
	}
	if !o.Template {
		o.Reads.Err = b.failure
	}
	if b.Stats != nil && !o.Template && !passed(b.recipientsHoldUntil(s.cfg.MaxStaleness), now) {
		o.Recipients = s.recipientsOverview(b, now)
		o.Reads.ReadAt = b.Stats.ReadAt
	}
	o.Reads = sourceOf(o.Reads.ReadAt, o.Reads.Err)
	return o
}

// rowLag is how much later the row of a batch may show what its recipients show:
// it changes when a call ends, not when it starts.
const rowLag = 5 * time.Minute

func (s *store) recipientsOverview(b *batch, now time.Time) *RecipientsOverview {
	stats := b.Stats
	o := &RecipientsOverview{
		ReadAt: stats.ReadAt, OutdatedSince: b.OutdatedSince, RightUntil: stats.ReadAt,
		Dialled: stats.Attempted, Active: stats.Active, Pending: stats.Counts[apiclient.RecipientPending],
		Unknown: stats.Counts[apiclient.RecipientUnknown], Completed: stats.Counts[apiclient.RecipientCompleted],
		Failed: stats.Counts[apiclient.RecipientFailed], OldestActive: stats.OldestActive, LastDial: stats.LastAttempt,
	}
	if b.OutdatedSince.IsZero() {
		o.RightUntil = later(stats.ReadAt, b.RowAt.Add(-rowLag))
	}
	for _, outcome := range apiclient.Outcomes() {
		o.Finished += stats.Counts[outcome]
	}
	if s.cfg.CallRecords && b.Ledger != nil && !passed(s.records.holdsUntil(s.cfg.MaxStaleness), now) {
		talk := b.Ledger.talkStats()
		o.Recorded, o.Answered = talk.recorded, talk.answered
	}
	return o
}

func windowOverview(w apiclient.Window, now time.Time) WindowOverview {
	if w.Unknown {
		return WindowOverview{}
	}
	return WindowOverview{Known: true, Valid: w.Valid(), Open: w.Open(now), Opened: w.Opened(now), Closes: w.Closes(now), Opens: w.Opens(now)}
}

// orUnknown returns a count, or -1 if it is not known.
func orUnknown(c apiclient.Count) int64 {
	if !c.Known {
		return -1
	}
	return c.N
}
