package collector

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"magpipe_exporter/apiclient"
)

// savedState is what a state file holds. Of the types of the store, the exported
// fields are saved. There is no key, no phone number and no person's name in it,
// and a batch's name only if the exposition has it.
type savedState struct {
	URL          string
	At           time.Time
	Ahead        time.Duration // by how much the API's clock is ahead of the local one
	CountingFrom time.Time
	Budget       apiclient.BudgetState
	Series       map[string][]*series
	Odd          map[uint64]struct{}
	All          listing
	Running      listing
	Runs         map[string]*listing
	Records      callRecords
	Batches      []*batch
}

// progress tells whether there is anything new to save.
type progress struct {
	version uint64
	changes int
}

// save writes the state file, if anything is new since it was written.
func (c *Collector) save() {
	state := c.cfg.State
	if state == nil {
		return
	}
	state.mu.Lock()
	defer state.unlock()
	c.mu.Lock()
	now := progress{c.store.version, c.counters.progress()}
	if now == state.saved && !state.failing {
		c.mu.Unlock()
		return
	}
	payload, err := c.encodeState(true)
	c.mu.Unlock()
	state.saved = now
	state.write(payload, err)
}

// saveAtStart writes the state file before the first request is sent, whatever it
// holds.
func (c *Collector) saveAtStart() { c.writeState(true) }

// saveAtEnd writes it after the last one, and closes it.
func (c *Collector) saveAtEnd() {
	if c.cfg.State != nil {
		c.writeState(false)
		c.cfg.State.close()
	}
}

func (c *Collector) writeState(running bool) {
	state := c.cfg.State
	if state == nil {
		return
	}
	state.mu.Lock()
	defer state.unlock()
	c.mu.Lock()
	payload, err := c.encodeState(running)
	c.mu.Unlock()
	state.write(payload, err)
}

// unsavedFor is longer than a refresh that spends without saving takes.
const unsavedFor = 5 * time.Minute

// encodeState returns what is to be saved. While the exporter is running, the budget
// is saved as if all of it were spent for a while: a process that dies must not give
// the next one what it may have spent since.
func (c *Collector) encodeState(running bool) ([]byte, error) {
	budget := c.cfg.API.Budget.State()
	if running {
		budget.Tokens, budget.At = 0, budget.At.Add(unsavedFor)
	}
	c.counters.mu.Lock()
	defer c.counters.mu.Unlock()
	mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("encode the state: %w", err)
	}
	return mode.Marshal(c.savedState(budget))
}

// savedState collects what is to be saved.
func (c *Collector) savedState(budget apiclient.BudgetState) *savedState {
	s := c.store
	saved := &savedState{
		URL: c.cfg.State.url, At: time.Now(), Budget: budget,
		Ahead: s.clock.current.Sub(s.clock.started), CountingFrom: s.clock.countingFrom,
		Series: c.counters.series, Odd: c.counters.odd,
		All: s.listings.all, Running: s.listings.running, Runs: s.listings.runs, Records: s.records,
	}
	for _, b := range s.batches {
		shown := *b
		shown.Row.Odd = nil
		if !c.cfg.BatchNames {
			shown.Row.Name = ""
		}
		saved.Batches = append(saved.Batches, &shown)
	}
	return saved
}

// restore has a new Collector go on from a saved state.
func (c *Collector) restore(saved *savedState) {
	s := c.store
	c.cfg.API.Budget.Restore(saved.Budget)
	now := s.clock.started.Add(saved.Ahead)
	s.clock.countingFrom, s.clock.current, s.clock.rival, s.clock.answers = saved.CountingFrom, now, now, enoughAnswers
	c.counters.restore(saved)
	s.listings.restore(saved)
	s.records.Cache, s.records.Rest, s.records.AskedAt, s.records.ReadAt = saved.Records.Cache, saved.Records.Rest, saved.Records.AskedAt, saved.Records.ReadAt
	s.records.allowance.AllowN(time.Now(), s.records.allowance.Burst()) // it may have been used
	for _, b := range saved.Batches {
		for _, at := range []*time.Time{&b.RowAt, &b.ListedAt, &b.AskedAt} {
			if at.After(saved.At) {
				*at = saved.At // the clock has been set back
			}
		}
		s.batches[b.Row.ID] = b
		if b.Ledger != nil {
			b.Ledger.schedule()
		}
	}
}

// restore takes over the series that the catalogue still has.
func (c *counters) restore(saved *savedState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, all := range saved.Series {
		for _, before := range all {
			i := slices.IndexFunc(c.series[name], func(s *series) bool { return slices.Equal(s.Labels, before.Labels) })
			if i < 0 {
				continue
			}
			now := c.series[name][i]
			switch {
			case now.Histogram == nil && before.Histogram == nil:
				now.Since, now.Value = before.Since, before.Value
			case now.Histogram != nil && before.Histogram != nil && len(now.Histogram.Classic) == len(before.Histogram.Classic):
				before.Histogram.bounds = now.Histogram.bounds
				now.Since, now.Histogram = before.Since, before.Histogram
			}
		}
	}
	if saved.Odd != nil {
		c.odd = saved.Odd
	}
}

// restore takes over the listings. Their walks start anew, and the batch list is read
// at once, to know whether the API answers.
func (ls *listings) restore(saved *savedState) {
	all, running := saved.All, saved.Running
	all.pager, running.pager = ls.all.pager, ls.running.pager
	all.AskedAt, running.AskedAt = time.Time{}, time.Time{}
	ls.all, ls.running = all, running
	for id, l := range saved.Runs {
		l.pager = ls.client.Runs(id)
		ls.runs[id] = l
	}
}

// mostElements is more than any list in a state has.
const mostElements = 1 << 24

// decodeState decodes a payload and checks that the store can go on from it. Its
// errors wrap errState.
func decodeState(payload []byte) (*savedState, error) {
	saved := &savedState{}
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, MaxNestedLevels: 16, MaxArrayElements: mostElements, MaxMapPairs: mostElements}.DecMode()
	if err == nil {
		err = mode.Unmarshal(payload, saved)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	ids := map[string]bool{}
	for _, b := range saved.Batches {
		if b == nil || ids[b.Row.ID] || !b.sound() {
			return nil, fmt.Errorf("%w: it contains an impossible batch", errState)
		}
		ids[b.Row.ID] = true
	}
	for name, all := range saved.Series {
		if slices.ContainsFunc(all, func(s *series) bool { return s == nil || !s.sound() }) {
			return nil, fmt.Errorf("%w: it contains impossible values of %q", errState, name)
		}
	}
	for _, l := range saved.Runs {
		if l == nil {
			return nil, fmt.Errorf("%w: it contains an impossible listing", errState)
		}
	}
	return saved, nil
}

// mostAhead is how far ahead of now the time of a state may be: the clock may have
// been set back by as much.
const mostAhead = 5 * time.Minute

// usable returns an error that wraps errState if a state is another account's, or
// from the future.
func (s *savedState) usable(url string, now time.Time) error {
	switch {
	case s.URL != url:
		return fmt.Errorf("%w: it belongs to the API at %s", errState, s.URL)
	case s.At.Sub(now) > mostAhead:
		return fmt.Errorf("%w: it was written at %s, which is in the future", errState, s.At.UTC().Format(time.RFC3339))
	}
	return nil
}

// sound reports whether a decoded batch has values that the rest of the package can
// work with.
func (b *batch) sound() bool {
	row, window := &b.Row, b.Row.Window
	minutes := func(m int) bool { return m >= -1 && m <= 24*60 }
	switch {
	case row.ID == "", row.Status > apiclient.BatchRecurring, !minutes(window.Start), !minutes(window.End):
		return false
	case min(b.Calls.Started, b.Calls.Answered, slices.Min(b.Calls.Finished[:])) < 0:
		return false
	case b.Ledger != nil && b.Stats == nil: // a ledger is kept with the time of its last read
		return false
	}
	return b.Ledger == nil || b.Ledger.sound()
}

func (l *ledger) sound() bool {
	recipients := map[uint64]bool{}
	for _, k := range l.Calls {
		if recipients[k.Recipient] {
			return false
		}
		recipients[k.Recipient] = true
	}
	return !slices.ContainsFunc(slices.Concat(l.Calls, l.Superseded), func(k knownCall) bool {
		return k.Talk < notRead || k.Talk > longestCall
	})
}

// sound reports whether a decoded series has counts.
func (s *series) sound() bool {
	h := s.Histogram
	if h == nil {
		return s.Value >= 0
	}
	for _, n := range h.Native {
		if n < 0 {
			return false
		}
	}
	return h.Native != nil && cmp.Compare(h.Sum, 0) >= 0
}
