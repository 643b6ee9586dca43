package apiclient_test

import (
	"errors"
	"strings"
	"testing"

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
		"doubled member":     {`{"batches":[],"batches":[]}`, `{"batch":{},"recipients":[],"batch":{}}`},
		"doubled name":       {`{"batches":[{"id":"a","id":"b"}]}`, `{"batch":{"id":"b","id":"b"},"recipients":[]}`},
		"doubled by escapes": {`{"batches":[{"id":"a","\u0069d":"b"}]}`, `{"batch":{"x":1,"\u0078":2},"recipients":[]}`},
		"doubled deep":       {`{"batches":[{"x":{"y":1,"y":1}}]}`, `{"batch":{},"recipients":[{"y":1,"y":1}]}`},
		"bad UTF-8":          {"{\"batches\":[{\"id\":\"\xff\"}]}", "{\"batch\":{},\"recipients\":[{\"id\":\"\xc3\"}]}"},
		"bad UTF-8 skipped":  {"{\"x\":\"\xff\",\"batches\":[]}", "{\"batch\":{},\"recipients\":[],\"runs\":\"\xff\"}"},
		"lone surrogate":     {`{"batches":[{"id":"\ud83d"}]}`, `{"batch":{"name":"\udd0b"},"recipients":[]}`},
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

func TestNoRecipientsWhereThereAreSomeIsMalformed(t *testing.T) {
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
}

func TestErrorsOfAnswersHoldNoneOfTheirContent(t *testing.T) {
	for _, body := range []string{
		`{"batches":[{"name":"+15550001111","name":1}]}`, `{"batches":[{"+15550001111":nul}]}`,
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
