package apiclient

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// document is one JSON answer, read token by token. The decoder refuses bad
// UTF-8, doubled names and nesting over 10,000 levels.
type document struct {
	dec  *jsontext.Decoder
	in   *allowance
	seed maphash.Seed
	buf  []byte // an unquoted string, until the next one
}

func newDocument(body io.Reader, seed maphash.Seed) *document {
	in := &allowance{r: body, total: maxBody}
	in.refill()
	return &document{dec: jsontext.NewDecoder(in), in: in, seed: seed}
}

func (d *document) kind() jsontext.Kind { return d.dec.PeekKind() }

// skip passes over one value. SkipValue looks at what is no object and no array
// twice; a token is read once.
func (d *document) skip() error {
	token, err := d.dec.ReadToken()
	if kind := token.Kind(); kind == '{' || kind == '[' {
		return d.leave()
	}
	return err
}

// leave passes over what is left of the object or array at hand.
func (d *document) leave() error {
	for depth := d.dec.StackDepth(); d.dec.StackDepth() >= depth; {
		if _, err := d.dec.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}

// end errs if anything but white space is left.
func (d *document) end() error {
	_, err := d.dec.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return &DecodeError{Detail: "more than one value"}
	}
	return err
}

// cause turns an error of the decoder into what lies behind it: the
// connection's, an answer too large, or else a DecodeError.
func (d *document) cause(err error) error {
	_, known := errors.AsType[*DecodeError](err)
	switch {
	case err == nil:
		return nil
	case d.in.err != nil:
		return d.in.err
	case known, errors.Is(err, ErrTooLarge):
		return err
	}
	return &DecodeError{Detail: "not one whole JSON object at byte " + strconv.FormatInt(d.dec.InputOffset(), 10)}
}

// members reads an object and calls value with each name; value reads or skips
// what the name stands for. All members but arrays read with elements share one
// allowance, for the decoder remembers every name.
func (d *document) members(value func(name string) error) error {
	if d.kind() != '{' {
		return d.notA("JSON object")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.kind() != '}' {
		name, err := d.name()
		if err != nil {
			return err
		}
		if err := value(string(name)); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// elements reads an array and calls element before each of its values; every
// one has its own allowance.
func (d *document) elements(element func() error) error {
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.kind() != ']' {
		d.in.refill()
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

func (d *document) notA(what string) error {
	if err := d.skip(); err != nil {
		return err
	}
	return &DecodeError{Detail: "not a " + what}
}

// name reads a member's name; it is valid until the next read.
func (d *document) name() ([]byte, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return d.unescape(raw), nil
	}
	return raw[1 : len(raw)-1], nil
}

func (d *document) unescape(raw []byte) []byte {
	d.buf, _ = jsontext.AppendUnquote(d.buf[:0], raw) // the decoder has checked it
	return d.buf
}

// value reads one value of any type. A string comes without its quotes, null as
// nil, and what can't be a plain value (an object, an array) with kind 0.
func (d *document) value() (raw []byte, kind jsontext.Kind, err error) {
	value, err := d.dec.ReadValue()
	if err != nil {
		return nil, 0, err
	}
	switch kind = value.Kind(); {
	case kind == '{' || kind == '[':
		return nil, 0, nil
	case kind == 'n':
		return nil, kind, nil
	case kind != '"':
		return value, kind, nil
	case bytes.IndexByte(value, '\\') >= 0:
		return d.unescape(value), kind, nil
	}
	return value[1 : len(value)-1], kind, nil
}

// odd adds an Odd for a value that was just read.
func (d *document) odd(to *[]Odd, field Field, raw []byte) {
	if len(*to) < mostOdd {
		*to = append(*to, Odd{Field: field, Hash: maphash.Bytes(d.seed, raw)})
	}
}

// mostOdd is how many odd values of one row are told: more than it has members and days.
const mostOdd = 32

// text reads a text, of which only the beginning is kept where it is very long.
func (d *document) text() (string, error) {
	raw, kind, err := d.value()
	if err != nil || kind != '"' {
		return "", err
	}
	if len(raw) > longestText {
		return strings.ToValidUTF8(string(raw[:longestText]), ""), nil
	}
	return string(raw), nil
}

// longestText is more bytes than any label has.
const longestText = 1024

func (d *document) count(odd *[]Odd) (Count, error) {
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return Count{}, err
	}
	n, wrong := strconv.ParseInt(string(raw), 10, 64)
	if kind != '0' || wrong != nil || n < 0 {
		d.odd(odd, FieldCount, raw)
		return Count{}, nil
	}
	return Count{N: n, Known: true}, nil
}

// timestamp reads RFC 3339 with any number of fraction digits; "infinity", years of five
// digits and years before Christ are none.
func (d *document) timestamp(odd *[]Odd) (time.Time, error) {
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return time.Time{}, err
	}
	var t time.Time
	if kind != '"' || t.UnmarshalText(raw) != nil {
		d.odd(odd, FieldTimestamp, raw)
		return time.Time{}, nil
	}
	return t, nil
}
