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

// timeLayout is how the service writes times: microseconds without trailing zeros.
const timeLayout = "2006-01-02T15:04:05.999999+00:00"

// object writes a JSON object with its keys in the order of the calls.
type object struct {
	out     []byte
	changed overrides       // overrides that are not written yet
	begun   bool            // a key has been written
	only    map[string]bool // the keys to write; nil: all
}

// begin opens an object at the end of out.
func begin(out []byte, changed overrides) *object {
	return &object{out: append(out, '{'), changed: maps.Clone(changed)}
}

// end writes the keys that only the overrides have, and closes the object.
func (o *object) end() []byte {
	for _, k := range slices.Sorted(maps.Keys(o.changed)) {
		o.key(k)
	}
	return append(o.out, '}')
}

// key writes a key, with its value if that is overridden. It reports whether the caller has to write the value.
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

func (o *object) boolean(k string, v bool) { o.raw(k, strconv.FormatBool(v)) }

func (o *object) text(k, v string) {
	if o.key(k) {
		o.out = appendText(o.out, v)
	}
}

// optionalText writes a string; nil becomes null.
func (o *object) optionalText(k string, v *string) {
	if v == nil {
		o.null(k)
		return
	}
	o.text(k, *v)
}

// textOrNull writes a string; "" becomes null.
func (o *object) textOrNull(k, v string) {
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

// numberOrNull writes a number; 0 becomes null.
func (o *object) numberOrNull(k string, v int) {
	if v == 0 {
		o.null(k)
		return
	}
	o.number(k, v)
}

func (o *object) timestamp(k string, t time.Time) {
	if t.IsZero() {
		o.null(k)
		return
	}
	if o.key(k) {
		o.out = append(o.out, '"')
		o.out = t.AppendFormat(o.out, timeLayout)
		o.out = append(o.out, '"')
	}
}

// appendText appends a JSON string. It escapes only what JSON requires.
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

// omission is the type of Omit only, so that no JSON value equals it.
type omission string

// Omit as the value of Set or SetRecipientKey leaves a key out of answers.
const Omit omission = "omit"

// overrides are JSON values that replace the true values in answers; nil leaves the key out.
type overrides map[string][]byte

// Set overrides the value of a key in the batch's row, or leaves it out with Omit. A key that the service does not have
// is added at the end. Only answers change: filters and order still use the true values. A value that cannot be encoded
// as JSON becomes null.
func (a *Account) Set(batchID, key string, value any) {
	a.act(batchID, func(b *batch, _ time.Time) bool {
		b.overrides = b.overrides.with(key, value)
		return false
	})
}

// SetRecipientKey is Set for recipient i.
func (a *Account) SetRecipientKey(batchID string, i int, key string, value any) {
	a.act(batchID, func(b *batch, _ time.Time) bool {
		if i >= 0 && i < len(b.recipients) {
			r := &b.recipients[i]
			r.overrides = r.overrides.with(key, value)
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

// encode encodes a value like the service, without HTML escapes. It returns nil for Omit.
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
