package apiclient

// get reads a whole answer to get: a batch, and each of its recipients.
func (d *document) get(id string, batch *Batch, each func(Recipient)) error {
	rows, found := 0, map[string]bool{}
	err := d.members(func(name string) (err error) {
		switch {
		case name == "batch" && d.kind() == '{':
			*batch, err = d.batch()
		case name == "recipients" && d.kind() == '[':
			err = d.elements(func() error {
				rows++
				return d.recipient(each)
			})
		default:
			return d.skip()
		}
		found[name] = true
		return err
	})
	switch {
	case err != nil:
		return err
	case !found["batch"] || !found["recipients"]:
		return &DecodeError{Detail: "get: the answer lacks its batch or its recipients"}
	case batch.ID != "" && batch.ID != id:
		return &DecodeError{Detail: "get: the answer is another batch"}
	case rows == 0 && batch.TotalRecipients.N > 0:
		return &DecodeError{Detail: "get: no recipients, though the batch has some"}
	}
	batch.ID = id
	return nil
}

// batch reads one row. One that is no object is a Batch without an ID: it costs
// itself, not the page.
func (d *document) batch() (Batch, error) {
	b := Batch{Window: Window{Start: -1, End: -1, Days: EveryDay}}
	if d.kind() != '{' {
		return b, d.skip()
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return b, err
	}
	b.carried = fromWire
	for d.kind() != '}' {
		name, err := d.name()
		if err == nil {
			b.carried |= members[string(name)].bit
			err = d.batchMember(string(name), &b)
		}
		if err != nil {
			return b, err
		}
	}
	_, err := d.dec.ReadToken()
	return b, err
}

func (d *document) batchMember(name string, b *Batch) (err error) {
	switch name {
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
		err = d.clock(&b.Window.Start, b)
	case "window_end_time":
		err = d.clock(&b.Window.End, b)
	case "window_days":
		err = d.days(b)
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

func (d *document) clock(minute *int, b *Batch) error {
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return err
	}
	read, ok := parseClock(string(raw))
	if kind != '"' || !ok {
		b.Window.Unknown = true
		d.odd(&b.Odd, FieldWindow, raw)
		return nil
	}
	*minute = read
	return nil
}

// days reads a list of weekdays. A day that is none opens on no day, as the
// service compares; what is no list at all leaves the window unknown.
func (d *document) days(b *Batch) error {
	switch d.kind() {
	case 'n':
		return d.skip()
	case '[':
	default:
		raw, _, err := d.value()
		b.Window.Unknown = true
		d.odd(&b.Odd, FieldWindow, raw)
		return err
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	b.Window.Days = 0
	for d.kind() != ']' {
		raw, kind, err := d.value()
		if err != nil {
			return err
		}
		if kind == '0' && len(raw) == 1 && raw[0] <= '6' {
			b.Window.Days |= 1 << (raw[0] - '0')
			continue
		}
		d.odd(&b.Odd, FieldWindow, raw)
	}
	_, err := d.dec.ReadToken()
	return err
}

// mostRows is the most rows that a page may have where fewer were asked for: the
// most that the service sends by default.
const mostRows = 1000

// page reads the rows of an answer to list or list_runs. It fails with
// ErrTooLarge if there are far more than were asked for, because all of them are
// held until the page is read.
func (d *document) page(asked question) ([]Batch, error) {
	main, action := "batches", asked.Action
	if action == ActionListRuns {
		main = "runs"
	}
	var rows []Batch
	found := false
	err := d.members(func(name string) error {
		if name != main || d.kind() != '[' {
			return d.skip()
		}
		found = true
		return d.elements(func() error {
			if len(rows) >= max(asked.Limit, mostRows) {
				return ErrTooLarge
			}
			b, err := d.batch()
			if err == nil {
				rows = append(rows, b)
			}
			return err
		})
	})
	if err == nil && !found {
		err = &DecodeError{Detail: string(action) + ": the answer lacks its " + main}
	}
	return rows, err
}
