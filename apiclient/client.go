// Package apiclient reads campaigns and call records from the Magpipe API. It speaks
// HTTP and JSON, and logs nothing.
//
// Policy: every request is paid for with a Permit before it is sent, none
// follows a redirect, and no answer is held whole. A request is sent again only
// if it met a kept-alive connection that was dead or about to be closed, once, and
// paid for again. No type has a field for a phone number or a recipient's name, so
// none can leave the package.
package apiclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Action is an operation of the API, by its name in requests.
type Action string

// The actions that the client uses. None of them changes anything.
const (
	ActionList     Action = "list"
	ActionListRuns Action = "list_runs"
	ActionGet      Action = "get"
	// ActionListCalls reads call records. Its endpoint is another one and does not know the word.
	ActionListCalls Action = "list_calls"
)

// Actions lists every action.
func Actions() []Action { return []Action{ActionList, ActionListRuns, ActionGet, ActionListCalls} }

// Config is what New needs. URL, Key and Budget are required.
type Config struct {
	URL         *url.URL          // the endpoint of batch-calls, as ParseURL accepts it
	RecordsURL  *url.URL          // the endpoint of call records; nil: list-calls beside URL
	Key         *Key              // sent as a bearer token
	Budget      *Budget           // pays for every request
	Transport   http.RoundTripper // nil: the client's own pool of kept-alive connections
	Timeout     time.Duration     // of one request, including its body; 0: 20 s
	PageSize    int               // rows requested per page; 0: 500
	Concurrency int               // number of connections that the pool keeps; 0: 8
	Version     string            // version in the User-Agent
	Observe     func(Exchange)    // called after every request, from the goroutine that sent it; may be nil
}

// Exchange is one request that was sent, and how it ended. A retry is an
// Exchange of its own.
type Exchange struct {
	Action    Action
	Duration  time.Duration // until the end of the answer
	Err       error         // nil if the answer was complete and decoded
	Date      time.Time     // the answer's Date header, in whole seconds; zero without one
	DateAt    time.Time     // when that header arrived, by the local clock
	RateLimit RateLimit     // the answer's X-RateLimit headers; zero without them
}

// Client reads one account. It is safe for concurrent use.
type Client struct {
	cfg Config

	mu        sync.Mutex
	renewedAt time.Time // when the idle connections were closed for their age
}

// New returns a client. It does not send anything yet.
func New(cfg Config) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 20 * time.Second
	}
	if cfg.PageSize <= 0 {
		cfg.PageSize = 500
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 8
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport(cfg.Concurrency, defaultNetwork())
	}
	return &Client{cfg: cfg}
}

// Close closes the idle connections.
func (c *Client) Close() {
	if pool, ok := c.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		pool.CloseIdleConnections()
	}
}

// Permit is the right to send one request through the client that it was taken from.
type Permit struct {
	client *Client
	used   atomic.Bool
}

// Take pays for one request, or returns ErrBudgetSpent or ErrBackoff if none may
// be sent now. There is no refund for a request that fails.
func (c *Client) Take() (*Permit, error) {
	if err := c.cfg.Budget.take(); err != nil {
		return nil, err
	}
	return &Permit{client: c}, nil
}

// spend uses up a permit. It returns ErrPermitUsed if that has happened before,
// or ErrBackoff if a pause has begun since the permit was taken.
func (p *Permit) spend() error {
	if p == nil || p.client == nil || !p.used.CompareAndSwap(false, true) {
		return ErrPermitUsed
	}
	return p.client.cfg.Budget.paused(time.Now())
}

// Get reads one batch and calls each for every recipient, in the order of the
// answer and while it is still being read. If Get fails, the caller must discard
// the recipients that each has received. The API silently limits the number of
// recipients (to 1000 by default), so compare it with TotalRecipients.
//
// The error is a StatusError, a DecodeError, ErrTooLarge, ErrPermitUsed,
// ErrBackoff or a network error. An answer without recipients is a DecodeError
// unless its batch has 0: the API answers so if it failed to read them.
func (p *Permit) Get(ctx context.Context, id string, each func(Recipient)) (batch Batch, err error) {
	err = p.exchange(ctx, question{Action: ActionGet, BatchID: id}, func(doc *document) (err error) {
		batch, err = doc.get(id, each)
		return err
	})
	if err != nil {
		return Batch{}, err
	}
	return batch, nil
}

// CallPage is one page of call records, newest first.
type CallPage struct {
	Records []CallRecord
	Total   Count // records in the requested span of time; the page may hold fewer
}

// callsPerPage is the most that list-calls takes as its limit, according to its documentation.
const callsPerPage = 100

// Calls reads the newest records of the outbound calls that were created from
// one time to another, both inclusive, at most 100. If to is zero, the span has no
// end. The errors are those of Get.
func (p *Permit) Calls(ctx context.Context, from, to time.Time) (page CallPage, err error) {
	from = from.UTC()
	q := question{Action: ActionListCalls, Limit: callsPerPage, Direction: "outbound", From: &from}
	if !to.IsZero() {
		to = to.UTC()
		q.To = &to
	}
	err = p.exchange(ctx, q, func(doc *document) (err error) {
		page, err = doc.calls(q.Limit)
		return err
	})
	return page, err
}

// question is the body of one request. The API takes limit and offset as integers only.
type question struct {
	Action   Action `json:"action,omitempty"`
	Status   string `json:"status,omitempty"`
	BatchID  string `json:"batch_id,omitempty"`
	ParentID string `json:"parent_batch_id,omitempty"`
	Limit    int    `json:"limit,omitempty"`
	Offset   int    `json:"offset,omitempty"`

	// Of list-calls only.
	Direction string     `json:"direction,omitempty"`
	From      *time.Time `json:"from_date,omitempty"`
	To        *time.Time `json:"to_date,omitempty"`
}

// exchange asks one question and hands the answer to decode. If the connection
// was stale, it asks once more on a new one, provided that the budget pays for
// that. It does not ask again after an answer, or a part of one, except for a 408.
func (p *Permit) exchange(ctx context.Context, q question, decode func(*document) error) error {
	if err := p.spend(); err != nil {
		return err
	}
	c := p.client
	c.renew(time.Now())
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	stale, err := c.ask(ctx, q, decode)
	if !stale {
		return err
	}
	c.Close() // the other idle connections are at least as old
	if ctx.Err() != nil || c.cfg.Budget.take() != nil {
		return err
	}
	_, err = c.ask(ctx, q, decode)
	return err
}

// ask sends one request and reports to Observe how it ended.
func (c *Client) ask(ctx context.Context, q question, decode func(*document) error) (stale bool, err error) {
	done := Exchange{Action: q.Action}
	start := time.Now()
	stale, done.Err = c.send(ctx, q, decode, &done)
	done.Duration = time.Since(start)
	if c.cfg.Observe != nil {
		c.cfg.Observe(done)
	}
	return stale, done.Err
}

func (c *Client) send(ctx context.Context, q question, decode func(*document) error, done *Exchange) (stale bool, err error) {
	used := &connection{}
	req, err := c.request(used.traced(ctx), q)
	if err != nil {
		return false, err
	}
	// Unlike an http.Client, a transport does not follow redirects, so the key is sent nowhere else.
	resp, err := c.cfg.Transport.RoundTrip(req)
	if err != nil {
		return used.stale(), withoutContent(ctx, err)
	}
	defer resp.Body.Close()
	pause := c.note(resp, done)
	if resp.StatusCode != http.StatusOK {
		failed := readStatusError(resp, pause)
		failed.wrongURL = fromElsewhere(resp.StatusCode, q.Action)
		return used.timedOut(resp.StatusCode), failed
	}
	doc := newDocument(resp.Body)
	if err := decode(doc); err != nil {
		return false, doc.cause(err)
	}
	return false, doc.cause(doc.end())
}

func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	endpoint := c.cfg.URL
	if q.Action == ActionListCalls {
		endpoint, q.Action = cmp.Or(c.cfg.RecordsURL, RecordsURL(endpoint)), "" // its endpoint takes no action
	}
	raw, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.GetBody = nil // with it, net/http would retry on its own, outside the budget
	req.Header.Set("Authorization", "Bearer "+c.cfg.Key.Value())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "magpipe_exporter/"+c.cfg.Version)
	return req, nil
}

// note records the headers of an answer. A pause that they ask for begins at
// once, without waiting for the body.
func (c *Client) note(resp *http.Response, done *Exchange) (pause time.Duration) {
	now := time.Now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		done.Date, done.DateAt = date, now
	}
	done.RateLimit = parseRateLimit(resp.Header, now)
	c.cfg.Budget.observe(done.RateLimit)
	pause = pauseAsked(resp.StatusCode, resp.Header, now)
	c.cfg.Budget.pause(pause)
	return pause
}
