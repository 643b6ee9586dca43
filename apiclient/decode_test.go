package apiclient_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestAnswersThatAreNoAnswerAreMalformed(t *testing.T) {
	for name, c := range map[string]struct{ list, get string }{
		"nothing":            {"", ""},
		"blanks":             {"  \n", "\t"},
		"null":               {"null", "null"},
		"an array":           {`[{"batches":[]}]`, `[]`},
		"a string":           {`"batches"`, `"batch"`},
		"no JSON":            {"<html>batches</html>", "<html></html>"},
		"an empty object":    {"{}", "{}"},
		"main member null":   {`{"batches":null}`, `{"batch":null,"recipients":[]}`},
		"main member object": {`{"batches":{}}`, `{"batch":{},"recipients":{}}`},
		"main member array":  {`{"batches":"[]"}`, `{"batch":[],"recipients":[]}`},
		"batch missing":      {`{"runs":[]}`, `{"recipients":[]}`},
		"recipients missing": {`{"rows":[]}`, `{"batch":{"id":"b"}}`},
		"recipients null":    {`{"BATCHES":[]}`, `{"batch":{"id":"b"},"recipients":null}`},
		"cut":                {`{"batches":[{"id":"b"}`, `{"batch":{"id":"b"},"recipients":[{"id":"r"}`},
		"cut in a key":       {`{"batches":[{"i`, `{"batch":{"i`},
		"cut in a value":     {`{"batches":[{"name":"x`, `{"batch":{"name":"x`},
		"trailing data":      {`{"batches":[]} {}`, `{"batch":{},"recipients":[]}x`},
		"doubled, then null": {`{"batches":[],"batches":null}`, `{"batch":{},"recipients":[{}],"batch":null}`},
		"doubled list":       {`{"batches":[],"batches":{}}`, `{"batch":{},"recipients":[{}],"recipients":[{}]}`},
		"a mark too many":    {"\ufeff\ufeff{\"batches\":[]}", "\ufeff\ufeff{\"batch\":{},\"recipients\":[{}]}"},
		"half a mark":        {"\xef\xbb{\"batches\":[]}", "\xef{\"batch\":{},\"recipients\":[{}]}"},
		"a mark alone":       {"\ufeff", "\ufeff"},
		"UTF-16":             {"\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}"},
		"bad UTF-8 outside":  {"{\"batches\":[]\xff}", "{\"batch\":{},\xff\"recipients\":[{}]}"},
		"half an escape":     {`{"batches":[{"id":"\ud8"}]}`, `{"batch":{"name":"\u"},"recipients":[{}]}`},
		"control character":  {"{\"batches\":[{\"id\":\"\n\"}]}", "{\"batch\":{\"name\":\"\x00\"},\"recipients\":[]}"},
		"bad number":         {`{"batches":[{"total_recipients":01}]}`, `{"batch":{"total_recipients":+1},"recipients":[]}`},
		"bad literal":        {`{"batches":[{"id":nul}]}`, `{"batch":{},"recipients":[True]}`},
		"missing comma":      {`{"batches":[{} {}]}`, `{"batch":{} "recipients":[]}`},
		"extra comma":        {`{"batches":[{},]}`, `{"batch":{},"recipients":[{},]}`},
		"wrong bracket":      {`{"batches":[}}`, `{"batch":{},"recipients":[}]}`},
		"bad window_days":    {`{"batches":[{"window_days":[1,}]}`, `{"batch":{"window_days":[0 1]},"recipients":[]}`},
		"wrong window_days":  {`{"batches":[{"window_days":[1`, `{"batch":{"window_days":{"a"}},"recipients":[]}`},
	} {
		_, listed := list(t, connect(t, apiclient.Config{Transport: exactly(c.list)}))
		_, _, got := read(t, connect(t, apiclient.Config{Transport: exactly(c.get)}), "b")
		for _, err := range []error{listed, got} {
			var decode *apiclient.DecodeError
			if !errors.As(err, &decode) || apiclient.Reason(err) != "malformed" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestAnAnswerAboutAnotherBatchIsMalformed(t *testing.T) {
	a := unlimited(0)
	id := a.Add(simulator.Campaign{Recipients: 1})
	a.Set(id, "id", "another")
	_, _, err := read(t, of(t, a), id)
	var decode *apiclient.DecodeError
	if !errors.As(err, &decode) || !strings.Contains(err.Error(), "another batch") {
		t.Error(err)
	}
}

func TestNoRecipientsAreMalformedUnlessThereAreKnownToBeNone(t *testing.T) {
	a := unlimited(0)
	id, empty := a.Add(simulator.Campaign{Recipients: 3}), a.Add(simulator.Campaign{})
	a.Inject(simulator.Fault{NoRecipients: true})
	c := of(t, a)
	if _, _, err := read(t, c, id); apiclient.Reason(err) != "malformed" {
		t.Errorf("a failed read of the recipients: %v", err)
	}
	if b, _, err := read(t, c, empty); err != nil || b.TotalRecipients != (apiclient.Count{Known: true}) {
		t.Errorf("a batch without recipients: %v, %+v", err, b.TotalRecipients)
	}
	for total, want := range map[string]string{
		`"total_recipients":0`: "", `"total_recipients":0.0`: "", `"total_recipients":7`: "malformed", `"total_recipients":null`: "malformed",
		`"total_recipients":-1`: "malformed", `"total_recipients":"0"`: "malformed", `"name":"n"`: "malformed",
	} {
		_, _, err := read(t, whole(t, `{"batch":{`+total+`},"recipients":[]}`), "b")
		if (err != nil) != (want != "") || err != nil && apiclient.Reason(err) != want {
			t.Errorf("%s: %v", total, err)
		}
		if _, rs, err := read(t, whole(t, `{"batch":{`+total+`},"recipients":[{}]}`), "b"); err != nil || len(rs) != 1 {
			t.Errorf("%s and a recipient: %v", total, err)
		}
	}
}

func TestA200ThatTellsAnErrorIsMalformed(t *testing.T) {
	for said, failed := range map[string]bool{
		`"could not read +15550001111"`: true, `{"code":"E1","message":"+15550001111"}`: true, `["+15550001111"]`: true,
		`"0"`: true, `" "`: true, `true`: true, `1`: true, `0.5`: true, `[]`: true, `{}`: true, `{"code":null}`: true,
		`""`: false, `false`: false, `0`: false, `-0.0`: false, `null`: false, `"x","error":null`: false, `null,"error":"x"`: true,
	} {
		for _, body := range []string{
			`{"batches":[],"runs":[],"batch":{"total_recipients":0},"recipients":[],"error":` + said + `}`,
			`{"error":` + said + `,"recipients":[{}],"batch":{"id":"b"},"runs":[{"id":"r"}],"batches":[{"id":"b"}]}`,
			`{"data":null,"error":` + said + `}`,
		} {
			c := whole(t, body)
			_, listed := list(t, c)
			_, ran := next(t, c, c.Runs("p").Walk())
			_, _, got := read(t, c, "b")
			for _, err := range []error{listed, ran, got} {
				var decode *apiclient.DecodeError
				if bad := failed || strings.Contains(body, "data"); errors.As(err, &decode) != bad || (err != nil) != bad {
					t.Errorf("%s: %v", body, err)
				}
				if err != nil && strings.Contains(err.Error(), "1555") {
					t.Errorf("%s: %v", body, err)
				}
			}
		}
	}
}

func TestAnErrorWithinARowIsNone(t *testing.T) {
	rows, err := list(t, whole(t, `{"batches":[{"id":"b","error":"busy"}],"errors":["x"],"Error":"x"}`))
	if err != nil || len(rows) != 1 {
		t.Errorf("%v, %d rows", err, len(rows))
	}
	_, rs, err := read(t, whole(t, `{"batch":{"error":"x"},"recipients":[{"id":"r","error":"no credit"}]}`), "b")
	if err != nil || len(rs) != 1 {
		t.Errorf("%v, %d recipients", err, len(rs))
	}
}

func TestOneOddTextCostsItselfAlone(t *testing.T) {
	for name, c := range map[string]struct{ wire, want string }{
		"half an emoji":             {`\ud83d`, "\ufffd"},
		"its other half":            {`x\udd0by`, "x\ufffdy"},
		"both the wrong way round":  {`\udd0b\ud83d`, "\ufffd\ufffd"},
		"half, then another escape": {`\ud83d\n`, "\ufffd\n"},
		"a byte":                    {"a\xffb", "a\ufffdb"},
		"a cut character":           {"a\xe8\x8a", "a\ufffd\ufffd"},
		"a byte beside an escape":   {"\\u0061\xff", "a\ufffd"},
		"a surrogate in UTF-8":      {"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"},
		"a whole emoji":             {`\ud83d\udd0b`, "🔋"},
	} {
		odd := `"` + c.wire + `"`
		members := `"name":` + odd + `,"goal":` + odd + `,"` + c.wire + `":1,"parent_batch_id":"p"`
		rows, err := list(t, whole(t, `{"batches":[{"id":"a",`+members+`},{"id":"b","name":"n"}],"x":`+odd+`}`))
		if err != nil || len(rows) != 2 || rows[0].ID != "a" || rows[0].ParentID != "p" || rows[1].Name != "n" {
			t.Errorf("%s: list: %v, %+v", name, err, rows)
			continue
		}
		if rows[0].Name != c.want || rows[0].Odd != nil {
			t.Errorf("%s: name %q, odd %v", name, rows[0].Name, rows[0].Odd)
		}
		recipients := `[{"id":"r","name":` + odd + `,"error":` + odd + `,"status":"busy"},{"id":` + odd + `,"status":` + odd + `}]`
		b, rs, err := read(t, whole(t, `{"batch":{`+members+`},"recipients":`+recipients+`}`), "b")
		if err != nil || b.Name != c.want || len(rs) != 2 || rs[0].Status != apiclient.RecipientBusy || rs[1].Key == 0 || fields(rs[1].Odd) != "recipient_status" {
			t.Errorf("%s: get: %v, %+v, %+v", name, err, b, rs)
		}
	}
}

func TestOfDoubledNamesTheLastCounts(t *testing.T) {
	rows, err := list(t, whole(t, `{"batches":[{"id":"no"}],"x":1,"batches":[{"id":"a","\u0069d":"b","name":"x","name":null,`+
		`"status":"draft","status":"running","total_recipients":1,"total_recipients":2,"failed_count":3,"failed_count":null,`+
		`"window_start_time":"25:00","window_start_time":"09:00","window_end_time":"17:00","window_end_time":null,`+
		`"window_days":{},"window_days":[1],"window_days":[2],"created_at":"2026-11-22T06:11:13Z","created_at":null,`+
		`"goal":{"y":1,"y":2}}]}`))
	want := []apiclient.Batch{{
		ID: "b", Status: apiclient.BatchRunning, TotalRecipients: apiclient.Count{N: 2, Known: true},
		Window: apiclient.Window{Start: 540, End: -1, Days: 1 << time.Tuesday},
	}}
	if diff := cmp.Diff(want, rows, asIs, cmpopts.IgnoreFields(apiclient.Batch{}, "Odd")); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	b, rs, err := read(t, whole(t, `{"batch":{"id":"no","name":"x"},"batch":{"id":"b"},"recipients":[{"id":"r","id":null,"id":"s",`+
		`"status":"busy","x":1,"attempted_at":null,"completed_at":"2026-11-22T06:11:13Z","x":2,"completed_at":null,`+
		`"status":"failed","attempted_at":"2026-11-22T06:11:13Z"},{"id":"s"},{"id":"s","id":""}]}`), "b")
	if err != nil || b.Name != "" || len(rs) != 3 || rs[0].Status != apiclient.RecipientFailed || rs[0].AttemptedAt.IsZero() ||
		!rs[0].CompletedAt.IsZero() || rs[0].Key == 0 || rs[0].Key != rs[1].Key || rs[2].Key != 0 {
		t.Errorf("%v, %+v, %+v", err, b, rs)
	}
}

func TestAByteOrderMarkIsSkipped(t *testing.T) {
	rows, err := list(t, whole(t, "\ufeff{\"batches\":[{\"id\":\"b\",\"name\":\"\ufeff\"}]}"))
	if err != nil || len(rows) != 1 || rows[0].Name != "\ufeff" {
		t.Errorf("%v, %+v", err, rows)
	}
	inPieces := stream{body: func() io.Reader {
		return iotest.OneByteReader(strings.NewReader("\ufeff {\"batch\":{},\"recipients\":[{}]}"))
	}}
	if _, rs, err := read(t, connect(t, apiclient.Config{Transport: inPieces}), "b"); err != nil || len(rs) != 1 {
		t.Errorf("%v, %d recipients", err, len(rs))
	}
}

func TestErrorsOfAnswersHoldNoneOfTheirContent(t *testing.T) {
	for _, body := range []string{
		`{"batches":[{"name":"+15550001111"]}`, `{"batches":[{"+15550001111":nul}]}`,
		`"+15550001111"`, `{"+15550001111":[]}`, `{"batches":[]}+15550001111`,
	} {
		_, listed := list(t, of(t, saying(body)))
		_, _, got := read(t, of(t, saying(body)), "b")
		for _, err := range []error{listed, got} {
			if err == nil || strings.Contains(err.Error(), "1555") {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

func TestUnknownMembersAreAccepted(t *testing.T) {
	odd := `"":0,"a\"b":[[],{"id":"no"}],"Id":"no","nested":{"id":"no","batches":[{"id":"no"}]},"big":1e400`
	rows, err := list(t, of(t, saying(`{`+odd+`,"batches":[{`+odd+`,"id":"b",`+`"name":"n"}],"next":null}`)))
	if err != nil || len(rows) != 1 || rows[0].ID != "b" || rows[0].Name != "n" {
		t.Errorf("%v, %+v", err, rows)
	}
	b, rs, err := read(t, of(t, saying(`{"recipients":[{`+odd+`,"id":"r"}],`+odd+`,"batch":{`+odd+`}}`)), "b")
	if err != nil || len(rs) != 1 || rs[0].Key == 0 || b.Odd != nil {
		t.Errorf("%v, %+v, %+v", err, b, rs)
	}
}

func TestEscapesInKeysAndValuesAreRead(t *testing.T) {
	body := `{"b\u0061tches":[{"\u0069d":"\u0062\ud83d\udd0b","n\u0061me":"a\/\b\t\"","statu\u0073":"\u0072unning",` +
		`"created\u005fat":"2026-11-22T06:11:13\u002b00:00","total_recipients":5}]}`
	rows, err := list(t, of(t, saying(body)))
	if err != nil || len(rows) != 1 {
		t.Fatal(err, rows)
	}
	b := rows[0]
	if b.ID != "b🔋" || b.Name != "a/\b\t\"" || b.Status != apiclient.BatchRunning || b.CreatedAt.Unix() != 1795327873 {
		t.Errorf("%+v", b)
	}
}

func TestBlanksBetweenTokensAreAccepted(t *testing.T) {
	rows, err := list(t, of(t, saying("\r\n { \"batches\" :\t[ { \"id\" : \"b\" } , { } ] } \n\n")))
	if err != nil || len(rows) != 1 {
		t.Errorf("%v, %+v", err, rows)
	}
}

// breaking is a body like those of net/http, which return the first error only once.
type breaking struct {
	text io.Reader
	then []error // returned after text, the last one again and again
}

func (b *breaking) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	err := b.then[0]
	if len(b.then) > 1 {
		b.then = b.then[1:]
	}
	return 0, err
}

func TestABodyThatBreaksOffAnywhereFailsWithItsFirstError(t *testing.T) {
	const answer = ` { "batches" : [ {"id":"b","name":null} , {"x":[1]} ] } `
	for cut := range len(answer) {
		body := func() io.Reader {
			return &breaking{strings.NewReader(answer[:cut]), []error{context.DeadlineExceeded, errors.New("use of a closed connection")}}
		}
		_, err := list(t, connect(t, apiclient.Config{Transport: stream{body: body}}))
		if got := apiclient.Reason(err); got != "timeout" {
			t.Errorf("cut after %q: %v is %s", answer[:cut], err, got)
		}
	}
}
