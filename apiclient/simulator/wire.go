package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// stamp is how the service writes times: microseconds without trailing zeros.
const stamp = "2006-01-02T15:04:05.999999+00:00"

// object writes one JSON object, its keys in the order of the calls.
type object struct {
	out     []byte
	changed overrides       // still to be written
	begun   bool            // a key is written
	only    map[string]bool // the keys to write; nil: all
}

// begin opens an object at the end of out.
func begin(out []byte, changed overrides) *object {
	return &object{out: append(out, '{'), changed: maps.Clone(changed)}
}

// end closes the object, after the keys that only the overrides know.
func (o *object) end() []byte {
	for _, k := range slices.Sorted(maps.Keys(o.changed)) {
		o.key(k)
	}
	return append(o.out, '}')
}

// key writes a key and reports whether its true value is to follow.
func (o *object) key(k string) bool {
	value, changed := o.changed[k]
	delete(o.changed, k)
	if o.only != nil && !o.only[k] {
		return false
	}
	if changed && value == nil {
		return false
	}
	if o.begun {
		o.out = append(o.out, ',')
	}
	o.begun = true
	o.out = append(o.out, '"')
	o.out = append(o.out, k...)
	o.out = append(o.out, '"', ':')
	o.out = append(o.out, value...)
	return !changed
}

func (o *object) raw(k, v string) {
	if o.key(k) {
		o.out = append(o.out, v...)
	}
}

func (o *object) null(k string) { o.raw(k, "null") }

func (o *object) flag(k string, v bool) { o.raw(k, strconv.FormatBool(v)) }

func (o *object) text(k, v string) {
	if o.key(k) {
		o.out = appendText(o.out, v)
	}
}

// some writes a text that may be null.
func (o *object) some(k string, v *string) {
	if v == nil {
		o.null(k)
		return
	}
	o.text(k, *v)
}

// filled writes a text of which the empty one is null.
func (o *object) filled(k, v string) {
	if v == "" {
		o.null(k)
		return
	}
	o.text(k, v)
}

func (o *object) number(k string, v int) {
	if o.key(k) {
		o.out = strconv.AppendInt(o.out, int64(v), 10)
	}
}

// positive writes a number of which 0 is null.
func (o *object) positive(k string, v int) {
	if v == 0 {
		o.null(k)
		return
	}
	o.number(k, v)
}

func (o *object) moment(k string, t time.Time) {
	if t.IsZero() {
		o.null(k)
		return
	}
	if o.key(k) {
		o.out = append(o.out, '"')
		o.out = t.AppendFormat(o.out, stamp)
		o.out = append(o.out, '"')
	}
}

// appendText writes a JSON string with nothing escaped but what JSON demands.
func appendText(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, '\\', 'n')
		case r < ' ':
			out = append(out, '\\', 'u', '0', '0', "01"[r>>4], "0123456789abcdef"[r&15])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

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
