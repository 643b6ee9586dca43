package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"

	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
	"magpipe_exporter/internal/web"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

// style is the part of the landing page that the golden pages leave out.
var style = regexp.MustCompile(`(?s)<style>(.*)</style>`)

// landing returns the landing page without its style.
func landing(t *testing.T, s *web.Server) string {
	t.Helper()
	answer, _ := get(t, s, "/", nil)
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("answered %d as %s", answer.Code, answer.Header().Get("Content-Type"))
	}
	return style.ReplaceAllLiteralString(answer.Body.String(), "")
}

// everything has the exporter read names and call records.
func everything(c *collector.Config) { c.BatchNames, c.CallRecords = true, true }

func named(c *collector.Config) { c.BatchNames = true }

// scenario is a server and its account in the course of a test.
type scenario struct {
	*testing.T
	server  *web.Server
	account *simulator.Account
}

func (s scenario) refresh() { s.server.Collector.Refresh(s.Context()) }

// refreshFor refreshes each 15 s for a while.
func (s scenario) refreshFor(d time.Duration) {
	for ; d > 0; d -= 15 * time.Second {
		time.Sleep(15 * time.Second)
		s.refresh()
	}
}

// calls adds a running batch whose recipients have been called, each with the
// given outcome, two minutes after the other. The first outcome is the oldest.
func calls(a *simulator.Account, id, name string, outcomes ...simulator.Recipient) {
	began := time.Now().Add(-time.Duration(2*len(outcomes)) * time.Minute)
	a.Add(simulator.Campaign{ID: id, Name: name, Recipients: len(outcomes), CreatedAt: began})
	for i, r := range outcomes {
		r.ID = fmt.Sprintf("%s-%d", id, i)
		if r.Status != "" {
			r.AttemptedAt = began.Add(time.Duration(2*i) * time.Minute)
		}
		switch r.Status {
		case "", "calling":
		default:
			r.CompletedAt = r.AttemptedAt.Add(time.Minute)
		}
		a.SetRecipient(id, i, r)
	}
}

var (
	pending  = simulator.Recipient{}
	calling  = simulator.Recipient{Status: "calling"}
	failed   = simulator.Recipient{Status: "failed"}
	busy     = simulator.Recipient{Status: "busy"}
	silent   = simulator.Recipient{Status: "completed"}
	answered = simulator.Recipient{Status: "completed", Talk: 40 * time.Second}
)

// times repeats a recipient.
func times(n int, r simulator.Recipient) []simulator.Recipient {
	rs := make([]simulator.Recipient, n)
	for i := range rs {
		rs[i] = r
	}
	return rs
}

// healthy has campaigns of every kind, and no trouble.
func healthy(a *simulator.Account) {
	calls(a, "reminders", "Appointment reminders", answered, silent, answered, busy, failed, calling, pending, pending)
	a.Add(simulator.Campaign{ID: "night", Name: "Night shift", Recipients: 300, WindowStart: "22:00", WindowEnd: "23:30", WindowDays: []int{1, 5}})
	a.Add(simulator.Campaign{ID: "day", Name: "Day shift", Recipients: 2, WindowStart: "00:05", WindowEnd: "18:00"})
	calls(a, "thanks", "Donor thank-you", answered, pending)
	a.Pause("thanks")
	a.Add(simulator.Campaign{ID: "survey", Name: "Survey", Status: "scheduled", Recipients: 90, ScheduledAt: time.Now().Add(6 * time.Hour)})
	a.Add(simulator.Campaign{ID: "draft", Status: "draft"})
	a.Add(simulator.Campaign{ID: "daily", Name: "Medication check", Recipients: 2, Recurrence: "daily", MaxRuns: 12})
	a.Add(simulator.Campaign{ID: "weekly", Name: "Digest", Status: "paused", Recipients: 3, Recurrence: "weekly"})
	run := a.Spawn("daily")
	a.Start(run)
	calls(a, "ends", "Flu vaccination", answered, failed)
	a.Add(simulator.Campaign{ID: "before", Name: "Harvest fair", Status: "cancelled", Recipients: 40, UpdatedAt: time.Now().Add(-10 * time.Minute)})
}

// troubled has a campaign for each thing that may need attention.
func troubled(a *simulator.Account) {
	now := time.Now()
	a.Add(simulator.Campaign{ID: "never", Recipients: 2, WindowStart: "22:00", WindowEnd: "06:00"})
	calls(a, "stuck", "", append(times(20, answered), calling, pending)...)
	calls(a, "stalled", "", append(times(3, answered), pending)...)
	a.Set("stalled", "updated_at", now.Add(-time.Hour))
	calls(a, "fails", "", append(times(9, failed), times(11, answered)...)...)
	calls(a, "silent", "", times(20, silent)...)
	calls(a, "few", "", append(times(3, answered), times(17, busy)...)...)
	a.Add(simulator.Campaign{ID: "overdue", Status: "scheduled", Recipients: 1, ScheduledAt: now.Add(-11 * time.Minute)})
	a.Add(simulator.Campaign{ID: "given-up", Status: "failed", Recipients: 1, UpdatedAt: now.Add(-time.Minute)})
	calls(a, "unread", "", answered, pending)
	a.Inject(simulator.Fault{Action: "get", BatchID: "unread", Status: 500})
}

func TestGoldenLandingPages(t *testing.T) {
	for name, given := range map[string]struct {
		options simulator.Options
		arrange func(*simulator.Account)
		act     func(scenario) // nil: one refresh
		config  func(*collector.Config)
	}{
		"healthy": {arrange: healthy, config: everything, act: func(s scenario) {
			s.refresh()
			s.account.Complete("ends")
			s.refreshFor(4 * time.Minute)
		}},
		"names_off":           {arrange: healthy, config: func(c *collector.Config) { c.CallRecords = true }},
		"call_records_off":    {arrange: healthy, config: named},
		"empty_account":       {arrange: func(*simulator.Account) {}, config: everything},
		"before_a_first_read": {arrange: healthy, config: everything, act: func(scenario) {}},
		"key_rejected":        {arrange: func(a *simulator.Account) { a.Inject(simulator.Fault{Status: 401}) }, config: everything},
		"list_fails": {arrange: healthy, config: everything, act: func(s scenario) {
			s.refresh()
			s.account.Inject(simulator.Fault{Action: "list", Status: 502})
			s.refreshFor(time.Minute)
		}},
		"list_fails_for_long": {arrange: healthy, config: everything, act: func(s scenario) {
			s.refresh()
			s.account.Inject(simulator.Fault{Action: "list", Status: 502})
			s.refreshFor(6 * time.Minute)
		}},
		"budget_short": {arrange: healthy, config: func(c *collector.Config) {
			everything(c)
			c.API.Budget, c.MaxBatches = budget(2, 3), 4
		}},
		"troubled": {arrange: troubled, config: everything, act: func(s scenario) {
			s.refresh()
			s.refreshFor(32 * time.Minute)
		}},
		"account_troubled": {
			options: simulator.Options{PageCap: 2},
			arrange: func(a *simulator.Account) {
				for i := range 4 { // created at the same moment, so that pages cannot be told apart
					a.Add(simulator.Campaign{ID: fmt.Sprint("twin-", i), Status: "scheduled", ScheduledAt: time.Now().Add(time.Hour)})
				}
				calls(a, "reminders", "", answered, pending)
				a.Inject(simulator.Fault{Header: http.Header{
					"Date":              {time.Now().Add(30 * time.Minute).Format(http.TimeFormat)},
					"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"300"}, "X-Ratelimit-Reset": {strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)},
				}})
				a.Inject(simulator.Fault{Action: "list_calls", Status: 404})
			},
			config: everything,
			act: func(s scenario) {
				s.refresh()
				s.refreshFor(30 * time.Second)
				time.Sleep(12 * time.Minute)
			},
		},
		"hostile": {arrange: func(a *simulator.Account) {
			for _, name := range []string{
				`<script>alert(1)</script>`, `</bdi></th><img src=x onerror=alert(1)>`, `"onmouseover="alert(1)`, "&lt;b&gt; & {{.Style}}",
				"line\nbreak\ttab \x00\x1b[31m", "\u202eright to left", strings.Repeat("ä", 300), strings.Repeat("<", 300), " ", "",
			} {
				a.Add(simulator.Campaign{ID: fmt.Sprintf("%.99s", "id of "+name), Name: name, Recipients: 1})
			}
		}, config: everything},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulator.New(given.options)
				given.arrange(account)
				s := scenario{t, server(t, account, given.config), account}
				if given.act == nil {
					s.refresh()
				} else {
					given.act(s)
				}
				requests := len(account.Requests())
				golden(t, name, landing(t, s.server))
				if n := len(account.Requests()) - requests; n != 0 {
					t.Errorf("the page spent %d requests", n)
				}
			})
		})
	}
}

func golden(t *testing.T, name, page string) {
	t.Helper()
	path := filepath.Join("testdata", "landing", name+".html")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), page); diff != "" {
		t.Errorf("the page is not %s (-want +got):\n%s", path, diff)
	}
}

func TestTheLandingPageSpendsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		healthy(account)
		s := server(t, account, everything)
		for range 3 {
			requests := len(account.Requests())
			for range 50 {
				landing(t, s)
				time.Sleep(time.Minute) // everything is due
			}
			if n := len(account.Requests()) - requests; n != 0 {
				t.Errorf("%d requests", n)
			}
			s.Collector.Refresh(t.Context())
		}
	})
}

func TestTheLandingPageWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		account.Inject(simulator.Fault{Hang: true})
		s := server(t, account)
		s.Collector.Begin()
		if _, waited := get(t, s, "/", nil); waited != 0 {
			t.Errorf("it waited %v", waited)
		}
	})
}

// Names and ids are as long as they can be, and each of their characters has to be escaped.
func TestTheLandingPageIsSmallHoweverManyCampaignsThereAre(t *testing.T) {
	const most = 300_000
	for name, long := range map[string]string{"plain": "Appointment reminders of spring ", "hostile": strings.Repeat(`"`, 300)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulator.New(simulator.Options{PerMinute: -1, PerHour: -1})
				for i := range 600 {
					status := []string{"running", "running", "running", "paused", "scheduled", "recurring"}[i%6]
					c := simulator.Campaign{
						ID: fmt.Sprintf("%08d-%.90s", i, long), Name: long, Status: status, Recipients: 100,
						CreatedAt: time.Now().Add(-time.Duration(i) * time.Minute), WindowStart: "22:00", WindowEnd: "06:00", MaxConcurrency: 2,
					}
					if status == "recurring" {
						c.Recurrence = "daily"
					}
					account.Add(c)
				}
				s := server(t, account, everything, func(c *collector.Config) { c.API.Budget = budget(1_000_000, 10_000_000) })
				s.Collector.Refresh(t.Context())
				answer, _ := get(t, s, "/", nil)
				t.Logf("%d bytes", answer.Body.Len())
				if answer.Body.Len() > most {
					t.Errorf("the page has %d bytes, want %d at most", answer.Body.Len(), most)
				}
				for _, part := range []string{
					"Running (300)", "Paused (100)", "Recurring (100)", "And 150 more.", "And 70 more.", "And 370 more.",
					"Not in these tables: 100, because",
				} {
					if !strings.Contains(answer.Body.String(), part) {
						t.Errorf("the page does not say %q", part)
					}
				}
			})
		})
	}
}

func TestBrowsersApplyTheStyleOfTheLandingPageAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		troubled(account)
		s := server(t, account, everything)
		s.Collector.Refresh(t.Context())
		answer, _ := get(t, s, "/", nil)
		page := answer.Body.String()
		inside := style.FindStringSubmatch(page)
		if inside == nil {
			t.Fatal("the page has no style")
		}
		hash := sha256.Sum256([]byte(inside[1]))
		source := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "';"
		if policy := answer.Header().Get("Content-Security-Policy"); !strings.Contains(policy, source) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy is %s, want %s", policy, source)
		}
		if forbidden := regexp.MustCompile(`(?i)<(script|link|img|form|base|iframe)|style=|\son\w+=|url\(|@import`).FindString(page); forbidden != "" {
			t.Errorf("the page has %q", forbidden)
		}
	})
}

func TestTheLandingPageAndTheAlertsHaveTheSameThresholds(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "dashboards", "rules", "magpipe-thresholds.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Record, Expr string }
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	rules := map[string]float64{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			name := strings.TrimPrefix(rule.Record, "magpipe:threshold_")
			if _, shared := web.Thresholds[name]; shared {
				rules[name], err = strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(rule.Expr, "vector("), ")"), 64)
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
	if diff := cmp.Diff(rules, web.Thresholds); diff != "" {
		t.Errorf("thresholds (-alerts +landing page):\n%s", diff)
	}
}
