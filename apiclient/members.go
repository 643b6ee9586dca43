package apiclient

// member is a key that a row may leave out: its bit in Batch.carried, and how
// its value is taken over from an older row.
type member struct {
	bit  uint32
	keep func(b, older *Batch)
}

// fromWire is the bit of every row that was decoded, whatever it carried.
const fromWire = 1 << 31

// members are those that the official pages leave out of one answer or the
// other, or that other versions of the service might.
var members = map[string]member{
	"name":                 {1 << 0, func(b, older *Batch) { b.Name = older.Name }},
	"parent_batch_id":      {1 << 1, func(b, older *Batch) { b.ParentID = older.ParentID }},
	"recurrence_type":      {1 << 2, func(b, older *Batch) { b.Recurrence = older.Recurrence }},
	"total_recipients":     {1 << 3, func(b, older *Batch) { b.TotalRecipients = older.TotalRecipients }},
	"completed_count":      {1 << 4, func(b, older *Batch) { b.CompletedCount = older.CompletedCount }},
	"failed_count":         {1 << 5, func(b, older *Batch) { b.FailedCount = older.FailedCount }},
	"max_concurrency":      {1 << 6, func(b, older *Batch) { b.MaxConcurrency = older.MaxConcurrency }},
	"reserved_concurrency": {1 << 7, func(b, older *Batch) { b.ReservedConcurrency = older.ReservedConcurrency }},
	"recurrence_run_count": {1 << 8, func(b, older *Batch) { b.RecurrenceRuns = older.RecurrenceRuns }},
	"recurrence_max_runs":  {1 << 9, func(b, older *Batch) { b.RecurrenceMaxRuns = older.RecurrenceMaxRuns }},
	"window_start_time": {1 << 10, func(b, older *Batch) {
		b.Window.Start, b.Window.Unknown = older.Window.Start, b.Window.Unknown || older.Window.Unknown
	}},
	"window_end_time": {1 << 11, func(b, older *Batch) { b.Window.End, b.Window.Unknown = older.Window.End, b.Window.Unknown || older.Window.Unknown }},
	"window_days": {1 << 12, func(b, older *Batch) {
		b.Window.Days, b.Window.Unknown = older.Window.Days, b.Window.Unknown || older.Window.Unknown
	}},
	"created_at":   {1 << 13, func(b, older *Batch) { b.CreatedAt = older.CreatedAt }},
	"scheduled_at": {1 << 14, func(b, older *Batch) { b.ScheduledAt = older.ScheduledAt }},
	"started_at":   {1 << 15, func(b, older *Batch) { b.StartedAt = older.StartedAt }},
	"updated_at":   {1 << 16, func(b, older *Batch) { b.UpdatedAt = older.UpdatedAt }},
	"completed_at": {1 << 17, func(b, older *Batch) { b.CompletedAt = older.CompletedAt }},
}

// KeepFrom takes over from an older row of the same batch what this one left
// out: the answers of list and get may carry different keys. An explicit null
// is not left out. A run stays a run of its series.
func (b *Batch) KeepFrom(older *Batch) {
	if b.ParentID == "" {
		b.ParentID = older.ParentID
	}
	if b.carried == 0 {
		return // not from the wire
	}
	for _, m := range members {
		if b.carried&m.bit == 0 {
			m.keep(b, older)
		}
	}
	b.carried |= older.carried
}

// RanSince tells whether the batch began or completed anew after an older row
// of it, as far as that row knew when it had.
func (b *Batch) RanSince(older *Batch) bool {
	knew := func(name string) bool { return older.carried == 0 || older.carried&members[name].bit != 0 }
	return (knew("started_at") && !b.StartedAt.Equal(older.StartedAt)) ||
		(knew("completed_at") && !b.CompletedAt.Equal(older.CompletedAt))
}
