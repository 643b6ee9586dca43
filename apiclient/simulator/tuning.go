package simulator

import "time"

// Tune changes how a batch dials from now on. change may set DialEvery, CallLength, Outcomes, Records, StallAfter and
// StuckCalls; changes to other fields have no defined effect. Like anything that goes on at the carrier, it does not touch
// the batch's row. Calls in flight end as already decided.
func (a *Account) Tune(id string, change func(*Campaign)) {
	a.disturb(id, func(b *batch, now time.Time) {
		change(&b.campaign)
		records := b.campaign.Records
		b.records = &records
		b.resetSlots(now)
	})
}

// EndStuckCalls lets the calls of a batch that would never end fail now.
func (a *Account) EndStuckCalls(id string) {
	a.disturb(id, func(b *batch, now time.Time) {
		for _, s := range b.slots {
			if s.call == nil || !s.call.end.IsZero() {
				continue
			}
			s.call.end, s.call.outcome = now, "failed"
			last := b.recipients[s.call.recipient].last
			last.CompletedAt, last.Outcome = now, "failed"
		}
	})
}

// disturb changes a batch without touching its row.
func (a *Account) disturb(id string, do func(b *batch, now time.Time)) {
	now := a.lock()
	defer a.mu.Unlock()
	if b := a.batches[id]; b != nil {
		do(b, now)
		a.reschedule(b, now)
	}
}

// BatchState is the state of a batch or a run at a moment.
type BatchState struct {
	ID, Name, Status string
	Pending          int // recipients that are still to be called
}

// Batches returns the states of all batches, newest first, each followed by its runs.
func (a *Account) Batches() []BatchState {
	a.lock()
	defer a.mu.Unlock()
	var states []BatchState
	for _, b := range a.listed {
		states = append(states, b.state())
		for _, run := range b.runs {
			states = append(states, run.state())
		}
	}
	return states
}

func (b *batch) state() BatchState {
	return BatchState{ID: b.id, Name: b.name, Status: b.status, Pending: b.pending}
}
