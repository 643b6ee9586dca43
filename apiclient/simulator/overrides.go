package simulator

import (
	"bytes"
	"encoding/json"
	"time"
)

// omission is the type of Omit alone, so that no JSON value can be mistaken for it.
type omission string

// Omit is the value for Set and SetRecipientKey that leaves a key out of the answer.
const Omit omission = "omit"

// overrides are JSON values that stand in for the true ones on the wire; nil leaves the key out.
type overrides map[string][]byte

// Set makes one key of the batch's row show any JSON value, or go missing with Omit; a key the service does not know
// is added at the end. Only the answers change: the service goes on filtering and sorting by what is true. A value
// that JSON cannot express shows as null.
func (a *Account) Set(batchID, key string, value any) {
	a.act(batchID, func(b *batch, _ time.Time) bool {
		b.wire = b.wire.with(key, value)
		return false
	})
}

// SetRecipientKey is Set for one recipient, by its index.
func (a *Account) SetRecipientKey(batchID string, i int, key string, value any) {
	a.act(batchID, func(b *batch, _ time.Time) bool {
		if i >= 0 && i < len(b.recipients) {
			b.recipients[i].wire = b.recipients[i].wire.with(key, value)
		}
		return false
	})
}

func (o overrides) with(key string, value any) overrides {
	if o == nil {
		o = make(overrides)
	}
	o[key] = encode(value)
	return o
}

// encode writes a value as the service does, which does not escape for HTML; nil for Omit.
func encode(value any) []byte {
	if value == Omit {
		return nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(out.Bytes())
}
