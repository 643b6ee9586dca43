package collector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// liar is an API in whose answers everything but ids, states and times that have to make sense is a secret.
type liar struct {
	*rand.Rand
	mu      sync.Mutex
	secrets int // that were told
}

const mark = "zqxj" // begins what no output may hold

func (l *liar) told() string { return fmt.Sprintf("%s%016x", mark, l.Uint64()) }

// secret makes up a number, a name, a key or an error's text.
func (l *liar) secret() string {
	l.secrets++
	return fmt.Sprintf([]string{
		"+1%s", "Jane %s Doe", "mgp_%s", `duplicate key value violates unique constraint "%s"`, "%s@example.com",
		"https://user:%s@example.com/", "line\n%s", `"} %s 1`, "é%s\x00",
	}[l.IntN(9)], l.told())
}

// name of a batch: a secret, but for magpipe_batch_info.
func (l *liar) name() string {
	return l.told() + strings.Repeat("é", l.IntN(600)) // some are longer than a label may be
}

// either is a value or, one time in four, a secret in its place.
func (l *liar) either(value any) any {
	if l.IntN(4) > 0 {
		return value
	}
	switch secret := l.secret(); l.IntN(4) {
	case 0:
		return []string{secret}
	case 1:
		return map[string]string{secret: secret}
	default:
		return secret
	}
}

// pick is one of some texts.
func (l *liar) pick(texts ...string) string { return texts[l.IntN(len(texts))] }

const then = "2000-01-01T00:30:00Z"

func (l *liar) batch(id string) map[string]any {
	row := map[string]any{
		"id": id, "name": l.name(), "status": l.either(l.pick("running", "paused", "scheduled", "completed", "draft")), "recurrence_type": "none",
		l.secret(): l.secret(),
	}
	for _, key := range []string{"user_id", "caller_id", "goal", "agent_id", "error", "phone_number", "contact", "last_error", "telegram"} {
		row[key] = l.secret()
	}
	for _, key := range []string{
		"total_recipients", "completed_count", "failed_count", "max_concurrency", "reserved_concurrency", "recurrence_run_count",
		"recurrence_max_runs",
	} {
		row[key] = l.either(l.IntN(5))
	}
	for _, key := range []string{"created_at", "scheduled_at", "started_at", "updated_at", "completed_at"} {
		row[key] = l.either(then)
	}
	row["window_start_time"], row["window_end_time"] = l.either("09:00"), l.either("17:00")
	row["window_days"] = l.either([]any{1, 2, l.secret()})
	return row
}

func (l *liar) recipient() map[string]any {
	return map[string]any{
		"id": l.secret(), "name": l.secret(), "phone_number": l.secret(), "error": l.secret(), "call_record_id": l.secret(),
		"status": l.either(l.pick("pending", "calling", "completed", "busy")), "attempted_at": l.either(then), "completed_at": l.either(then),
		l.secret(): l.secret(),
	}
}

// truth is a whole answer to an action about a batch.
func (l *liar) truth(action, id string) any {
	switch action {
	case "list":
		series := l.batch("series")
		series["status"], series["recurrence_type"] = "recurring", "daily"
		return map[string]any{"batches": []any{l.batch("b0"), l.batch("b1"), series}, l.secret(): l.secret()}
	case "list_runs":
		return map[string]any{"runs": []any{l.batch("run")}, "error": l.secret()}
	}
	return map[string]any{"batch": l.batch(id), "recipients": []any{l.recipient(), l.recipient()}, "runs": l.secret()}
}

// complaint is an error in one of the shapes of the API's, or of a gateway.
func (l *liar) complaint() any {
	text := map[string]any{"code": l.secret(), "message": l.secret(), "details": l.secret()}
	return []any{
		map[string]any{"error": l.secret()}, map[string]any{"error": text}, map[string]any{"data": nil, "error": text}, text, l.secret(),
	}[l.IntN(5)]
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Action string
		ID     string `json:"batch_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked) // the exporter's own
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, header := range []string{"X-Request-Id", "Server", "X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After", "Location", "Content-Type"} {
		w.Header().Set(header, strings.Map(printable, l.secret()))
	}
	raw, err := json.Marshal(l.truth(asked.Action, asked.ID))
	if err != nil {
		panic(err)
	}
	switch l.IntN(10) {
	case 0: // no HTTP at all, or only at first
		breakAfter(l.pick("", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\nContent-Length: ", "HTTP/1.1 200 OK\r\n")+l.secret()+"\r\n\r\n")(w, r)
	case 1:
		_, _ = w.Write(raw[:l.IntN(len(raw))])
	case 2, 3:
		w.WriteHeader([]int{302, 400, 401, 403, 404, 418, 500, 502, 503}[l.IntN(9)])
		_ = json.NewEncoder(w).Encode(l.complaint()) // a client that has left is its own business
	case 4:
		w.WriteHeader(l.IntN(400) + 200)
		_, _ = io.WriteString(w, "<html>"+l.secret())
	default:
		_, _ = w.Write(raw)
	}
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
