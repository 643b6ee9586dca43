package simulator

import (
	"cmp"
	"time"
)

// SetRecipients replaces the recipients of a batch and takes its counts from them; updated_at is now. Calls that are
// set active by hand stay so until they are set again, and hold no slot.
func (a *Account) SetRecipients(batchID string, rs []Recipient) {
	a.act(batchID, func(b *batch, now time.Time) bool {
		last := make(map[string]*attempt)
		for i := range b.recipients {
			last[b.recipientID(i)] = b.recipients[i].last
		}
		clear(b.slots)
		b.recipients = make([]recipient, len(rs))
		for i, r := range rs {
			b.recipients[i].id = r.ID
			b.recipients[i].last = last[b.recipientID(i)]
			a.write(b, i, r)
		}
		b.recount()
		b.arm(now)
		return true
	})
}

// SetRecipient replaces one recipient, by its index, and moves the counts accordingly; updated_at is now.
func (a *Account) SetRecipient(batchID string, i int, r Recipient) {
	a.act(batchID, func(b *batch, now time.Time) bool {
		if i < 0 || i >= len(b.recipients) {
			return false
		}
		b.score(b.recipients[i].status, -1)
		a.write(b, i, r)
		b.score(b.recipients[i].status, 1)
		b.floor = now
		return true
	})
}

// write puts a hand-made recipient in place and its call into the journal.
func (a *Account) write(b *batch, i int, given Recipient) {
	old := b.recipients[i]
	b.release(old.flight)
	r := recipient{
		id: cmp.Or(given.ID, old.id), status: cmp.Or(given.Status, "pending"), attempts: old.attempts,
		attempted: instant(given.AttemptedAt), completed: instant(given.CompletedAt), wire: old.wire,
	}
	b.put(i, r)
	if r.attempted.IsZero() {
		return
	}
	call := old.last
	if call == nil || !call.AttemptedAt.Equal(r.attempted) {
		call = a.calls.add(attempt{Call: Call{
			BatchID: b.id, RecipientID: b.recipientID(i), AttemptedAt: r.attempted,
		}})
	}
	if o := outcomeOf(r.status); call.planned || call.Outcome == "" {
		call.planned, call.Outcome, call.CompletedAt = false, o, time.Time{}
		if o != "" {
			call.CompletedAt = r.completed
		}
	}
	b.recipients[i].last = call
}

// recordBehind gives a batch that is added in an end state the calls that led there.
func (a *Account) recordBehind(b *batch, now time.Time) {
	n := len(b.recipients)
	if b.template() || n == 0 || b.status != "completed" && b.status != "cancelled" {
		return
	}
	begin := cmp.Or(b.started, b.created)
	end := cmp.Or(b.completed, b.touch, now)
	each := max(0, end.Sub(begin)) / time.Duration(n)
	for i := range b.recipients {
		if b.status == "cancelled" {
			a.write(b, i, Recipient{Status: "skipped"})
			continue
		}
		at := begin.Add(each * time.Duration(i))
		f := b.fly(i, 0, at)
		b.dials++
		if f.outcome == "" {
			a.write(b, i, Recipient{Status: "calling", AttemptedAt: at})
			continue
		}
		over := f.end
		if last := at.Add(each); over.After(last) {
			over = last
		}
		a.write(b, i, Recipient{Status: f.outcome, AttemptedAt: at, CompletedAt: over})
	}
	b.recount()
}
