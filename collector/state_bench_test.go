//go:build unix

package collector

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-kit/log"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/beside"
)

// BenchmarkState saves an account of 200 batches with 500 recipients each, all of
// which were called, next to one scrape of it. It also reports the size of the file
// for each recipient.
func BenchmarkState(b *testing.B) {
	const batches, recipients = 200, 500
	state, err := OpenState(filepath.Join(b.TempDir(), "state"), &url.URL{Scheme: "https", Host: "a.example"}, log.NewNopLogger())
	if err != nil {
		b.Fatal(err)
	}
	c := New(Config{State: state, CallRecords: true, FinishedRetention: time.Hour, MaxBatches: batches})
	defer c.Close()
	now := time.Now()
	for i := range batches {
		reader := &recipientReader{batch: fmt.Sprintf("11111111-0000-4000-8000-%012d", i)}
		for j, r := range calledOnce(recipients) {
			r.Key, r.Record = r.Key+uint64(i), r.Key+uint64(j)
			reader.add(r)
		}
		row := apiclient.Batch{ID: reader.batch, Name: "Renewals in the north", Status: apiclient.BatchRunning, CreatedAt: now, UpdatedAt: now}
		row.TotalRecipients = apiclient.Count{N: recipients, Known: true}
		c.store.recordGet(row, reader, now)
	}
	var size int
	save := func() {
		c.store.version++
		c.save()
	}
	payload, err := c.encodeState(true)
	if err != nil {
		b.Fatal(err)
	}
	size = len(payload)
	beside.CPU(b, save, beside.Way{Name: "scrape", Do: func() {
		c.snapshot = nil
		c.currentSnapshot(time.Now())
	}})
	b.ReportMetric(float64(size)/batches/recipients, "B/recipient")
	b.ReportMetric(float64(size)/1e6, "MB")
}
