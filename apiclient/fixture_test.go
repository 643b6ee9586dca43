package apiclient_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

const key = "mgp_0123456789abcdef0123456789abcdef01234567"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unlimited makes an account that answers however often it is asked, in pages of at most pageCap rows.
func unlimited(pageCap int) *simulator.Account {
	return simulator.New(simulator.Options{Key: key, PerMinute: -1, PerHour: -1, PageCap: pageCap})
}

// saying makes an account that gives one answer to every question.
func saying(body string) *simulator.Account {
	a := unlimited(0)
	a.Inject(simulator.Fault{Status: 200, Body: body})
	return a
}

// inside reaches an account without a socket.
func inside(a *simulator.Account) http.RoundTripper { return a.Client().Transport }

// connect makes a client, with working defaults for settings that are not given.
func connect(t *testing.T, cfg apiclient.Config) *apiclient.Client {
	t.Helper()
	if cfg.URL == nil {
		u, err := apiclient.ParseURL("https://api.example.com/functions/v1/batch-calls", false)
		if err != nil {
			t.Fatal(err)
		}
		cfg.URL = u
	}
	if cfg.Key == nil {
		k, err := apiclient.KeySource{Value: key}.Open()
		if err != nil {
			t.Fatal(err)
		}
		cfg.Key = k
	}
	if cfg.Budget == nil {
		cfg.Budget = generous()
	}
	c := apiclient.New(cfg)
	t.Cleanup(c.Close)
	return c
}

// of makes a client of an account with the default settings.
func of(t *testing.T, a *simulator.Account) *apiclient.Client {
	t.Helper()
	return connect(t, apiclient.Config{Transport: inside(a)})
}

func generous() *apiclient.Budget {
	return apiclient.NewBudget(apiclient.Limits{PerMinute: 1_000_000, PerHour: 1_000_000})
}

// paid takes a permit for one request.
func paid(t *testing.T, c *apiclient.Client) *apiclient.Permit {
	t.Helper()
	p, err := c.Take()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// next reads one more page of a walk.
func next(t *testing.T, c *apiclient.Client, w *apiclient.Walk) ([]apiclient.Batch, error) {
	t.Helper()
	return paid(t, c).Next(t.Context(), w)
}

// read gets one batch and its recipients.
func read(t *testing.T, c *apiclient.Client, id string) (apiclient.Batch, []apiclient.Recipient, error) {
	t.Helper()
	var rs []apiclient.Recipient
	b, err := paid(t, c).Get(t.Context(), id, func(r apiclient.Recipient) { rs = append(rs, r) })
	return b, rs, err
}

// list reads the first page of a listing.
func list(t *testing.T, c *apiclient.Client) ([]apiclient.Batch, error) {
	t.Helper()
	return next(t, c, c.Batches().Walk())
}

// tap shows each request on its way.
type tap struct {
	http.RoundTripper
	see func(*http.Request)
}

func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	t.see(r)
	return t.RoundTripper.RoundTrip(r)
}

// stream answers with a body that is made while it is read, which an account in memory can't.
type stream struct {
	status int // 0: 200
	header http.Header
	body   func() io.Reader
}

func (s stream) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: cmp.Or(s.status, http.StatusOK), Header: s.header.Clone(),
		Body: underway{r.Context(), s.body()}, ContentLength: -1, Request: r,
	}, nil
}

// underway is a body that ends with its request's context, as it does over a socket.
type underway struct {
	ctx context.Context
	io.Reader
}

func (u underway) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

func (u underway) Close() error { return nil }

// exactly answers with one body, which may also be empty.
func exactly(body string) stream {
	return stream{body: func() io.Reader { return strings.NewReader(body) }}
}

// asIs compares batches by their exported fields.
var asIs = cmpopts.IgnoreFields(apiclient.Batch{}, "Carried", "Misread")
