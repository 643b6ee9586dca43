package apiclient_test

import (
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

const (
	maxBody    = 64 << 20
	maxElement = 256 << 10
	bounded    = 8 << 20 // allocated in all, which is more than was ever held at once
)

// endless repeats a text forever.
func endless(text string) io.Reader { return &repeater{text: text} }

type repeater struct {
	text string
	at   int
}

func (r *repeater) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], r.text[r.at:])
		n, r.at = n+copied, (r.at+copied)%len(r.text)
	}
	return n, nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// names is an endless list of members with different names.
type names struct {
	next int
	rest []byte
}

func (d *names) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		for range 1000 {
			d.rest = strconv.AppendInt(append(d.rest, '"', 'k'), int64(d.next), 36)
			d.rest = append(d.rest, `":0,`...)
			d.next++
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// trickle sends a blank a second.
type trickle struct{}

func (trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return copy(p, " "), nil
}

// rows makes a list answer of size bytes, of rows of nearly a quarter of a MiB.
func rows(size int) io.Reader {
	const head, tail, open, shut = `{"batches":[`, `{"id":"last"}]}`, `{"id":"b","goal":"`, `"},`
	filler := strings.Repeat("x", 250_000)
	parts := []io.Reader{strings.NewReader(head)}
	for left := size - len(head) - len(tail); left > 0; {
		n := min(left, len(filler))
		if left-n < len(open)+len(shut) {
			n = left // the last row takes what is too little for one more
		}
		text := strings.Repeat("x", max(0, n-len(filler))) + filler[:min(n, len(filler))-len(open)-len(shut)]
		parts = append(parts, strings.NewReader(open), strings.NewReader(text), strings.NewReader(shut))
		left -= n
	}
	return io.MultiReader(append(parts, strings.NewReader(tail))...)
}

func TestABodyMayHave64MiBAndNoByteMore(t *testing.T) {
	for name, c := range map[string]struct {
		body io.Reader
		read int64
		err  error
	}{
		"64 MiB":            {rows(maxBody), maxBody, nil},
		"more, without end": {io.MultiReader(rows(maxBody), endless(" ")), maxBody + 1, apiclient.ErrTooLarge},
	} {
		counted := &counter{r: c.body}
		got, err := list(t, connect(t, apiclient.Config{Transport: stream{body: func() io.Reader { return counted }}}))
		if !errors.Is(err, c.err) || counted.n != c.read {
			t.Errorf("%s: %v after %d bytes", name, err, counted.n)
		}
		if c.err == nil && (len(got) != 2 || got[1].ID != "last") {
			t.Errorf("%s: %d rows", name, len(got))
		}
	}
}

func TestOneElementOverItsAllowanceIsRefusedBeforeItIsHeld(t *testing.T) {
	for name, c := range map[string]struct {
		start  string
		goes   io.Reader
		reason string
	}{
		"string in a row":      {`{"batches":[{"name":"`, endless("x"), "too_large"},
		"skipped string":       {`{"batches":[{"goal":"`, endless("x"), "too_large"},
		"escapes":              {`{"batches":[{"name":"`, endless(`\u0041`), "too_large"},
		"name of a member":     {`{"batches":[{"`, endless("x"), "too_large"},
		"number":               {`{"batches":[{"failed_count":1`, endless("0"), "too_large"},
		"string at the top":    {`{"x":"`, endless("x"), "too_large"},
		"blanks before all":    {``, endless(" "), "too_large"},
		"blanks in a row":      {`{"batches":[{"id":`, endless(" "), "too_large"},
		"blanks after all":     {`{"batches":[]}`, endless(" \n"), "too_large"},
		"names at the top":     {`{`, new(names), "too_large"},
		"names in a row":       {`{"batches":[{`, new(names), "too_large"},
		"names in a value":     {`{"batches":[{"goal":{`, new(names), "too_large"},
		"days":                 {`{"batches":[{"window_days":[`, endless("1,"), "too_large"},
		"an array of no use":   {`{"x":[`, endless("{},"), "too_large"},
		"20,000 arrays deep":   {`{"batches":[{"goal":` + strings.Repeat("[", 20_000), endless("]"), "malformed"},
		"arrays without end":   {`{"batches":[`, endless("["), "malformed"},
		"objects without end":  {`{"batches":[`, endless(`{"a":`), "malformed"},
		"arrays for an object": {``, endless(`[`), "malformed"},
	} {
		counted := &counter{r: io.MultiReader(strings.NewReader(c.start), c.goes)}
		client := connect(t, apiclient.Config{Transport: stream{body: func() io.Reader { return counted }}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := list(t, client)
		runtime.ReadMemStats(&after)
		if apiclient.Reason(err) != c.reason || err == nil || counted.n > maxElement+1<<16 {
			t.Errorf("%s: %v after %d bytes", name, err, counted.n)
		}
		if held := after.TotalAlloc - before.TotalAlloc; held > bounded {
			t.Errorf("%s: %d MiB allocated", name, held>>20)
		}
	}
}

func TestAnElementOfNearlyItsAllowanceIsRead(t *testing.T) {
	name := strings.Repeat("é", (maxElement-200)/2)
	for range 2 {
		got, err := list(t, of(t, saying(`{"batches":[{"id":"a","name":"`+name+`"},{"id":"b","name":"`+name+`"}]}`)))
		if err != nil || len(got) != 2 || got[0].Name != name[:1024] || got[1].Name != name[:1024] {
			t.Errorf("%v, %d rows", err, len(got))
		}
	}
}

func TestReadingManyRecipientsHoldsNone(t *testing.T) {
	const n = 30_000
	body := func() io.Reader {
		recipient := `{"id":"r","name":"` + strings.Repeat("x", 300) + `","status":"completed","attempted_at":"2026-11-22T06:11:13Z"}`
		return io.MultiReader(strings.NewReader(`{"batch":{},"recipients":[`),
			io.LimitReader(endless(recipient+","), n*int64(len(recipient)+1)), strings.NewReader(recipient+`]}`))
	}
	c, seen := connect(t, apiclient.Config{Transport: stream{body: body}}), 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := paid(t, c).Get(t.Context(), "b", func(apiclient.Recipient) { seen++ })
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; err != nil || seen != n+1 || held > 1<<20 {
		t.Errorf("%v, %d recipients, %d KiB allocated for 13 MB", err, seen, held>>10)
	}
}

func TestAPageOfFarMoreRowsThanWereAskedForIsRefused(t *testing.T) {
	page := func(rows int) string {
		var body strings.Builder
		body.WriteString(`{"batches":[`)
		for i := range rows {
			if i > 0 {
				body.WriteByte(',')
			}
			body.WriteString(`{"id":"` + strconv.Itoa(i) + `"}`)
		}
		return body.String() + `]}`
	}
	for rows, want := range map[int]error{1000: nil, 1001: apiclient.ErrTooLarge} {
		c := connect(t, apiclient.Config{Transport: exactly(page(rows)), PageSize: 500})
		if _, err := next(t, c, c.Batches().Walk()); !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
}

func TestOfALongTextOrManyOddValuesOnlySomeAreKept(t *testing.T) {
	days := strings.Repeat(`"x",`, 10_000) + `"x"`
	body := `{"batches":[{"id":"b","name":"` + strings.Repeat("花", 10_000) + `","window_days":[` + days + `]}]}`
	rows, err := list(t, whole(t, body))
	if err != nil || len(rows) != 1 {
		t.Fatal(err, rows)
	}
	if name := rows[0].Name; len([]rune(name)) < 256 || len(name) > 1024 || strings.Trim(name, "花") != "" {
		t.Errorf("%d bytes of the name are kept: %q", len(name), name)
	}
	if n := len(rows[0].Odd); n == 0 || n > 32 {
		t.Errorf("%d odd values are kept", n)
	}
}
