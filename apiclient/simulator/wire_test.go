package simulator_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

const (
	rowKeys = "id user_id name caller_id agent_id status send_now scheduled_at window_start_time window_end_time " +
		"window_days max_concurrency reserved_concurrency total_recipients completed_count failed_count template_id " +
		"purpose goal created_at updated_at started_at completed_at recurrence_type recurrence_interval " +
		"recurrence_end_date recurrence_max_runs recurrence_run_count parent_batch_id occurrence_number"
	recipientKeys = "id batch_id contact_id phone_number name status call_record_id error_message attempted_at " +
		"completed_at sort_order created_at"
	runKeys = "id occurrence_number status started_at completed_at completed_count failed_count total_recipients"
)

// keys returns the keys of a JSON object in their order.
func keys(t *testing.T, object json.RawMessage) string {
	t.Helper()
	var out []string
	d := json.NewDecoder(strings.NewReader(string(object)))
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return strings.Join(out, " ")
		}
		switch x := token.(type) {
		case json.Delim:
			depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[x]
		case string:
			if depth == 1 {
				out = append(out, x)
				var skipped json.RawMessage
				if err := d.Decode(&skipped); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestRowsHaveTheServicesKeysInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.New(simulator.Options{})
		id := a.Add(simulator.Campaign{Name: "Daily", Recipients: 2, Recurrence: "daily"})
		a.Spawn(id)
		var listed, runs map[string][]json.RawMessage
		var got struct {
			Batch            json.RawMessage
			Recipients, Runs []json.RawMessage
		}
		for body, into := range map[string]any{
			`{"action":"list"}`: &listed,
			`{"action":"list_runs","parent_batch_id":"` + id + `"}`: &runs,
			`{"action":"get","batch_id":"` + id + `"}`:              &got,
		} {
			_, _, text := send(t, a, body)
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		for what, pair := range map[string][2]string{
			"list":      {keys(t, listed["batches"][0]), rowKeys},
			"list_runs": {keys(t, runs["runs"][0]), rowKeys},
			"batch":     {keys(t, got.Batch), rowKeys},
			"recipient": {keys(t, got.Recipients[0]), recipientKeys},
			"runs":      {keys(t, got.Runs[0]), runKeys},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s has the keys\n%s\nwant\n%s", what, pair[0], pair[1])
			}
		}
	})
}

func TestTimesHaveMicrosecondsWithoutTrailingZeros(t *testing.T) {
	a := simulator.New(simulator.Options{})
	at := time.Date(2026, 11, 22, 7, 12, 19, 647_220_999, time.FixedZone("", 3600))
	id := a.Add(simulator.Campaign{CreatedAt: at, StartedAt: at.Truncate(time.Second)})
	b := get(t, a, id).Batch
	if b.CreatedAt != "2026-11-22T06:12:19.64722+00:00" || b.StartedAt != "2026-11-22T06:12:19+00:00" {
		t.Errorf("created %s, started %s", b.CreatedAt, b.StartedAt)
	}
}

func TestAnyNameReachesTheClientUnchanged(t *testing.T) {
	a := simulator.New(simulator.Options{})
	name := "q\" b\\ n\n t\t \x01\x1f <&> Łódź 花 🔋 \u2028"
	if got := get(t, a, a.Add(simulator.Campaign{Name: name})).Batch.Name; got != name {
		t.Errorf("got %q, want %q", got, name)
	}
}

func TestPhoneNumbersAreFictitious(t *testing.T) {
	a := simulator.New(simulator.Options{})
	_, _, body := send(t, a, `{"action":"get","batch_id":"`+a.Add(simulator.Campaign{Recipients: 1000})+`"}`)
	numbers := regexp.MustCompile(`"phone_number":"([^"]*)"`).FindAllStringSubmatch(body, -1)
	fiction := regexp.MustCompile(`^\+1[2-9]\d\d55501\d\d$`)
	if len(numbers) != 1000 || slices.ContainsFunc(numbers, func(m []string) bool { return !fiction.MatchString(m[1]) }) {
		t.Errorf("%d numbers, such as %v", len(numbers), numbers[0])
	}
}

func TestOverridesReplaceOmitAndAddKeys(t *testing.T) {
	a := simulator.New(simulator.Options{})
	id := a.Add(simulator.Campaign{Name: "x", Recipients: 1})
	a.Set(id, "total_recipients", nil)
	a.Set(id, "scheduled_at", "infinity")
	a.Set(id, "id", nil)
	a.Set(id, "name", simulator.Omit)
	a.Set(id, "brand_new", []int{1})
	a.SetRecipientKey(id, 0, "status", 7)
	a.SetRecipientKey(id, 0, "name", simulator.Omit)
	_, _, body := send(t, a, `{"action":"get","batch_id":"`+id+`"}`)
	var got struct {
		Batch      map[string]any
		Recipients []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	b, r := got.Batch, got.Recipients[0]
	if b["total_recipients"] != nil || b["id"] != nil || b["scheduled_at"] != "infinity" || b["brand_new"] == nil {
		t.Errorf("batch: %v", b)
	}
	if _, there := b["name"]; there || len(b) != 30 {
		t.Errorf("batch has %d keys: %v", len(b), b)
	}
	if _, there := r["name"]; there || r["status"] != 7.0 || len(r) != 11 {
		t.Errorf("recipient: %v", r)
	}
}
