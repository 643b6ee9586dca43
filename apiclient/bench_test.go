//go:build unix

package apiclient_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/beside"
	"magpipe_exporter/apiclient/simulator"
)

// pieces gives a body as a socket does, not all at once.
func pieces(body []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }

// batchOf is the answer of the service to a get of a batch with n recipients, most of them called.
func batchOf(b *testing.B, n int) []byte {
	b.Helper()
	a := simulator.New(simulator.Options{Seed: 1, PerMinute: -1, PerHour: -1, RecipientCap: n})
	a.Add(simulator.Campaign{
		ID: "b", Name: "b", Recipients: n, CreatedAt: time.Now().Add(-24 * time.Hour),
		MaxConcurrency: n/1000 + 1, DialEvery: time.Second, CallLength: time.Second,
	})
	question := strings.NewReader(`{"action":"get","batch_id":"b"}`)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://magpipe.example/", question)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	resp, err := a.Client().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
	return body
}

// BenchmarkDecode decodes a complete answer to get. It is compared with the time
// that the same decoder takes to check the same bytes in its strictest mode, and
// with encoding/json.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{500, 5000, 100_000} {
		b.Run(fmt.Sprintf("recipients=%d", n), func(b *testing.B) {
			body := batchOf(b, n)
			decode := func() {
				rows := 0
				must(b, apiclient.DecodeGet(pieces(body), "b", func(apiclient.Recipient) { rows++ }))
				if rows != n {
					b.Fatal(rows)
				}
			}
			beside.CPU(b, decode,
				beside.Way{Name: "tokens", Do: func() { must(b, jsontext.NewDecoder(pieces(body)).SkipValue()) }},
				beside.Way{Name: "encoding/json", Do: func() { smallest(b, body) }},
			)
			b.ReportMetric(testing.AllocsPerRun(2, decode)/float64(n), "allocs/recipient")
			b.ReportMetric(allocated(decode)/1024, "KiB/decode")
		})
	}
}

// allocated returns the bytes that some work allocates in total, which is more than it holds at once.
func allocated(do func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

// smallest decodes what Get needs of an answer, and nothing else, with encoding/json.
func smallest(b *testing.B, body []byte) {
	b.Helper()
	var answer struct {
		Batch      struct{ ID, Status string }
		Recipients []struct {
			ID, Status  string
			AttemptedAt *time.Time `json:"attempted_at"`
			CompletedAt *time.Time `json:"completed_at"`
		}
	}
	must(b, json.NewDecoder(pieces(body)).Decode(&answer))
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkHostile feeds the decoder endless bodies that are designed to make it
// hold everything in memory. MB/peak is all that it allocates until it refuses,
// which is more than it held at once.
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
