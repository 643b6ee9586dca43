package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the answer to a scrape, as it came.
type answer struct {
	body    []byte
	zipped  bool
	samples map[string]float64 // by series; nil until unpacked
}

// scrape asks for text, compressed or not, on a connection of its own.
func scrape(ctx context.Context, from string, compressed bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "60")
	if compressed {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, body)
	}
	return answer{body: body, zipped: response.Header.Get("Content-Encoding") == "gzip"}, err
}

// unpack reads the samples. The three programs write labels in the same order, so that equal lines are equal series.
func (a *answer) unpack() error {
	text := a.body
	if a.zipped {
		reader, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			return err
		}
		if text, err = io.ReadAll(reader); err != nil {
			return err
		}
	}
	a.samples = map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSpace(line)
		end := strings.LastIndexByte(line, ' ')
		if end < 0 {
			return fmt.Errorf("no sample: %q", line)
		}
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			return fmt.Errorf("no sample: %w", err)
		}
		a.samples[line[:end]] = value
	}
	return nil
}

// ofBatches counts the series that tell of a batch.
func (a *answer) ofBatches() (n int) {
	for series := range a.samples {
		if strings.Contains(series, `batch_id="`) {
			n++
		}
	}
	return n
}

// sharedWith counts the series of batches that another page has too, with the same name, labels and value.
func (a *answer) sharedWith(other *answer) (n int) {
	for series, value := range a.samples {
		if strings.Contains(series, `batch_id="`) {
			if same, ok := other.samples[series]; ok && same == value {
				n++
			}
		}
	}
	return n
}
