package collector

import (
	"cmp"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"magpipe_exporter/apiclient"
)

// snapshot is what is known about the account at one moment, as metric families.
// It is valid until something new is known, or until the first of its series
// expires or changes with time. It is immutable, so a scrape that finds it valid
// costs formatting only.
type snapshot struct {
	version  uint64    // of the store
	until    time.Time // when it becomes invalid; zero: only if the store changes
	families []*dto.MetricFamily

	// Used only while the families are made.
	up      bool
	list    *listing
	records *callRecords // nil: none to show
	counted bool         // the counts by state are known and not stale
	batches map[apiclient.BatchStatus]int
	runs    map[apiclient.BatchStatus]int
	tracked []trackedBatch // by id
}

// trackedBatch is a batch with series of its own.
type trackedBatch struct {
	id         *dto.LabelPair
	row        *apiclient.Batch
	now        time.Time       // in the zone of call windows
	recipients *recipientStats // nil: none to show

	outdatedSince time.Time // since when the row has shown that recipients is outdated; zero: it is up to date

	calls *callCounts
	talk  *talkStats // nil: none to show
}

// Gather returns what is known now, sorted as a registry sorts it. Callers must
// not modify it, because scrapes share most of it. With a State, what it returns
// has been saved, so no counter falls after a crash.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	families := append(c.counters.families(), c.currentSnapshot(time.Now()).families...)
	c.save()
	families = append(families, c.catalogue.currentFamilies(c.cfg.API.Budget, c.cfg.State)...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

func (c *Collector) currentSnapshot(now time.Time) *snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.snapshot; s == nil || s.version != c.store.version || passed(s.until, now) {
		c.snapshot = newSnapshot(c.store, c.catalogue, now)
	}
	return c.snapshot
}

func passed(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

func newSnapshot(s *store, c *catalogue, now time.Time) *snapshot {
	list := &s.listings.all
	made := &snapshot{
		version: s.version, up: s.listings.up(), list: list,
		batches: map[apiclient.BatchStatus]int{}, runs: map[apiclient.BatchStatus]int{},
	}
	made.counted = !list.WholeAt.IsZero() && made.holds(list.staleAt(list.GoodAt, s.cfg.MaxStaleness), now)
	for _, b := range s.batches {
		switch {
		case b.Gone:
		case b.Row.ParentID == "":
			made.batches[b.Row.Status]++
		case (!b.Row.Status.Ended() || !b.EndedAt.IsZero()) && made.holds(s.rowHoldsUntil(b), now):
			made.runs[b.Row.Status]++
		}
	}
	if s.cfg.CallRecords && made.holds(s.records.holdsUntil(s.cfg.MaxStaleness), now) {
		made.records = &s.records
	}
	for _, b := range s.tracked(now) {
		if !made.holds(s.rowHoldsUntil(b), now) {
			continue
		}
		shown := trackedBatch{id: newLabelPair(batchID, b.Row.ID), row: &b.Row, now: now.In(s.cfg.WindowZone), calls: &b.Calls}
		if b.Stats != nil && !isTemplate(&b.Row) && made.holds(b.recipientsHoldUntil(s.cfg.MaxStaleness), now) {
			shown.recipients, shown.outdatedSince = b.Stats, b.OutdatedSince
			if made.records != nil && b.Ledger != nil {
				shown.talk = b.Ledger.talkStats()
			}
		}
		made.tracked = append(made.tracked, shown)
	}
	if len(made.tracked) > 0 {
		made.until = earlier(made.until, now.Truncate(time.Minute).Add(time.Minute)) // call windows change at full minutes
	}
	slices.SortFunc(made.tracked, func(a, b trackedBatch) int { return cmp.Compare(a.row.ID, b.row.ID) })
	made.families = c.families(made)
	made.list, made.records, made.tracked = nil, nil, nil // they point into the store, which changes
	return made
}

// holds reports whether data that expires at until can be shown now. If so, the
// snapshot becomes invalid at that time, too. Zero means that it never expires.
func (s *snapshot) holds(until, now time.Time) bool {
	if passed(until, now) {
		return false
	}
	s.until = earlier(s.until, until)
	return true
}

// rowHoldsUntil is when what comes from a batch's row is dropped: its retention
// ends, or the listing that shows it keeps failing. Zero is never.
func (s *store) rowHoldsUntil(b *batch) (until time.Time) {
	if b.Row.Status.Ended() {
		until = b.EndedAt.Add(s.cfg.FinishedRetention)
	}
	most, all := s.cfg.MaxStaleness, &s.listings.all
	parent := s.batches[b.Row.ParentID]
	switch {
	case parent != nil:
		until = earlier(until, all.staleAt(parent.ListedAt, most))
		if runs := s.listings.runs[parent.Row.ID]; runs != nil {
			until = earlier(until, runs.staleAt(b.ListedAt, most))
		}
		return until
	case all.long() && b.Row.Status == apiclient.BatchRunning:
		until = earlier(until, s.listings.running.staleAt(b.ListedAt, most))
	}
	return earlier(until, all.staleAt(b.ListedAt, most))
}

// recipientsHoldUntil is when a batch's recipients are dropped because its gets
// keep failing. Zero is never.
func (b *batch) recipientsHoldUntil(maxStaleness time.Duration) time.Time {
	if !persistent(b.Failures) || b.Stats == nil {
		return time.Time{}
	}
	return b.Stats.ReadAt.Add(maxStaleness)
}
