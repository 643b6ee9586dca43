package apiclient

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// document is one JSON answer, which is read token by token and never held in
// memory as a whole. It is lenient: a byte order mark is skipped, invalid UTF-8
// becomes U+FFFD, and if a name occurs more than once, the last value wins. An
// answer that is truncated, too large or not JSON is an error.
type document struct {
	dec          *jsontext.Decoder
	in           *allowance
	buf          []byte // the last unquoted string; overwritten by the next one
	reportsError bool   // it has an error at the top level
}

const byteOrderMark = "\ufeff"

func newDocument(body io.Reader) *document {
	in := newAllowance(body)
	head := make([]byte, len(byteOrderMark))
	n, _ := io.ReadFull(in, head) // in returns the same error to the decoder again
	if string(head) == byteOrderMark {
		n = 0
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), in)
	lenient := jsontext.NewDecoder(whole, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return &document{dec: lenient, in: in}
}

// end returns an error if anything but white space is left.
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

// cause returns the reason for an error of the decoder: an error of the
// connection, ErrTooLarge, or else a DecodeError.
func (d *document) cause(err error) error {
	_, known := errors.AsType[*DecodeError](err)
	_, corrupt := errors.AsType[flate.CorruptInputError](d.in.err)
	switch {
	case err == nil:
		return nil
	case corrupt, errors.Is(d.in.err, gzip.ErrHeader), errors.Is(d.in.err, gzip.ErrChecksum):
		return &DecodeError{Detail: "not the gzip that its headers announce"}
	case d.in.err != nil:
		return d.in.err
	case known, errors.Is(err, ErrTooLarge):
		return err
	}
	if d.dec.InputOffset() == 0 {
		return &DecodeError{Detail: "no JSON; the URL may be wrong, or a proxy has answered"}
	}
	return &DecodeError{Detail: "not one whole JSON object at byte " + strconv.FormatInt(d.dec.InputOffset(), 10)}
}

// members reads the top-level object and calls value with each name; value must
// read or skip the member's value. All members share one allowance, except
// arrays read with elements.
func (d *document) members(value func(name string) error) error {
	if d.kind() != '{' {
		if err := d.skip(); err != nil {
			return err
		}
		return &DecodeError{Detail: "not a JSON object"}
	}
	if err := d.enter(); err != nil {
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
	return d.leave()
}

// elements reads an array and calls element to read each of its values. Each
// value has its own allowance.
func (d *document) elements(element func() error) error {
	if err := d.enter(); err != nil {
		return err
	}
	for d.kind() != ']' {
		d.in.refill()
		if err := element(); err != nil {
			return err
		}
	}
	return d.leave()
}

func (d *document) kind() jsontext.Kind { return d.dec.PeekKind() }

// enter reads the bracket that opens an object or an array.
func (d *document) enter() error {
	_, err := d.dec.ReadToken()
	return err
}

// leave reads the bracket that closes it.
func (d *document) leave() error { return d.enter() }

// skip skips one value. It does not use SkipValue, which scans strings, numbers
// and literals twice.
func (d *document) skip() error {
	token, err := d.dec.ReadToken()
	if kind := token.Kind(); kind != '{' && kind != '[' {
		return err
	}
	for depth := d.dec.StackDepth(); d.dec.StackDepth() >= depth; {
		if _, err := d.dec.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}

// name reads a member's name. The result is valid until the next read.
func (d *document) name() ([]byte, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	return d.unquote(raw), nil
}

// value reads one value of any type. It returns a string without its quotes,
// null as nil, and an object or an array as nil with kind 0. The result is valid
// until the next read.
func (d *document) value() (raw []byte, kind jsontext.Kind, err error) {
	value, err := d.dec.ReadValue()
	if err != nil {
		return nil, 0, err
	}
	switch kind = value.Kind(); kind {
	case '{', '[':
		return nil, 0, nil
	case 'n':
		return nil, kind, nil
	case '"':
		return d.unquote(value), kind, nil
	}
	return value, kind, nil
}

// unquote returns the text of a JSON string. Invalid UTF-8 and unpaired
// surrogates become U+FFFD.
func (d *document) unquote(raw []byte) []byte {
	text := raw[1 : len(raw)-1]
	if plain(text) {
		return text
	}
	d.buf, _ = jsontext.AppendUnquote(d.buf[:0], raw) // the error only reports that something was replaced
	return d.buf
}

// plain reports whether a text is ASCII without escapes, as nearly all are.
func plain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// text reads a string, cut to longestText bytes. Any other value becomes "".
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

func (d *document) count(odd *[]Odd) (Count, error) {
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return Count{}, err
	}
	n, ok := wholeNumber(raw, kind)
	if !ok {
		d.odd(odd, FieldCount, raw)
		return Count{}, nil
	}
	return Count{N: n, Known: true}, nil
}

// wholeNumber parses a non-negative whole number in any notation: 5, 5.0 and 5e0
// are the same.
func wholeNumber(raw []byte, kind jsontext.Kind) (int64, bool) {
	if kind != '0' {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, n >= 0
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	return int64(n), err == nil && n >= 0 && n == math.Trunc(n) && n < exactFloats
}

// exactFloats is the number below which a float64 represents every whole number exactly.
const exactFloats = 1 << 53

// timestamp reads a time in RFC 3339, with any number of fractional digits, or
// in PostgreSQL's own format. "infinity", years of five digits and years BC are odd.
func (d *document) timestamp(odd *[]Odd) (time.Time, error) {
	raw, kind, err := d.value()
	if err != nil || kind == 'n' {
		return time.Time{}, err
	}
	if kind == '"' {
		if t, ok := parseTimestamp(raw); ok {
			return t, nil
		}
	}
	d.odd(odd, FieldTimestamp, raw)
	return time.Time{}, nil
}

func parseTimestamp(raw []byte) (time.Time, bool) {
	const date = len(time.DateOnly)
	shaped := len(raw) >= len(time.DateTime) && (raw[date] == ' ' || raw[date] == 'T') && raw[date+3] == ':' && raw[date+6] == ':'
	if !shaped || bytes.IndexByte(raw, ',') >= 0 { // package time also accepts one-digit hours and a decimal comma
		return time.Time{}, false
	}
	var t time.Time
	if t.UnmarshalText(raw) == nil {
		return inRange(t)
	}
	if len(raw) > longestTimestamp {
		return time.Time{}, false
	}
	text := string(raw[:date]) + "T" + string(raw[date+1:])
	for _, layout := range postgresLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return inRange(t)
		}
	}
	return time.Time{}, false
}

// inRange returns a time, and whether its year has four digits in UTC, too.
func inRange(t time.Time) (time.Time, bool) {
	year := t.UTC().Year()
	return t, t.Year() > 0 && year > 0 && year <= 9999
}

// longestTimestamp is longer than any timestamp that PostgreSQL writes.
const longestTimestamp = 64

// postgresLayouts are PostgreSQL's formats for timestamps, with a T in place of
// the space. A fraction may follow the seconds. Without a zone the time is UTC.
var postgresLayouts = [...]string{
	"2006-01-02T15:04:05Z07", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05",
}

// odd appends an Odd for a value, unless there are mostOdd already.
func (d *document) odd(to *[]Odd, field Field, raw []byte) {
	if len(*to) < mostOdd {
		*to = append(*to, Odd{Field: field, Hash: xxhash.Sum64(raw)})
	}
}
