package apiclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

// calls reads one page of call records.
func calls(t *testing.T, c *apiclient.Client, from, to time.Time) (apiclient.CallPage, error) {
	t.Helper()
	return paid(t, c).Calls(t.Context(), from, to)
}

func TestCallRecordsHaveTheKeysOfTheirRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(0)
		began := time.Now()
		id := a.Add(simulator.Campaign{Recipients: 150})
		for i := range 120 {
			time.Sleep(time.Second)
			a.SetRecipient(id, i, simulator.Recipient{
				Status: "completed", AttemptedAt: time.Now(), CompletedAt: time.Now(), Talk: time.Duration(i) * time.Second,
			})
		}
		_, recipients, err := read(t, of(t, a), id)
		if err != nil {
			t.Fatal(err)
		}
		page, err := calls(t, of(t, a), began, time.Time{})
		if err != nil || len(page.Records) != 100 || page.Total != (apiclient.Count{N: 120, Known: true}) {
			t.Fatalf("%d records of %+v, %v", len(page.Records), page.Total, err)
		}
		for i, record := range page.Records { // newest first
			of := recipients[119-i]
			if record.Key == 0 || record.Key != of.Record || record.Talk.N != int64(119-i) || record.CreatedAt.Sub(of.AttemptedAt).Abs() > time.Second {
				t.Errorf("record %d is %+v, its recipient %+v", i, record, of)
			}
		}
		if of := recipients[120]; of.Record != 0 {
			t.Errorf("a recipient without a call has the record %d", of.Record)
		}
		span, err := calls(t, of(t, a), began.Add(10*time.Second), began.Add(20*time.Second+time.Millisecond*500))
		if err != nil || len(span.Records) != 11 {
			t.Errorf("%d records of eleven seconds, %v", len(span.Records), err)
		}
	})
}

func TestAQuestionForCallRecordsGoesToTheirEndpointAndNamesTheSpan(t *testing.T) {
	var questions []string
	see := func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		questions = append(questions, r.URL.String()+" "+string(body))
	}
	c := connect(t, apiclient.Config{Transport: tap{inside(unlimited(0)), see}})
	from := time.Date(2026, 11, 22, 6, 11, 13, 500_000_000, time.FixedZone("", 3600))
	for _, to := range []time.Time{{}, from.Add(time.Minute)} {
		if _, err := calls(t, c, from, to); err != nil {
			t.Error(err)
		}
	}
	const common = `https://api.example.com/functions/v1/list-calls {"limit":100,"direction":"outbound","from_date":"2026-11-22T05:11:13.5Z"`
	if diff := cmp.Diff([]string{common + "}", common + `,"to_date":"2026-11-22T05:12:13.5Z"}`}, questions); diff != "" {
		t.Error(diff)
	}
}

func TestTheEndpointOfCallRecordsIsBesideThatOfBatches(t *testing.T) {
	for batches, records := range map[string]string{
		"https://api.magpipe.ai/functions/v1/batch-calls":  "https://api.magpipe.ai/functions/v1/list-calls",
		"https://api.magpipe.ai/functions/v1/batch-calls/": "https://api.magpipe.ai/functions/v1/list-calls",
		"https://a.example":           "https://a.example/list-calls",
		"https://a.example/":          "https://a.example/list-calls",
		"https://a.example/x%2Fy/b":   "https://a.example/x/y/list-calls",
		"http://localhost:8080/b?x=1": "http://localhost:8080/list-calls",
	} {
		u, err := apiclient.ParseURL(batches, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := apiclient.RecordsURL(u).String(); got != records {
			t.Errorf("%s: %s, want %s", batches, got, records)
		}
	}
}

func TestPagesThatAreNoCallRecordsAreMalformed(t *testing.T) {
	for body, want := range map[string]bool{
		`{"calls":[],"total":0,"has_more":false}`: true,
		`{"calls":[]}`:              true,
		`{"calls":[null,7,[],{}]}`:  true,
		`{"calls":[],"error":null}`: true,
		`{"total":0}`:               false,
		`{"calls":null,"total":0}`:  false,
		`{"calls":{}}`:              false,
		`{"calls":[],"error":"no"}`: false,
		`[]`:                        false,
		`{"calls":[{"id":"c"`:       false,
		`{"batches":[]}`:            false,
	} {
		_, err := calls(t, of(t, saying(body)), time.Unix(0, 0), time.Time{})
		_, malformed := errors.AsType[*apiclient.DecodeError](err)
		if malformed == want || (err == nil) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestOddValuesOfACallRecordCostThemselvesOnly(t *testing.T) {
	const body = `{"calls":[{"id":7,"duration":"long","created_at":"infinity"},{"id":"c","duration":4.0,"created_at":null}],"total":"two"}`
	page, err := calls(t, of(t, saying(body)), time.Unix(0, 0), time.Time{})
	if err != nil || len(page.Records) != 2 || page.Total.Known {
		t.Fatalf("%+v, %v", page, err)
	}
	odd, even := page.Records[0], page.Records[1]
	if got := fields(odd.Odd); odd.Key != 0 || odd.Talk.Known || !odd.CreatedAt.IsZero() || got != "count timestamp" {
		t.Errorf("%+v has odd %s", odd, got)
	}
	if even.Key == 0 || even.Talk != (apiclient.Count{N: 4, Known: true}) || len(even.Odd) > 0 {
		t.Errorf("%+v", even)
	}
}

func TestMoreCallRecordsThanAnyPageHasAreTooLarge(t *testing.T) {
	rows := strings.Repeat(`{"id":"c"},`, 1000)
	_, err := calls(t, of(t, saying(`{"calls":[`+rows+`{"id":"d"}]}`)), time.Unix(0, 0), time.Time{})
	if !errors.Is(err, apiclient.ErrTooLarge) {
		t.Error(err)
	}
}

func TestNoNumberNameOrTextOfACallRecordCanBeKept(t *testing.T) {
	secret := map[string]any{}
	for _, member := range []string{"agent_name", "from_number", "to_number", "direction", "status", "sentiment", "call_summary", "started_at", "ended_at"} {
		secret[member] = "secret"
	}
	row, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	page, err := calls(t, of(t, saying(`{"calls":[`+string(row)+`]}`)), time.Unix(0, 0), time.Time{})
	if err != nil || strings.Contains(fmt.Sprintf("%+v", page), "secret") {
		t.Errorf("%+v, %v", page, err)
	}
}
