package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

const recordKeys = "id agent_id agent_name from_number to_number direction status duration sentiment call_summary " +
	"started_at ended_at created_at"

type record struct {
	ID        string    `json:"id"`
	To        string    `json:"to_number"`
	Status    string    `json:"status"`
	Duration  *int      `json:"duration"`
	Summary   string    `json:"call_summary"`
	Sentiment string    `json:"sentiment"`
	Agent     string    `json:"agent_name"`
	StartedAt time.Time `json:"started_at"`
	CreatedAt time.Time `json:"created_at"`
}

type records struct {
	Calls   []record `json:"calls"`
	Total   int      `json:"total"`
	HasMore bool     `json:"has_more"`
}

// callsRequest returns a request to list-calls.
func callsRequest(t *testing.T, body string) *http.Request {
	t.Helper()
	r := request(t, body)
	r.URL = &url.URL{Scheme: "http", Host: "simulated", Path: "/functions/v1/list-calls"}
	return r
}

// listCalls sends a request to list-calls that must succeed.
func listCalls(t *testing.T, a *simulator.Account, format string, args ...any) records {
	t.Helper()
	status, _, body := do(t, a, callsRequest(t, fmt.Sprintf(format, args...)))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	var rs records
	if err := json.Unmarshal([]byte(body), &rs); err != nil {
		t.Fatal(err)
	}
	return rs
}

// byID returns all records that list-calls shows.
func byID(t *testing.T, a *simulator.Account) map[string]record {
	t.Helper()
	all := make(map[string]record)
	for {
		rs := listCalls(t, a, `{"limit":1000,"offset":%d}`, len(all))
		for _, r := range rs.Calls {
			all[r.ID] = r
		}
		if len(all) == rs.Total {
			return all
		}
		if len(rs.Calls) == 0 {
			t.Fatalf("%d of %d records", len(all), rs.Total)
		}
	}
}

// seconds returns the duration of a record, which must not be null.
func (r record) seconds(t *testing.T) time.Duration {
	t.Helper()
	if r.Duration == nil {
		t.Fatalf("no duration: %+v", r)
	}
	return time.Duration(*r.Duration) * time.Second
}

// chatty returns a campaign with long calls, all of them completed.
func chatty(recipients int) simulator.Campaign {
	c := brisk(recipients)
	c.CallLength, c.Outcomes = 40*time.Second, simulator.Outcomes{Completed: 1}
	return c
}

func TestEveryDialHasARecordThatItsRecipientRefersTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		c := brisk(100)
		c.CallLength = 30 * time.Second
		id := a.Add(c)
		c.Status, c.CreatedAt, c.CompletedAt = "completed", time.Now().Add(-time.Hour), time.Now()
		past := a.Add(c)
		for i, r := range get(t, a, past).Recipients {
			begin := c.CreatedAt.Add(time.Duration(i) * 36 * time.Second) // one after the other, within the hour
			if !r.AttemptedAt.Equal(begin) || r.CompletedAt.After(begin.Add(36*time.Second)) {
				t.Errorf("of a completed batch: %+v", r)
			}
		}
		time.Sleep(10 * time.Minute)
		all := byID(t, a)
		called := 0
		for _, r := range append(get(t, a, id).Recipients, get(t, a, past).Recipients...) {
			if (r.RecordID == "") != (r.AttemptedAt == nil) {
				t.Errorf("recipient %+v", r)
			}
			if r.RecordID == "" {
				continue
			}
			called++
			x, found := all[r.RecordID]
			if !found || x.To != r.Phone || !x.StartedAt.Equal(*r.AttemptedAt) || x.CreatedAt.Sub(x.StartedAt) > time.Second {
				t.Errorf("record %+v of recipient %+v", x, r)
			}
			if x.Status != r.Status && (x.Status != "initiated" || r.Status != "calling") {
				t.Errorf("record %s, recipient %s", x.Status, r.Status)
			}
			if talk := x.seconds(t); talk > 0 && (r.CompletedAt == nil || talk > r.CompletedAt.Sub(*r.AttemptedAt)) {
				t.Errorf("talk time %v of recipient %+v", talk, r)
			}
		}
		if called < 130 || len(all) != called {
			t.Errorf("%d dials, %d records", called, len(all))
		}
		for _, call := range a.Calls() {
			if x := all[call.RecordID]; x.seconds(t) != call.Talk || call.Talk > 0 && call.Outcome != "completed" {
				t.Errorf("record %+v, call %+v", x, call)
			}
		}
	})
}

func TestADurationIsWrittenJustBeforeTheRecipientEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
		c := chatty(1)
		c.Records.ZeroTalk = -1
		id := a.Add(c)
		var states []string
		for get(t, a, id).Batch.Status == "running" {
			time.Sleep(100 * time.Millisecond)
			r := get(t, a, id).Recipients[0]
			if x := byID(t, a)[r.RecordID]; x.ID != "" {
				states = append(states, fmt.Sprint(r.Status, "/", x.Status, " ", x.seconds(t) > 0))
			}
		}
		want := []string{
			"calling/initiated false", "initiated/initiated false", "ringing/ringing false",
			"in_progress/in_progress false", "in_progress/completed true", "completed/completed true",
		}
		if states = slices.Compact(states); !slices.Equal(states, want) {
			t.Errorf("got %q, want %q", states, want)
		}
	})
}

func TestNobodyTalksOnSomeCompletedCalls(t *testing.T) {
	for _, c := range []struct {
		share    float64
		from, to int
	}{{0, 40, 110}, {-1, 0, 0}, {0.5, 450, 550}, {1, 1000, 1000}} {
		synctest.Test(t, func(t *testing.T) {
			a := simulator.New(simulator.Options{})
			campaign := chatty(1000)
			campaign.Records.ZeroTalk, campaign.MaxConcurrency = c.share, 5
			a.Add(campaign)
			time.Sleep(24 * time.Hour)
			silent := 0
			for _, x := range byID(t, a) {
				if x.seconds(t) == 0 {
					silent++
				}
			}
			if silent < c.from || silent > c.to {
				t.Errorf("share %v: nobody talked on %d of 1000 calls", c.share, silent)
			}
		})
	}
}

func TestRecordsDeviateAsTheCampaignSays(t *testing.T) {
	run := func(settings simulator.CallRecords) (p page, all map[string]record, calls []simulator.Call) {
		synctest.Test(t, func(t *testing.T) {
			a := simulator.New(simulator.Options{})
			c := chatty(300)
			settings.ZeroTalk = -1
			c.Records = settings
			id := a.Add(c)
			time.Sleep(24 * time.Hour)
			p, all, calls = get(t, a, id), byID(t, a), a.Calls()
		})
		return p, all, calls
	}
	plain, plainRecords, plainCalls := run(simulator.CallRecords{})
	if len(plainRecords) != 300 || plain.count("completed") != 300 {
		t.Fatalf("%d records, %d completed", len(plainRecords), plain.count("completed"))
	}
	t.Run("double dials", func(t *testing.T) {
		p, all, calls := run(simulator.CallRecords{DoubleDials: 0.1})
		if len(all) < 315 || len(all) > 345 || len(calls) != 300 {
			t.Errorf("%d records of %d calls", len(all), len(calls))
		}
		for _, r := range p.Recipients {
			delete(all, r.RecordID)
		}
		for _, x := range all {
			if x.Status != "completed" || x.seconds(t) == 0 {
				t.Errorf("record without a recipient: %+v", x)
			}
		}
		if !slices.Equal(calls, plainCalls) {
			t.Error("double dials change what the recipients show")
		}
	})
	t.Run("refused", func(t *testing.T) {
		p, all, _ := run(simulator.CallRecords{Refused: 0.1})
		refused := 0
		for _, r := range p.Recipients {
			x := all[r.RecordID]
			if r.Status == "failed" {
				refused++
			}
			if (r.Status == "failed") != (x.Status == "initiated" && x.seconds(t) == 0) {
				t.Errorf("recipient %+v with record %+v", r, x)
			}
			if r.Status == "failed" && (r.Error != "Invalid To "+r.Phone || r.CompletedAt.Sub(*r.AttemptedAt) > time.Second) {
				t.Errorf("refused: %+v", r)
			}
		}
		if refused < 15 || refused > 45 || p.Batch.Failed != refused {
			t.Errorf("%d refused, row %+v", refused, p.Batch)
		}
	})
	t.Run("late ringing", func(t *testing.T) {
		p, all, calls := run(simulator.CallRecords{LateRinging: 0.1})
		ringing := 0
		for id, x := range all {
			if x.Status == "ringing" {
				ringing++
			}
			if x.seconds(t) != plainRecords[id].seconds(t) {
				t.Errorf("%+v, without late ringing %+v", x, plainRecords[id])
			}
		}
		if ringing < 15 || ringing > 45 || p.count("completed") != 300 || !slices.Equal(calls, plainCalls) {
			t.Errorf("%d records ringing, %d recipients completed", ringing, p.count("completed"))
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, all, calls := run(simulator.CallRecords{Missing: 0.1})
		if len(all) < 255 || len(all) > 285 || !slices.Equal(calls, plainCalls) {
			t.Errorf("%d records of %d calls", len(all), len(calls))
		}
	})
	t.Run("texts", func(t *testing.T) {
		_, all, _ := run(simulator.CallRecords{AgentName: "Agent X", Sentiment: "glad", Summary: `says "+14155550199"`})
		for _, x := range all {
			if x.Agent != "Agent X" || x.Sentiment != "glad" || x.Summary != `says "+14155550199"` {
				t.Fatalf("record %+v", x)
			}
		}
	})
}

func TestALaggingRecordEndsAfterItsRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
		c := chatty(1)
		c.Records = simulator.CallRecords{ZeroTalk: -1, Lag: time.Minute}
		id := a.Add(c)
		for get(t, a, id).Batch.Status == "running" {
			time.Sleep(time.Second)
		}
		r := get(t, a, id).Recipients[0]
		time.Sleep(58 * time.Second)
		if x := byID(t, a)[r.RecordID]; x.Status != "in_progress" || x.seconds(t) != 0 {
			t.Errorf("record %+v", x)
		}
		time.Sleep(2 * time.Second)
		if x := byID(t, a)[r.RecordID]; x.Status != "completed" || x.seconds(t) == 0 {
			t.Errorf("a minute later %+v", x)
		}
	})
}

func TestRecordsAreListedNewestFirstInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{PageCap: 80})
		c := brisk(120)
		a.Add(c)
		c.CreatedAt = time.Now().Add(-time.Hour) // its calls come into the journal after newer ones
		time.Sleep(time.Hour)
		a.Add(c)
		for _, x := range []struct {
			body string
			rows int
			more bool
		}{
			{`{}`, 50, true},
			{`{"limit":30,"offset":50}`, 30, true},
			{`{"limit":1e2}`, 80, true},
			{`{"limit":80,"offset":80}`, 80, true},
			{`{"limit":240}`, 80, false},
			{`{"limit":1000}`, 80, false},
			{`{"limit":50,"offset":190}`, 50, false},
			{`{"limit":50,"offset":240}`, 0, false},
			{`{"limit":0}`, 0, true},
			{`{"limit":10.5}`, 0, true},
			{`{"limit":"abc"}`, 0, false},
			{`{"limit":10`, 50, true},
			{`[1]`, 50, true},
			{`null`, 50, true},
			{``, 50, true},
			{`{"direction":"outbound"}`, 50, true},
			{`{"direction":"inbound"}`, 0, false},
			{`{"agent_id":"a"}`, 0, false},
		} {
			rs := listCalls(t, a, "%s", x.body)
			total := 240
			if strings.Contains(x.body, "inbound") || strings.Contains(x.body, "agent") {
				total = 0
			}
			if len(rs.Calls) != x.rows || rs.Total != total || rs.HasMore != x.more {
				t.Errorf("%s: %d rows of %d, more %v", x.body, len(rs.Calls), rs.Total, rs.HasMore)
			}
			for i := 1; i < len(rs.Calls); i++ {
				if rs.Calls[i].CreatedAt.After(rs.Calls[i-1].CreatedAt) {
					t.Errorf("%s: row %d is newer than the one before", x.body, i)
				}
			}
		}
		if n := len(byID(t, a)); n != 240 {
			t.Errorf("paging shows %d of 240 records", n)
		}
	})
}

func TestRecordsAreFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		a.Add(brisk(300))
		five := time.Now().Add(5 * time.Minute) // the bubble's clock starts at the year 2000
		time.Sleep(10 * time.Minute)
		all := byID(t, a)
		var from, to time.Time
		for _, x := range all { // two records created exactly then, because both ends are inclusive
			if from.IsZero() || x.CreatedAt.Before(from) && x.CreatedAt.After(time.Now().Add(-8*time.Minute)) {
				from = x.CreatedAt
			}
			if x.CreatedAt.Before(time.Now().Add(-2*time.Minute)) && x.CreatedAt.After(to) {
				to = x.CreatedAt
			}
		}
		between := func(x record) bool { return !x.CreatedAt.Before(from) && !x.CreatedAt.After(to) }
		dates := fmt.Sprintf(`"from_date":%q,"to_date":%q`, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
		status := func(status string) func(record) bool {
			return func(x record) bool { return x.Status == status }
		}
		anyRecord := func(record) bool { return true }
		none := func(record) bool { return false }
		for body, match := range map[string]func(record) bool{
			`{"limit":1000,` + dates + `}`: between,
			`{"limit":1000,` + dates + `,"status":"completed"}`: func(x record) bool {
				return between(x) && x.Status == "completed"
			},
			`{"limit":1000,"status":"no_answer"}`:                             status("no_answer"),
			`{"limit":1000,"status":"no-answer"}`:                             none, // the documented word
			`{"limit":1000,"phone_number":"+12065550107"}`:                    func(x record) bool { return x.To == "+12065550107" },
			`{"limit":1000,"from_date":"2000-01-02"}`:                         none,
			`{"limit":1000,"from_date":"2000-01-01","to_date":"2000-01-02"}`:  anyRecord,
			`{"limit":1000,"to_date":"1999-12-31T23:05:00-01:00"}`:            func(x record) bool { return x.CreatedAt.Before(five) },
			`{"limit":1000,"direction":"outbound","from_date":"","status":7}`: anyRecord,
		} {
			rs := listCalls(t, a, "%s", body)
			want := 0
			for _, x := range all {
				if match(x) {
					want++
				}
			}
			if len(rs.Calls) != want || rs.Total != want {
				t.Errorf("%s: %d rows, total %d, want %d", body, len(rs.Calls), rs.Total, want)
			}
		}
	})
}

func TestListCallsHasTheServicesFormAndErrors(t *testing.T) {
	a := simulator.New(simulator.Options{Key: "mgp_test", PerMinute: 9})
	id := a.Add(simulator.Campaign{Recipients: 1})
	a.SetRecipient(id, 0, simulator.Recipient{Status: "answered", AttemptedAt: time.Unix(0, 0)})
	_, h, body := do(t, a, callsRequest(t, `{}`))
	var answer struct{ Calls []json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || keys(t, answer.Calls[0]) != recordKeys {
		t.Errorf("%v, %s", err, body)
	}
	if h.Get("Content-Type") != "application/json" || !strings.HasSuffix(body, `],"total":1,"has_more":false}`) {
		t.Errorf("header %v, body %s", h, body)
	}
	get := callsRequest(t, "")
	get.Method = http.MethodGet
	wrong := callsRequest(t, `{}`)
	wrong.Header.Set("Authorization", "Bearer mgp_wrong")
	remove := a.Inject(simulator.Fault{Action: "list_calls", Status: 503, Times: 1})
	defer remove()
	if status, _, _ := send(t, a, `{"action":"list"}`); status != 200 {
		t.Errorf("the fault of list_calls hits list: %d", status)
	}
	const noDate = `{"error":{"code":"query_error",` +
		`"message":"invalid input syntax for type timestamp with time zone: \"last tuesday\""}}`
	const noRange = `{"error":{"code":"query_error","message":"Requested range not satisfiable"}}`
	for _, c := range []struct {
		request *http.Request
		status  int
		want    string
	}{
		{callsRequest(t, `{}`), 503, `{"error":{"code":"service_unavailable","message":"Service Unavailable"}}`},
		{get, 200, body},
		{wrong, 401, `{"error":{"code":"unauthorized","message":"Unauthorized"}}`},
		{callsRequest(t, `{"offset":1}`), 200, `{"calls":[],"total":1,"has_more":false}`},
		{callsRequest(t, `{"offset":2}`), 500, noRange},
		{callsRequest(t, `{"from_date":"last tuesday"}`), 500, noDate},
		{callsRequest(t, `{"to_date":"last tuesday"}`), 500, noDate},
		{callsRequest(t, `{"status":"busy","limit":3}`), 200, `{"calls":[],"total":0,"has_more":false}`},
	} {
		if status, _, got := do(t, a, c.request); status != c.status || got != c.want {
			t.Errorf("%d %s, want %d %s", status, got, c.status, c.want)
		}
	}
	if status, _, _ := send(t, a, `{"action":"list"}`); status != http.StatusTooManyRequests {
		t.Errorf("both endpoints together exceed the limit: %d", status)
	}
	log := a.Requests()
	last := log[len(log)-2]
	if last.Action != "list_calls" || last.StatusFilter != "busy" || last.Limit != 3 || last.Status != 200 {
		t.Errorf("log %+v", last)
	}
}

func TestRecordsOfRecipientsSetByHandShowWhatTheyWereGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		at := time.Now()
		id := a.Add(simulator.Campaign{Recipients: 3})
		a.SetRecipient(id, 0, simulator.Recipient{Status: "in_progress", AttemptedAt: at})
		first := get(t, a, id).Recipients[0].RecordID
		if x := byID(t, a)[first]; x.Status != "in_progress" || x.seconds(t) != 0 {
			t.Errorf("active: %+v", x)
		}
		time.Sleep(time.Minute)
		a.SetRecipient(id, 0, simulator.Recipient{
			Status: "completed", AttemptedAt: at, CompletedAt: time.Now(), Talk: 41*time.Second + 1,
		})
		if x := byID(t, a)[first]; x.Status != "completed" || x.seconds(t) != 41*time.Second {
			t.Errorf("ended: %+v", x)
		}
		if call := a.Calls()[0]; call.RecordID != first || call.Talk != 41*time.Second {
			t.Errorf("call %+v", call)
		}
		a.Complete(id)
		a.Rerun(id)
		if r := get(t, a, id).Recipients[0]; r.RecordID != first || r.AttemptedAt != nil {
			t.Errorf("run again: %+v", r)
		}
		a.SetRecipient(id, 0, simulator.Recipient{Status: "calling", AttemptedAt: time.Now()})
		if r := get(t, a, id).Recipients[0]; r.RecordID == first || byID(t, a)[r.RecordID].Status != "initiated" {
			t.Errorf("called again: %+v", r)
		}
		a.Delete(id)
		if n := len(byID(t, a)); n != 2 {
			t.Errorf("%d records after the batch is deleted, want 2", n)
		}
	})
}
