package apiclient

import "hash/maphash"

// recipient reads one recipient and hands it to each. One that is no object
// counts, in an unknown state.
func (d *document) recipient(each func(Recipient)) error {
	var r Recipient
	if d.kind() != '{' {
		if err := d.skip(); err != nil {
			return err
		}
		each(r)
		return nil
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for wanted := 4; wanted > 0 && d.kind() != '}'; wanted-- {
		name, err := d.name()
		if err != nil {
			return err
		}
		switch string(name) {
		case "id":
			err = d.recipientKey(&r)
		case "status":
			err = d.recipientStatus(&r)
		case "attempted_at":
			r.AttemptedAt, err = d.timestamp(&r.Odd)
		case "completed_at":
			r.CompletedAt, err = d.timestamp(&r.Odd)
		default:
			wanted++
			err = d.skip()
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

func (d *document) recipientKey(r *Recipient) error {
	raw, kind, err := d.value()
	if err == nil && kind == '"' && len(raw) > 0 {
		r.Key = maphash.Bytes(d.seed, raw)
	}
	return err
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
