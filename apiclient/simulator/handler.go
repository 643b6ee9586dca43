package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is a complete answer. The connection breaks after cut bytes of the body; 0: it does not.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    int
}

// ServeHTTP answers one request: as list-calls if the path ends in /list-calls, as batch-calls on any other path. If a
// fault breaks the connection, it panics with http.ErrAbortHandler, as net/http expects.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ans, err := a.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), ans.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(ans.body)))
	w.WriteHeader(ans.status)
	if ans.cut == 0 {
		_, _ = w.Write(ans.body) // fails only if the client has disconnected
		return
	}
	_, _ = w.Write(ans.body[:ans.cut])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// answer answers a request after the delay of its fault. The error is one of the request's context or body.
func (a *Account) answer(r *http.Request) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	q := parseQuery(r.Method, body)
	if strings.HasSuffix(r.URL.Path, "/list-calls") {
		q = parseCallQuery(body)
	}
	entry, f, ans := a.admit(r.Header, q)
	if ans.status == 0 {
		ans, err = a.respond(r.Context(), q, f)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	entry.Status = ans.status
	return ans, err
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(r.Body, bodyLimit))
}

// admit records a request and refuses it if its key is wrong or a limit is reached.
func (a *Account) admit(h http.Header, q query) (*Request, Fault, answer) {
	now := a.lock()
	defer a.mu.Unlock()
	entry := a.requests.add(Request{
		At: now, Action: q.action, BatchID: q.batchID, StatusFilter: q.status, Limit: q.limit, Offset: q.offset,
	})
	if !a.authorized(h) {
		ans := answer{status: http.StatusUnauthorized, header: make(http.Header), body: q.errorBody("Unauthorized")}
		return entry, Fault{}, a.addHeaders(ans, now)
	}
	if wait := a.limits.take(now); wait > 0 {
		return entry, Fault{}, a.addHeaders(tooManyRequests(wait), now)
	}
	return entry, a.faultFor(q), answer{}
}

// errorBody returns an error in the format of the endpoint. For list-calls, the code is derived from the text.
func (q query) errorBody(text string) []byte {
	if q.listCalls {
		return codedErrorBody(strings.ToLower(strings.ReplaceAll(text, " ", "_")), text)
	}
	return errorBody(text)
}

// respond answers an admitted request with the state of the account after the fault's delay.
func (a *Account) respond(ctx context.Context, q query, f Fault) (answer, error) {
	if err := f.wait(ctx); err != nil {
		return answer{}, err
	}
	now := a.lock()
	defer a.mu.Unlock()
	ans := answer{header: make(http.Header)}
	ans.status, ans.body = a.result(q, now, f.NoRecipients)
	return f.apply(a.addHeaders(ans, now), q), nil
}

// addHeaders adds the headers that all answers have.
func (a *Account) addHeaders(ans answer, now time.Time) answer {
	ans.header.Set("Content-Type", "application/json")
	ans.header.Set("Date", now.Format(http.TimeFormat))
	if a.options.RateLimitHeaders && ans.status != http.StatusUnauthorized {
		a.limits.setHeaders(ans.header, now)
	}
	return ans
}

// bodyLimit is the maximum number of bytes read from a request's body.
const bodyLimit = 1 << 20

// query is a parsed request.
type query struct {
	action, batchID, status string
	limit, offset           int
	listCalls               bool       // the request is to list-calls
	calls                   callFilter // for list-calls
	badPaging               bool       // limit or offset is not an integer
	errorStatus             int        // status of the answer if the request is refused; 0: it is not
	errorText               string     // text of the answer if the request is refused
}

// parseQuery parses a request. It handles missing members and those of the wrong type as the service does.
func parseQuery(method string, body []byte) query {
	q := query{limit: 50}
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

func (q query) refuse(status int, text string) query {
	q.errorStatus, q.errorText = status, text
	return q
}

// integer sets *place to a JSON integer in any notation. If there is none, it keeps the default.
func (q *query) integer(raw json.RawMessage, place *int) {
	if raw == nil {
		return
	}
	var n *float64
	if json.Unmarshal(raw, &n) != nil || n == nil || *n != math.Trunc(*n) || *n < 0 || *n > math.MaxInt32 {
		q.badPaging = true
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

// authorized reports whether the request has a bearer key that the account accepts.
func (a *Account) authorized(h http.Header) bool {
	key, bearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	key = strings.TrimSpace(key)
	return bearer && key != "" && (a.options.Key == "" || key == a.options.Key)
}

// limits are the two sliding windows of the service. A negative number means no limit. Refused requests do not count.
type limits struct {
	minute, hour int
	answered     []time.Time // within the last hour, oldest first
}

// take counts one request, or returns how long to wait until another is allowed.
func (l *limits) take(now time.Time) (wait time.Duration) {
	l.forget(now)
	wait = max(l.wait(l.minute, time.Minute, now), l.wait(l.hour, time.Hour, now))
	if wait <= 0 && (l.minute >= 0 || l.hour >= 0) {
		l.answered = append(l.answered, now)
	}
	return wait
}

func (l *limits) forget(now time.Time) {
	horizon := time.Hour
	if l.hour < 0 {
		horizon = time.Minute
	}
	for len(l.answered) > 0 && now.Sub(l.answered[0]) >= horizon {
		l.answered = l.answered[1:]
	}
}

func (l *limits) wait(limit int, window time.Duration, now time.Time) time.Duration {
	if limit < 0 || len(l.answered) < limit {
		return 0
	}
	return window - now.Sub(l.answered[len(l.answered)-limit])
}

// setHeaders sets the X-RateLimit headers for the hourly limit.
func (l *limits) setHeaders(h http.Header, now time.Time) {
	if l.hour < 0 {
		return
	}
	reset := now.Add(time.Hour)
	if len(l.answered) > 0 {
		reset = l.answered[0].Add(time.Hour)
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(l.hour))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, l.hour-len(l.answered))))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}

// tooManyRequests returns the answer to a request that exceeds a limit.
func tooManyRequests(wait time.Duration) answer {
	h := make(http.Header)
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return answer{
		status: http.StatusTooManyRequests,
		header: h,
		body:   []byte(`{"error":{"code":"rate_limit_exceeded","message":"Too many requests, try again later"}}`),
	}
}

// Client returns an HTTP client that reaches the account in process, whatever the URL. It opens no socket and starts
// no goroutine, honours the request's context until the body is read, and works in a testing/synctest bubble.
func (a *Account) Client() *http.Client { return &http.Client{Transport: transport{a}} }

type transport struct{ account *Account }

// RoundTrip answers the request in the caller's goroutine.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ans, err := t.account.answer(r)
	if err != nil {
		return nil, err
	}
	body := &body{ctx: ctx, rest: bytes.NewReader(ans.body), end: io.EOF}
	if ans.cut > 0 {
		body.rest, body.end = bytes.NewReader(ans.body[:ans.cut]), io.ErrUnexpectedEOF
	}
	return &http.Response{
		Status:        strconv.Itoa(ans.status) + " " + http.StatusText(ans.status),
		StatusCode:    ans.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        ans.header,
		Body:          body,
		ContentLength: int64(len(ans.body)),
		Request:       r,
	}, nil
}

// body is the body of an answer. Reading fails once the request's context has ended. After the content, it returns end.
type body struct {
	ctx  context.Context
	rest *bytes.Reader
	end  error
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.rest.Read(p)
	if err == io.EOF {
		err = b.end
	}
	return n, err
}

// Close discards the rest, so that a later read fails as it would over a network connection.
func (b *body) Close() error {
	b.rest.Reset(nil)
	b.end = http.ErrBodyReadAfterClose
	return nil
}
