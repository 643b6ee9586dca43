package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	runsKept    = 1000 // newest runs that are kept of a recurring batch
	repeatsKept = 20   // newest predecessors that are kept of a repeating batch
)

// Spawn starts a new run of a recurring batch now, whatever the batch's state, and returns the run's id. It returns ""
// if the batch is unknown. The newest 1000 runs of a recurring batch are kept.
func (a *Account) Spawn(parentID string) (runID string) {
	now := a.lock()
	defer a.mu.Unlock()
	parent := a.batches[parentID]
	if parent == nil {
		return ""
	}
	run := a.spawn(parent, now)
	a.reschedule(parent, now)
	return run.id
}

func (a *Account) spawn(parent *batch, t time.Time) *batch {
	c := parent.campaign
	c.ID, c.Status, c.Recurrence, c.Name, c.Repeat = "", "running", "", "", false
	c.RunEvery, c.MaxRuns = 0, 0
	c.Recipients = len(parent.recipients)
	c.Parent, c.Occurrence = parent.id, parent.runCount+1
	c.CreatedAt, c.ScheduledAt, c.UpdatedAt = t, t, t
	c.StartedAt, c.CompletedAt = time.Time{}, time.Time{} // the service sets no started_at for runs
	run := newBatch(c, mix(parent.key, forRun, uint64(c.Occurrence)), t)
	a.insert(run, t)
	parent.updated = t
	if len(parent.runs) > runsKept {
		a.remove(parent.runs[runsKept].id, t)
	}
	for !parent.runNext.IsZero() && !parent.runNext.After(t) {
		parent.runNext = parent.runNext.Add(parent.campaign.RunEvery)
	}
	if parent.campaign.MaxRuns > 0 && parent.runCount >= parent.campaign.MaxRuns && parent.template() {
		parent.completed = t
		parent.finish("completed", t)
	}
	return run
}

// addRun adds a run to its parent.
func (b *batch) addRun(run *batch) {
	run.occurrence = cmp.Or(run.occurrence, b.runCount+1)
	run.name = cmp.Or(run.name, fmt.Sprintf("%s — Run #%d", b.name, run.occurrence))
	b.runCount = max(b.runCount, run.occurrence)
	i := slices.IndexFunc(b.runs, func(x *batch) bool { return x.occurrence <= run.occurrence })
	if i < 0 {
		i = len(b.runs)
	}
	b.runs = slices.Insert(b.runs, i, run)
}

// followUp starts a batch like this one.
func (a *Account) followUp(b *batch, t time.Time) {
	b.followUpAt = time.Time{}
	c := b.campaign
	c.ID, c.Status = "", "running"
	c.Recipients = len(b.recipients)
	c.CreatedAt, c.UpdatedAt = t, t
	c.ScheduledAt, c.StartedAt, c.CompletedAt = time.Time{}, time.Time{}, time.Time{}
	next := newBatch(c, mix(b.key, forFollowUp), t)
	next.predecessors = append(slices.Clone(b.predecessors), b.id)
	if len(next.predecessors) > repeatsKept {
		a.remove(next.predecessors[0], t)
		next.predecessors = next.predecessors[1:]
	}
	a.insert(next, t)
}
