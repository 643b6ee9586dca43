package collector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

// TestWhateverTheAPISaysNoSecretOfItLeavesTheExporter collects all output
// of the exporter while a server puts secrets everywhere in its answers.
func TestWhateverTheAPISaysNoSecretOfItLeavesTheExporter(t *testing.T) {
	const servers, scrapes = 12, 12
	secrets, failed := 0, 0
	for seed := range uint64(servers) {
		server := &faultyServer{Rand: rand.New(rand.NewPCG(seed, 1))}
		named := seed%2 == 0
		var n *network
		inWorld(t, func(*simulator.Account) {}, func(w *world) {
			var output strings.Builder
			for range scrapes {
				time.Sleep(15 * time.Second)
				w.readAll(&output, named)
			}
			_, _ = output.WriteString(w.logged.String())
			if !named {
				_, _ = output.Write(w.readState())
			}
			for _, secret := range []string{secretMark, "mgp_test"} { // that is the key
				if at := strings.Index(output.String(), secret); at >= 0 {
					t.Errorf("the output has %q", output.String()[max(0, at-100):min(output.Len(), at+100)])
				}
			}
			secrets, failed = secrets+server.secrets, failed+strings.Count(w.logged.String(), "request failed")
			w.collector.Close()
			n.close(w)
		}, withoutLimits, withTransport(func(*simulator.Account) http.RoundTripper {
			n = newNetwork(server)
			return n
		}), withConfig(func(c *collector.Config) {
			c.MinRefresh, c.MaxStaleness, c.BatchNames = 0, time.Minute, named
		}), withState(t))
	}
	if t.Logf("%d secrets were sent, %d requests failed", secrets, failed); secrets < 100*servers || failed < servers {
		t.Error("too few to prove anything")
	}
}

// readAll appends all output of the exporter, except for the names of batches in
// the one label that may have them.
func (w *world) readAll(output *strings.Builder, named bool) {
	w.Helper()
	for _, path := range []string{"/metrics", "/", "/-/ready", "/-/healthy", "/nowhere"} {
		_, body := w.get(path)
		w.appendWithoutNames(output, body, named)
	}
	_, openMetrics := w.get("/metrics", "application/openmetrics-text")
	w.appendWithoutNames(output, openMetrics, named)
	if !named {
		_, protobuf := w.get("/metrics", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
		_, _ = output.WriteString(protobuf)
	}
	if err := w.collector.ListFailure(); err != nil {
		_, _ = output.WriteString(err.Error())
	}
}

// nameElement is the element of the landing page that holds a name.
var nameElement = regexp.MustCompile(`<bdi class="name">[^<]*</bdi>`)

// appendWithoutNames appends a page without the one label and the one element that
// may hold a name, which must not be too long.
func (w *world) appendWithoutNames(output *strings.Builder, body string, named bool) {
	w.Helper()
	if named {
		body = nameElement.ReplaceAllLiteralString(body, "")
	}
	for line := range strings.Lines(body) {
		before, rest, _ := strings.Cut(line, `name="`)
		if name, after, ok := strings.Cut(rest, `",parent_batch_id=`); ok && named && strings.HasPrefix(line, "magpipe_batch_info{") {
			if n := len([]rune(name)); n > 256 {
				w.Errorf("a name of %d characters", n)
			}
			line = before + after
		}
		_, _ = output.WriteString(line)
	}
}

// secretMark is in every secret.
const secretMark = "zqxj"

// faultyServer is an API that puts secrets wherever a text can be, and often
// fails. Ids, states and times mostly make sense, so that answers are used.
type faultyServer struct {
	*rand.Rand
	mu      sync.Mutex
	secrets int // that were made
}

// ServeHTTP answers, or fails.
func (s *faultyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Action string
		ID     string `json:"batch_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked) // the exporter's own request
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, header := range []string{"X-Request-Id", "Server", "X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After", "Location", "Content-Type"} {
		w.Header().Set(header, strings.Map(printable, s.secret()))
	}
	raw, err := json.Marshal(s.answer(actionOf(r, asked.Action), asked.ID))
	if err != nil {
		panic(err)
	}
	switch s.IntN(10) {
	case 0: // not HTTP, or only at first
		breakAfter(s.pick("", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\nContent-Length: ", "HTTP/1.1 200 OK\r\n")+s.secret()+"\r\n\r\n")(w, r)
	case 1:
		_, _ = w.Write(raw[:s.IntN(len(raw))])
	case 2, 3:
		w.WriteHeader([]int{302, 400, 401, 403, 404, 418, 500, 502, 503}[s.IntN(9)])
		_ = json.NewEncoder(w).Encode(s.errorBody()) // fails if the client has left
	case 4:
		w.WriteHeader(s.IntN(400) + 200)
		_, _ = io.WriteString(w, "<html>"+s.secret())
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

// answer is a good answer to an action about a batch.
func (s *faultyServer) answer(action, id string) any {
	switch action {
	case "list":
		recurring := s.batch("recurring")
		recurring["status"], recurring["recurrence_type"] = "recurring", "daily"
		return map[string]any{"batches": []any{s.batch("b0"), s.batch("b1"), recurring}, s.secret(): s.secret()}
	case "list_runs":
		return map[string]any{"runs": []any{s.batch("run")}, "error": s.secret()}
	case "list_calls":
		return map[string]any{"calls": []any{s.call(), s.call(), s.call()}, "total": s.orSecret(3), "has_more": s.secret()}
	}
	return map[string]any{"batch": s.batch(id), "recipients": []any{s.recipient(), s.recipient()}, "runs": s.secret()}
}

// errorBody is an error in a shape of the API's, or of a gateway's.
func (s *faultyServer) errorBody() any {
	details := map[string]any{"code": s.secret(), "message": s.secret(), "details": s.secret()}
	return []any{
		map[string]any{"error": s.secret()}, map[string]any{"error": details}, map[string]any{"data": nil, "error": details}, details, s.secret(),
	}[s.IntN(5)]
}

const halfPastMidnight = "2000-01-01T00:30:00Z"

func (s *faultyServer) batch(id string) map[string]any {
	row := map[string]any{
		"id": id, "name": s.mark() + strings.Repeat("é", s.IntN(600)), // some are longer than a label may be
		"status":          s.orSecret(s.pick("running", "paused", "scheduled", "completed", "draft")),
		"recurrence_type": "none",
		s.secret():        s.secret(),
	}
	for _, key := range []string{"user_id", "caller_id", "goal", "agent_id", "error", "phone_number", "contact", "last_error", "telegram"} {
		row[key] = s.secret()
	}
	for _, key := range []string{
		"total_recipients", "completed_count", "failed_count", "max_concurrency", "reserved_concurrency", "recurrence_run_count",
		"recurrence_max_runs",
	} {
		row[key] = s.orSecret(s.IntN(5))
	}
	for _, key := range []string{"created_at", "scheduled_at", "started_at", "updated_at", "completed_at"} {
		row[key] = s.orSecret(halfPastMidnight)
	}
	row["window_start_time"], row["window_end_time"] = s.orSecret("09:00"), s.orSecret("17:00")
	row["window_days"] = s.orSecret([]any{1, 2, s.secret()})
	return row
}

func (s *faultyServer) recipient() map[string]any {
	return map[string]any{
		"id": s.secret(), "name": s.secret(), "phone_number": s.secret(), "error": s.secret(), "call_record_id": s.orSecret(s.pick("call-0", "call-1")),
		"status":       s.orSecret(s.pick("pending", "calling", "completed", "busy")),
		"attempted_at": s.orSecret(halfPastMidnight), "completed_at": s.orSecret(halfPastMidnight),
		s.secret(): s.secret(),
	}
}

// call makes a call record. One in two is that of a recipient.
func (s *faultyServer) call() map[string]any {
	call := map[string]any{
		"id": s.orSecret(s.pick("call-0", "call-1")), "duration": s.orSecret(s.IntN(90)), "created_at": s.orSecret(halfPastMidnight), s.secret(): s.secret(),
	}
	for _, key := range []string{"agent_id", "agent_name", "from_number", "to_number", "direction", "status", "sentiment", "call_summary", "started_at", "ended_at"} {
		call[key] = s.secret()
	}
	return call
}

// orSecret returns a value or, one time in four, a secret in its place.
func (s *faultyServer) orSecret(value any) any {
	if s.IntN(4) > 0 {
		return value
	}
	switch secret := s.secret(); s.IntN(4) {
	case 0:
		return []string{secret}
	case 1:
		return map[string]string{secret: secret}
	default:
		return secret
	}
}

func (s *faultyServer) pick(texts ...string) string { return texts[s.IntN(len(texts))] }

// secret makes a number, a name, a key or the text of an error.
func (s *faultyServer) secret() string {
	s.secrets++
	return fmt.Sprintf([]string{
		"+1%s", "Jane %s Doe", "mgp_%s", `duplicate key value violates unique constraint "%s"`, "%s@example.com",
		"https://user:%s@example.com/", "line\n%s", `"} %s 1`, "é%s\x00",
	}[s.IntN(9)], s.mark())
}

// mark returns a text that identifies a secret.
func (s *faultyServer) mark() string { return fmt.Sprintf("%s%016x", secretMark, s.Uint64()) }

func TestLogsNameNoOneAndRepeatNoAnswer(t *testing.T) {
	const secret = "+14155550123 Jane Doe"
	inWorld(t, func(a *simulator.Account) {
		a.Add(simulator.Campaign{ID: "a", Name: secret, Recipients: 1})
		a.Inject(simulator.Fault{Action: "get", Status: 500, Body: `{"error":{"code":"` + secret + `","message":"` + secret + `"}}`})
	}, func(w *world) {
		w.scrape()
		if got := w.logged.String(); !strings.Contains(got, "server_error") || strings.Contains(got, "Jane") || strings.Contains(got, "mgp_test") {
			t.Errorf("logged: %s", got)
		}
	})
}

func TestNamesCanBeLeftOut(t *testing.T) {
	inWorld(t, func(a *simulator.Account) { reminders(a, "a") }, func(w *world) {
		if page := w.scrape(); strings.Contains(page, "Appointment") {
			t.Error("the page has the name")
		}
	}, withConfig(func(c *collector.Config) { c.BatchNames = false }))
}
