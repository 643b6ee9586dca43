package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the template and the style
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"magpipe_exporter/collector"
)

//go:embed landing.html
var landingHTML string

//go:embed landing.css
var landingCSS string

// styleSource is the source of the landing page's style in a Content-Security-Policy.
func styleSource() string {
	hash := sha256.Sum256([]byte(landingCSS))
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

// landingPage returns a handler that shows the account as the metrics do. It
// spends no API request.
func (s *Server) landingPage() (http.Handler, error) {
	page, err := template.New("landing").Parse(landingHTML)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		overview := s.Collector.Overview()
		var body bytes.Buffer
		if err := page.Execute(&body, s.viewOf(&overview)); err != nil {
			s.Logger.Error("The landing page cannot be rendered", "err", err)
			http.Error(w, "the landing page cannot be rendered", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store") // it changes, and may hold names
		_, _ = body.WriteTo(w)                      // fails only if the client has disconnected
	}), nil
}

// view is what the template shows.
type view struct {
	Program, Version string
	Style            template.CSS
	Metrics          string // path of the exposition
	Profiles         bool

	At          string
	Ready       string
	Notices     []notice
	MoreNotices int
	Calm        string // what is said if there is no notice
	Facts       []fact
	Sections    []section
	Empty       string // why there is no section
	Untracked   int
}

// notice is something that needs attention.
type notice struct {
	Batch *label // nil: the account
	Text  string
}

// fact is a line about the account.
type fact struct {
	Name, Value string
	At          *instant // when that was so; nil: now
	Detail      string
}

// instant is a time and how long ago it was.
type instant struct{ UTC, Age string }

// instantAt returns nil for the zero time.
func instantAt(t, now time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{UTC: utc(t), Age: ago(now.Sub(t))}
}

// mostNotices keeps the page small.
const mostNotices = 30

func (s *Server) viewOf(o *collector.Overview) *view {
	v := &view{
		Program: s.Name, Version: version.Version, Style: template.CSS(landingCSS), //nolint:gosec // the style is a constant
		Metrics: s.Path, Profiles: s.Profiles,
		At: utc(o.At), Ready: readiness(o), Calm: "Nothing.", Facts: factsOf(o), Untracked: o.Untracked,
	}
	for _, text := range accountNotices(o) {
		v.Notices = append(v.Notices, notice{Text: text})
	}
	attention := map[string]bool{}
	for i := range o.Batches {
		b := &o.Batches[i]
		for _, text := range batchNotices(o, b) {
			l := labelOf(b)
			v.Notices = append(v.Notices, notice{&l, text})
			attention[b.ID] = true
		}
	}
	if len(v.Notices) > mostNotices {
		v.Notices, v.MoreNotices = v.Notices[:mostNotices], len(v.Notices)-mostNotices
	}
	v.Sections = sectionsOf(o, attention)
	switch {
	case len(v.Sections) > 0:
	case !o.Ready:
		v.Empty, v.Calm = "Nothing is known about the account yet.", "That is not known yet."
	case o.List.Err != nil:
		v.Empty = "The batch list cannot be read, and its last data is too old to be shown."
	default:
		v.Empty = "No campaign is running or waiting, and none has ended recently."
	}
	return v
}

func readiness(o *collector.Overview) string {
	switch {
	case o.Ready && o.List.Err == nil:
		return "Ready: the batch list can be read."
	case o.Ready:
		return "Ready, but the batch list cannot be read at the moment."
	case o.List.Err != nil:
		return "Not ready: no read of the batch list has succeeded since the start."
	}
	return "Not ready: the batch list has not been read since the start."
}

func factsOf(o *collector.Overview) []fact {
	calls := fact{Name: "Calls seen", Value: fmt.Sprintf("%d started, %d ended", o.Calls.Started, o.Calls.Finished)}
	calls.Detail = fmt.Sprintf("of these, %d failed", o.Calls.Failed)
	if o.CallRecords != nil {
		calls.Detail = fmt.Sprintf("of these, %d answered and %d failed", o.Calls.Answered, o.Calls.Failed)
	}
	facts := []fact{calls, budgetFact(&o.Budget), sourceFact("Batch list", &o.List, o.At)}
	if o.CallRecords == nil {
		facts = append(facts, fact{Name: "Call records", Value: "not read", Detail: "switched off"})
	} else {
		facts = append(facts, sourceFact("Call records", o.CallRecords, o.At))
	}
	refreshed := fact{Name: "Last refresh", Value: "none yet"}
	if at := instantAt(o.RefreshedAt, o.At); at != nil {
		refreshed.Value, refreshed.At = "began", at
	}
	facts = append(facts, refreshed)
	var counts []string
	for _, c := range o.Counts {
		if c.Batches > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.Batches, c.State))
		}
	}
	if len(counts) > 0 {
		facts = append(facts, fact{Name: "Batches", Value: strings.Join(counts, ", "), Detail: "without runs of recurring ones"})
	}
	return facts
}

func budgetFact(b *collector.BudgetOverview) fact {
	f := fact{Name: "Requests left", Value: strconv.Itoa(b.Remaining), Detail: fmt.Sprintf("at most %d a minute and %d an hour", b.PerMinute, b.PerHour)}
	if b.APILimit > 0 {
		f.Detail += fmt.Sprintf("; the API reports %d of %d left", b.APIRemaining, b.APILimit)
	}
	if b.Deferred != nil {
		f.Detail += fmt.Sprintf("; some reads wait: %v", b.Deferred)
	}
	return f
}

func sourceFact(name string, source *collector.Source, now time.Time) fact {
	f := fact{Name: name, Value: "not read yet", Detail: "no error"}
	if at := instantAt(source.ReadAt, now); at != nil {
		f.Value, f.At = "read", at
	}
	if source.Err != nil {
		f.Detail = fmt.Sprintf("last error: %v", source.Err)
	}
	return f
}
