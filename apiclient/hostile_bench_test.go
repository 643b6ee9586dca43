//go:build unix

package apiclient_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"magpipe_exporter/apiclient"
)

// BenchmarkHostile gives the decoder bodies without an end, made to be held
// whole. MB/peak is all that it allocates until it refuses, which is more than
// it held at once.
func BenchmarkHostile(b *testing.B) {
	const recipients = `{"batch":{"id":"b"},"recipients":[`
	for _, body := range []struct {
		name, start string
		rest        func() io.Reader
	}{
		{"string", recipients + `{"id":"`, repeat("x")},
		{"escapes", recipients + `{"id":"`, repeat(`\u00e9`)},
		{"number", recipients + `{"status":`, repeat("1")},
		{"blanks", recipients, repeat(" ")},
		{"name", recipients + `{"`, repeat("x")},
		{"names", recipients + `{`, func() io.Reader { return &names{} }},
		{"members", `{`, func() io.Reader { return &names{} }},
		{"value", recipients + `{"status":{`, func() io.Reader { return &names{} }},
		{"depth", recipients, repeat(`{"a":`)},
		{"recipients", recipients + `0`, repeat(",0")},
	} {
		b.Run(body.name, func(b *testing.B) {
			var peak float64
			for b.Loop() {
				peak = allocated(func() {
					whole := io.MultiReader(strings.NewReader(body.start), body.rest())
					err := apiclient.DecodeGet(whole, "b", func(apiclient.Recipient) {})
					if _, refused := errors.AsType[*apiclient.DecodeError](err); !refused && !errors.Is(err, apiclient.ErrTooLarge) {
						b.Fatal(err)
					}
				})
			}
			b.ReportMetric(peak/1e6, "MB/peak")
		})
	}
}

func repeat(text string) func() io.Reader { return func() io.Reader { return endless(text) } }
