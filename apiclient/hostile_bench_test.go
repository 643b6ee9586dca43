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
	const recipients, batches = `{"batch":{"id":"b"},"recipients":[`, `{"batches":[{}`
	long := strings.Repeat("x", 200_000)
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
		{"rows", batches, repeat(",{}")},
		{"long rows", batches, repeat(`,{"id":"` + long + `","name":"` + long[:50_000] + `"}`)},
		{"odd rows", batches, repeat(`,{"window_days":[9` + strings.Repeat(",9", 100_000) + `]}`)},
	} {
		b.Run(body.name, func(b *testing.B) {
			var peak float64
			for b.Loop() {
				peak = allocated(func() {
					whole := io.MultiReader(strings.NewReader(body.start), body.rest())
					var err error
					if body.start == batches {
						err = apiclient.DecodePage(whole)
					} else {
						err = apiclient.DecodeGet(whole, "b", func(apiclient.Recipient) {})
					}
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
