package apiclient

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// page reads the rows of an answer to list or list_runs. It holds all of them in
// memory, and therefore returns ErrTooLarge if there are far more than requested.
func (d *document) page(asked question) ([]Batch, error) {
	main := "batches"
	if asked.Action == ActionListRuns {
		main = "runs"
	}
	var rows []Batch
	found := false
	err := d.members(func(name string) error {
		if name != main {
			return d.other(name)
		}
		rows, found = nil, d.kind() == '['
		if !found {
			return d.skip()
		}
		return d.elements(func() error {
			if len(rows) >= max(asked.Limit, mostRows) {
				return ErrTooLarge
			}
			b, err := d.batch()
			rows = append(rows, b)
			return err
		})
	})
	switch {
	case err != nil:
		return nil, err
	case d.reportsError:
		return nil, &DecodeError{Detail: string(asked.Action) + ": the answer reports an error"}
	case !found:
		return nil, &DecodeError{Detail: string(asked.Action) + ": the answer has no " + main}
	}
	return rows, nil
}

// get reads an answer to get: a batch and its recipients.
func (d *document) get(id string, each func(Recipient)) (batch Batch, err error) {
	recipients, lists, found := 0, 0, false
	err = d.members(func(name string) (err error) {
		switch {
		case name == "batch":
			found = d.kind() == '{'
			batch, err = d.batch()
			return err
		case name == "recipients" && d.kind() == '[':
			lists++
			return d.elements(func() error {
				recipients++
				return d.recipient(each)
			})
		}
		return d.other(name)
	})
	wrong := ""
	switch total := batch.TotalRecipients; {
	case err != nil:
		return Batch{}, err
	case d.reportsError:
		wrong = "the answer reports an error"
	case !found || lists == 0:
		wrong = "the answer has no batch or no recipients"
	case lists > 1:
		wrong = "the answer has more than one list of recipients" // all of which were passed to each
	case batch.ID != "" && batch.ID != id:
		wrong = "the answer is about another batch"
	case recipients == 0 && (!total.Known || total.N > 0):
		wrong = "no recipients, though the batch may have some" // how the API answers if it failed to read them
	}
	if wrong != "" {
		return Batch{}, &DecodeError{Detail: "get: " + wrong}
	}
	batch.ID = id
	return batch, nil
}

// other skips a member at the top level that is not wanted. One of them matters:
// some functions of the service report an error in a 200, beside empty data. The
// values null, false, 0 and "" mean no error, as in JavaScript.
func (d *document) other(name string) error {
	if name != "error" {
		return d.skip()
	}
	raw, kind, err := d.value()
	n, whole := wholeNumber(raw, kind)
	none := kind == 'n' || kind == 'f' || (kind == '"' && len(raw) == 0) || (whole && n == 0)
	d.reportsError = !none
	return err
}

// batch reads one row. A row that is not an object becomes a Batch without an
// ID, so that it does not invalidate the page.
func (d *document) batch() (Batch, error) {
	b := Batch{Window: Window{Start: -1, End: -1, Days: EveryDay}}
	if d.kind() != '{' {
		return b, d.skip()
	}
	if err := d.enter(); err != nil {
		return b, err
	}
	b.Carried = memberAny
	for d.kind() != '}' {
		name, err := d.name()
		if err == nil {
			err = d.batchMember(name, &b)
		}
		if err != nil {
			return b, err
		}
	}
	b.Window.Unknown = b.Misread != 0
	return b, d.leave()
}

// batchMember reads one member of a row. If a name occurs more than once, the
// last value wins.
func (d *document) batchMember(name []byte, b *Batch) (err error) {
	b.Carried |= memberNames[string(name)]
	switch string(name) {
	case "id":
		b.ID, err = d.text()
	case "name":
		b.Name, err = d.text()
	case "status":
		err = d.batchStatus(b)
	case "parent_batch_id":
		b.ParentID, err = d.text()
	case "recurrence_type":
		b.Recurrence, err = d.text()
	case "total_recipients":
		b.TotalRecipients, err = d.count(&b.Odd)
	case "completed_count":
		b.CompletedCount, err = d.count(&b.Odd)
	case "failed_count":
		b.FailedCount, err = d.count(&b.Odd)
	case "max_concurrency":
		b.MaxConcurrency, err = d.count(&b.Odd)
	case "reserved_concurrency":
		b.ReservedConcurrency, err = d.count(&b.Odd)
	case "recurrence_run_count":
		b.RecurrenceRuns, err = d.count(&b.Odd)
	case "recurrence_max_runs":
		b.RecurrenceMaxRuns, err = d.count(&b.Odd)
	case "window_start_time":
		b.Window.Start, err = d.clock(b, memberWindowStart)
	case "window_end_time":
		b.Window.End, err = d.clock(b, memberWindowEnd)
	case "window_days":
		b.Window.Days, err = d.days(b)
	case "created_at":
		b.CreatedAt, err = d.timestamp(&b.Odd)
	case "scheduled_at":
		b.ScheduledAt, err = d.timestamp(&b.Odd)
	case "started_at":
		b.StartedAt, err = d.timestamp(&b.Odd)
	case "updated_at":
		b.UpdatedAt, err = d.timestamp(&b.Odd)
	case "completed_at":
		b.CompletedAt, err = d.timestamp(&b.Odd)
	default:
		err = d.skip()
	}
	return err
}

func (d *document) batchStatus(b *Batch) error {
	raw, _, err := d.value()
	if err != nil {
		return err
	}
	if b.Status = parseBatchStatus(raw); b.Status == BatchUnknown {
		d.odd(&b.Odd, FieldBatchStatus, raw)
	}
	return nil
}

// clock reads the start or the end of a window. It returns -1 for null.
func (d *document) clock(b *Batch, member memberSet) (minute int, err error) {
	b.Misread &^= member
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return -1, err
	}
	minute, ok := parseClock(string(raw))
	if kind != '"' || !ok {
		b.Misread |= member
		d.odd(&b.Odd, FieldWindow, raw)
		return -1, nil
	}
	return minute, nil
}

// days reads a list of weekdays. An invalid weekday never matches, as in the
// service. If the value is not a list, the window is unknown.
func (d *document) days(b *Batch) (days Days, err error) {
	b.Misread &^= memberWindowDays
	if d.kind() != '[' {
		raw, kind, err := d.value()
		if err == nil && kind != 'n' {
			b.Misread |= memberWindowDays
			d.odd(&b.Odd, FieldWindow, raw)
		}
		return EveryDay, err
	}
	if err := d.enter(); err != nil {
		return 0, err
	}
	for d.kind() != ']' {
		raw, kind, err := d.value()
		if err != nil {
			return 0, err
		}
		if day, ok := wholeNumber(raw, kind); ok && day <= int64(time.Saturday) {
			days |= 1 << day
			continue
		}
		d.odd(&b.Odd, FieldWindow, raw)
	}
	return days, d.leave()
}

// recipient reads one recipient and passes it to each. A value that is not an
// object counts as a recipient in an unknown state.
func (d *document) recipient(each func(Recipient)) error {
	var r Recipient
	if d.kind() != '{' {
		if err := d.skip(); err != nil {
			return err
		}
		each(r)
		return nil
	}
	if err := d.enter(); err != nil {
		return err
	}
	for d.kind() != '}' {
		name, err := d.name()
		if err == nil {
			err = d.recipientMember(name, &r)
		}
		if err != nil {
			return err
		}
	}
	if err := d.leave(); err != nil {
		return err
	}
	each(r)
	return nil
}

func (d *document) recipientMember(name []byte, r *Recipient) (err error) {
	switch string(name) {
	case "id":
		r.Key, err = d.key()
	case "call_record_id":
		r.Record, err = d.key()
	case "status":
		err = d.recipientStatus(r)
	case "attempted_at":
		r.AttemptedAt, err = d.timestamp(&r.Odd)
	case "completed_at":
		r.CompletedAt, err = d.timestamp(&r.Odd)
	default:
		err = d.skip()
	}
	return err
}

// key reads an id and returns its hash, or 0 if it is not a string or empty.
func (d *document) key() (uint64, error) {
	raw, kind, err := d.value()
	if err != nil || kind != '"' || len(raw) == 0 {
		return 0, err
	}
	return xxhash.Sum64(raw), nil
}

func (d *document) recipientStatus(r *Recipient) error {
	raw, _, err := d.value()
	if err != nil {
		return err
	}
	if r.Status = parseRecipientStatus(raw); r.Status == RecipientUnknown {
		d.odd(&r.Odd, FieldRecipientStatus, raw)
	}
	return nil
}

// calls reads an answer to list-calls.
func (d *document) calls(most int) (page CallPage, err error) {
	found := false
	err = d.members(func(name string) (err error) {
		switch name {
		case "calls":
			page.Records, found = nil, d.kind() == '['
			if !found {
				return d.skip()
			}
			return d.elements(func() error {
				if len(page.Records) >= max(most, mostRows) {
					return ErrTooLarge
				}
				record, err := d.callRecord()
				page.Records = append(page.Records, record)
				return err
			})
		case "total":
			page.Total, err = d.count(new([]Odd))
			return err
		}
		return d.other(name)
	})
	switch {
	case err != nil:
		return CallPage{}, err
	case d.reportsError:
		return CallPage{}, &DecodeError{Detail: "list_calls: the answer reports an error"}
	case !found:
		return CallPage{}, &DecodeError{Detail: "list_calls: the answer has no calls"}
	}
	return page, nil
}

// callRecord reads one call record. A value that is not an object becomes a
// record without a Key.
func (d *document) callRecord() (record CallRecord, err error) {
	if d.kind() != '{' {
		return record, d.skip()
	}
	if err := d.enter(); err != nil {
		return record, err
	}
	for d.kind() != '}' {
		name, err := d.name()
		if err != nil {
			return record, err
		}
		switch string(name) {
		case "id":
			record.Key, err = d.key()
		case "created_at":
			record.CreatedAt, err = d.timestamp(&record.Odd)
		case "duration":
			record.Talk, err = d.count(&record.Odd)
		default:
			err = d.skip()
		}
		if err != nil {
			return record, err
		}
	}
	return record, d.leave()
}
