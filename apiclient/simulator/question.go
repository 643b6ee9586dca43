package simulator

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
)

// bodyLimit is how many bytes of a request's body are read.
const bodyLimit = 1 << 20

// question is one request, taken apart.
type question struct {
	action, batchID, status string
	limit, offset           int
	odd                     bool   // limit or offset is no integer
	wrong                   int    // the status of the refusal, 0: none
	complaint               string // its text
}

// ask takes a request apart; what is missing or of the wrong type is answered as the service does.
func ask(method string, body []byte) question {
	q := question{limit: 50}
	if method != http.MethodPost || len(body) == 0 {
		return q.refuse(http.StatusInternalServerError, "Unexpected end of JSON input")
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil || keys == nil {
		return q.refuse(http.StatusInternalServerError, "Unexpected token in JSON")
	}
	q.action = textOf(keys["action"])
	q.status = textOf(keys["status"])
	q.batchID = textOf(keys["batch_id"])
	if q.action == "list_runs" {
		q.batchID = textOf(keys["parent_batch_id"])
	}
	q.integer(keys["limit"], &q.limit)
	q.integer(keys["offset"], &q.offset)
	return q
}

func (q question) refuse(status int, complaint string) question {
	q.wrong, q.complaint = status, complaint
	return q
}

// integer reads a JSON integer, whichever way it is written, into place; one that is missing leaves the default.
func (q *question) integer(raw json.RawMessage, place *int) {
	if raw == nil {
		return
	}
	var n *float64
	if json.Unmarshal(raw, &n) != nil || n == nil || *n != math.Trunc(*n) || *n < 0 || *n > math.MaxInt32 {
		q.odd = true
		return
	}
	*place = int(*n)
}

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// authorized tells whether the request carries a bearer key that the account takes.
func (a *Account) authorized(h http.Header) bool {
	key, bearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	key = strings.TrimSpace(key)
	return bearer && key != "" && (a.options.Key == "" || key == a.options.Key)
}
