package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// CallRecords says how the call records of a campaign, which list-calls shows, deviate from what its recipients show.
// All shares lie between 0 and 1. Each dial makes one record, whose id is the recipient's call_record_id.
type CallRecords struct {
	ZeroTalk    float64       // share of completed calls on which nobody talked; 0: one in 14; negative: none
	DoubleDials float64       // share of dials made twice: the first leaves a record that no recipient refers to
	Refused     float64       // share of dials that the carrier refuses: the recipient fails, the record stays initiated
	LateRinging float64       // share of records whose status reverts to ringing after their end; their duration stays
	Missing     float64       // share of dials without a record
	Lag         time.Duration // how long a record ends after its recipient; 0: just before it

	AgentName, Sentiment, Summary string // texts of all records with a talk time; "": null
}

const (
	zeroTalkShare = 1.0 / 14
	ringShare     = 0.25                   // part of an answered call that it rings
	recordDelay   = 2 * time.Millisecond   // from attempted_at to created_at
	recordLead    = 500 * time.Millisecond // maximum time by which a record ends before its recipient
	lateRingAfter = 2 * time.Second        // from the end of a record to a late ringing
	refusedAfter  = 300 * time.Millisecond // from the dial to the carrier's refusal
)

// attempt is a dial attempt and its call record.
type attempt struct {
	Call
	planned   bool   // the end was decided by the simulator, and may lie in the future
	status    string // of the record, while a recipient that was set by hand is active
	refused   bool
	ringsLate bool
	recordKey uint64
	record    uint64 // number of the record; together with recordKey it gives the id
	recipient int    // index of the recipient
	settings  *CallRecords
}

// addCall adds a dial attempt to the journal and to the call records.
func (a *Account) addCall(b *batch, i int, x attempt) *attempt {
	b.recordCount++
	x.BatchID, x.RecipientID = b.id, b.recipientID(i)
	x.recordKey, x.record, x.recipient, x.settings = b.key, b.recordCount, i, b.records
	x.ringsLate = b.chance(b.records.LateRinging, forLateRinging)
	added := a.calls.add(x)
	if !b.chance(b.records.Missing, forMissingRecord) {
		a.records.add(added)
	}
	b.recipients[i].record = x.record
	return added
}

// addFirstDial adds the record of the first call of a double dial.
func (a *Account) addFirstDial(b *batch, i int, t time.Time) {
	call := b.newCall(i, t, stream(b.key, forFirstDial, b.recordCount))
	a.records.add(&attempt{
		planned: true, recordKey: mix(b.key, forFirstDial), record: b.recordCount, recipient: i, settings: b.records,
		Call: Call{AttemptedAt: t, CompletedAt: call.end, Outcome: call.outcome, Talk: b.drawTalk(call)},
	})
}

// drawTalk draws the talk time of a call: its length minus the ring time, or 0 if nobody talks.
func (b *batch) drawTalk(call *activeCall) time.Duration {
	share := cmp.Or(b.records.ZeroTalk, zeroTalkShare)
	if call.outcome != "completed" || b.chance(share, forTalk) {
		return 0
	}
	return scale(call.end.Sub(call.begin), 1-ringShare).Truncate(time.Second)
}

// chance decides whether an event that happens to a share of all dials happens to the next one.
func (b *batch) chance(share float64, purpose uint64) bool {
	return share > 0 && fraction(b.key, purpose, b.recordCount) < share
}

// recordID returns the id of a batch's call record. It is "" for number 0, which means no record.
func recordID(key, number uint64) string {
	if number == 0 {
		return ""
	}
	return uuid(key, forCallRecord, number)
}

// shown returns the status and the talk time that the call record shows.
func (x *attempt) shown(now time.Time) (status string, talk time.Duration) {
	end := x.recordEnd()
	switch {
	case x.refused:
		return "initiated", 0
	case x.planned && (end.IsZero() || now.Before(end)):
		call := activeCall{begin: x.AttemptedAt, end: x.CompletedAt, outcome: x.Outcome}
		return recordStatus(call.status(now)), 0
	case x.Outcome == "":
		return x.status, x.Talk
	case x.ringsLate && !now.Before(end.Add(lateRingAfter)):
		return "ringing", x.Talk
	}
	return x.Outcome, x.Talk
}

// recordEnd returns when the record gets its duration and its final status. It is zero if it never does.
func (x *attempt) recordEnd() time.Time {
	switch {
	case x.CompletedAt.IsZero() || !x.planned:
		return x.CompletedAt
	case x.settings.Lag > 0:
		return x.CompletedAt.Add(x.settings.Lag)
	}
	return x.CompletedAt.Add(-min(recordLead, x.CompletedAt.Sub(x.AttemptedAt)/50))
}

// recordStatus returns the status of a record while its recipient is active in this state.
func recordStatus(recipient string) string {
	switch recipient {
	case "ringing", "in_progress":
		return recipient
	case "in-progress", "answered":
		return "in_progress"
	}
	return "initiated"
}

func (x *attempt) createdAt() time.Time { return x.AttemptedAt.Add(recordDelay) }

// appendRecord appends a call record as list-calls shows it: thirteen keys.
func (x *attempt) appendRecord(out []byte, now time.Time) []byte {
	status, talk := x.shown(now)
	var texts CallRecords
	if talk > 0 {
		texts = *x.settings
	}
	o := begin(out, nil)
	o.text("id", recordID(x.recordKey, x.record))
	o.null("agent_id")
	o.textOrNull("agent_name", texts.AgentName)
	o.text("from_number", callerID)
	o.text("to_number", phoneNumber(x.recipient))
	o.text("direction", "outbound")
	o.text("status", status)
	o.number("duration", int(talk/time.Second))
	o.textOrNull("sentiment", texts.Sentiment)
	o.textOrNull("call_summary", texts.Summary)
	o.timestamp("started_at", x.AttemptedAt)
	o.null("ended_at")
	o.timestamp("created_at", x.createdAt())
	return o.end()
}

// recordList holds the call records, oldest first once sorted. It drops the oldest ones like a journal.
type recordList struct {
	rows     []*attempt
	unsorted bool
}

func (l *recordList) add(x *attempt) {
	if len(l.rows) >= kept+kept/4 {
		l.rows = slices.Clone(l.sorted()[kept/4:])
	}
	if last := len(l.rows) - 1; last >= 0 && x.AttemptedAt.Before(l.rows[last].AttemptedAt) {
		l.unsorted = true
	}
	l.rows = append(l.rows, x)
}

func (l *recordList) sorted() []*attempt {
	if l.unsorted {
		slices.SortStableFunc(l.rows, func(x, y *attempt) int { return x.AttemptedAt.Compare(y.AttemptedAt) })
		l.unsorted = false
	}
	return l.rows
}

// callFilter is the filter of a list-calls request; "" matches everything.
type callFilter struct {
	direction, status, agentID, phoneNumber string
	from, to                                string  // of created_at, both inclusive
	limit                                   float64 // as given; NaN if it is not a number
}

// parseCallQuery parses a list-calls request. Like the service, it treats a body that is not a JSON object as an empty
// object.
func parseCallQuery(body []byte) query {
	var keys map[string]json.RawMessage
	if json.Unmarshal(body, &keys) != nil {
		keys = nil
	}
	q := query{listCalls: true, action: "list_calls", limit: 50, status: textOf(keys["status"])}
	q.integer(keys["limit"], &q.limit)
	q.integer(keys["offset"], &q.offset)
	q.calls = callFilter{
		direction: textOf(keys["direction"]), status: q.status, agentID: textOf(keys["agent_id"]),
		phoneNumber: textOf(keys["phone_number"]), from: textOf(keys["from_date"]), to: textOf(keys["to_date"]),
		limit: float64(q.limit),
	}
	if limit := keys["limit"]; limit != nil && json.Unmarshal(limit, &q.calls.limit) != nil {
		q.calls.limit = math.NaN()
	}
	return q
}

// listCalls answers list-calls. As in the service, total counts all matching records, has_more is computed from the
// requested limit even if the page was limited further, and an offset beyond total is an error.
func (a *Account) listCalls(q query, now time.Time) (status int, body []byte) {
	found, err := q.calls.apply(a.records.sorted(), now)
	if err != nil {
		return http.StatusInternalServerError, codedErrorBody("query_error", err.Error())
	}
	total := len(found)
	if q.offset > total {
		return http.StatusInternalServerError, codedErrorBody("query_error", "Requested range not satisfiable")
	}
	out := []byte(`{"calls":[`)
	if !q.badPaging {
		page := found[max(0, total-q.offset-min(q.limit, a.options.PageCap)) : total-q.offset]
		for i, x := range slices.Backward(page) {
			out = x.appendRecord(out, now)
			if i > 0 {
				out = append(out, ',')
			}
		}
	}
	out = append(out, `],"total":`...)
	out = strconv.AppendInt(out, int64(total), 10)
	out = append(out, `,"has_more":`...)
	out = strconv.AppendBool(out, float64(q.offset)+q.calls.limit < float64(total))
	return http.StatusOK, append(out, '}')
}

// apply returns the records that match the filter.
func (f callFilter) apply(rows []*attempt, now time.Time) ([]*attempt, error) {
	from, err := parseDate(f.from)
	if err != nil {
		return nil, err
	}
	to, err := parseDate(f.to)
	if err != nil {
		return nil, err
	}
	if f.direction != "" && f.direction != "outbound" || f.agentID != "" {
		return nil, nil
	}
	if !to.IsZero() {
		rows = rows[:firstFrom(rows, to.Add(time.Nanosecond))]
	}
	rows = rows[firstFrom(rows, from):]
	if f.status == "" && f.phoneNumber == "" {
		return rows, nil
	}
	var found []*attempt
	for _, x := range rows {
		status, _ := x.shown(now)
		number := f.phoneNumber == "" || f.phoneNumber == callerID || f.phoneNumber == phoneNumber(x.recipient)
		if number && (f.status == "" || f.status == status) {
			found = append(found, x)
		}
	}
	return found, nil
}

// firstFrom returns the index of the first row created at t or later.
func firstFrom(rows []*attempt, t time.Time) int {
	i, _ := slices.BinarySearchFunc(rows, t, func(x *attempt, t time.Time) int { return x.createdAt().Compare(t) })
	return i
}

// parseDate parses a date of the filter; "" becomes the zero time.
func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid input syntax for type timestamp with time zone: %q", text)
}

// codedErrorBody returns an error in the format of list-calls.
func codedErrorBody(code, message string) []byte {
	out := appendText([]byte(`{"error":{"code":`), code)
	out = appendText(append(out, `,"message":`...), message)
	return append(out, "}}"...)
}
