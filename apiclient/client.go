// Package apiclient reads campaigns from the Magpipe batch-calls API. It speaks
// HTTP and JSON, and logs nothing.
//
// Policy: every request is paid for with a Permit before it is sent, none
// follows a redirect, and no answer is held whole. A request is sent again only
// if it met a kept-alive connection that was dead, once, and paid for again. No
// type has a field for a phone number or a recipient's name, so none can leave
// the package.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Action is an operation of the API, as it is named on the wire.
type Action string

// The actions that the client uses. All of them only read.
const (
	ActionList     Action = "list"
	ActionListRuns Action = "list_runs"
	ActionGet      Action = "get"
)

// Actions lists every action, in the order in which they are documented.
func Actions() []Action { return []Action{ActionList, ActionListRuns, ActionGet} }

// Config is what New needs. URL, Key and Budget are required.
type Config struct {
	URL         *url.URL          // the endpoint, as ParseURL accepts it
	Key         *Key              // sent as a bearer token
	Budget      *Budget           // pays for every request
	Transport   http.RoundTripper // nil: a pool of kept-alive connections of its own
	Timeout     time.Duration     // of one request, body included; 0: 20 s
	PageSize    int               // rows asked for per page; 0: 500
	Concurrency int               // requests in flight that the connection pool is made for; 0: 8
	Version     string            // of the User-Agent
	Observe     func(Exchange)    // told of every request sent, from the goroutine that sent it; may be nil
}

// Exchange is one request that was sent, and how it ended. A request that is
// sent again makes two.
type Exchange struct {
	Action    Action
	Duration  time.Duration // to the whole answer
	Err       error         // nil if the answer was whole and decoded
	Date      time.Time     // the answer's Date header, whole seconds; zero without one
	DateAt    time.Time     // when that header came, by our clock
	RateLimit RateLimit     // the answer's X-RateLimit headers; zero without them
}

// Client reads one account. It is safe for concurrent use.
type Client struct {
	cfg  Config
	seed maphash.Seed // tells values apart without keeping them
}

// New makes a client that sends nothing yet.
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
	return &Client{cfg: cfg, seed: maphash.MakeSeed()}
}

// Close ends the idle connections.
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

// Take pays for one request. ErrBudgetSpent or ErrBackoff say why none may be
// sent now. A request that fails is paid for as well.
func (c *Client) Take() (*Permit, error) {
	if err := c.cfg.Budget.take(); err != nil {
		return nil, err
	}
	return &Permit{client: c}, nil
}

// spend uses a permit up. It fails with ErrPermitUsed, or with ErrBackoff if a
// pause has begun since the permit was taken.
func (p *Permit) spend() error {
	if p == nil || p.client == nil || !p.used.CompareAndSwap(false, true) {
		return ErrPermitUsed
	}
	return p.client.cfg.Budget.paused(time.Now())
}

// Get reads one batch and calls each for every recipient, in the order of the
// answer and while it is still being read: if Get fails, what each was told is
// void. The API cuts recipients off silently (at 1000 by default): compare their
// number with TotalRecipients.
//
// It fails with a StatusError, a DecodeError (also for an answer without
// recipients, unless it says that there are 0: that is how the API tells of a
// failed read), ErrTooLarge, ErrPermitUsed, ErrBackoff, or an error of the
// network.
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

// question is the body of one request. The API takes limit and offset as integers only.
type question struct {
	Action   Action `json:"action"`
	Status   string `json:"status,omitempty"`
	BatchID  string `json:"batch_id,omitempty"`
	ParentID string `json:"parent_batch_id,omitempty"`
	Limit    int    `json:"limit,omitempty"`
	Offset   int    `json:"offset,omitempty"`
}

// exchange asks one question and hands the answer to decode. If the connection
// was stale, it asks once more on a new one, provided that the budget pays for
// that; so it does not after an answer, or a part of one.
func (p *Permit) exchange(ctx context.Context, q question, decode func(*document) error) error {
	if err := p.spend(); err != nil {
		return err
	}
	c := p.client
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	stale, err := c.ask(ctx, q, decode)
	if !stale {
		return err
	}
	c.Close() // the other connections have been idle as long, or longer
	if ctx.Err() != nil || c.cfg.Budget.take() != nil {
		return err
	}
	_, err = c.ask(ctx, q, decode)
	return err
}

// ask sends one request and tells Observe how it ended.
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

func (c *Client) send(ctx context.Context, q question, decode func(*document) error, seen *Exchange) (stale bool, err error) {
	used := &connection{}
	req, err := c.request(used.traced(ctx), q)
	if err != nil {
		return false, err
	}
	// A transport follows no redirect, so that the key goes nowhere else.
	resp, err := c.cfg.Transport.RoundTrip(req)
	if err != nil {
		return used.stale(), withoutContent(ctx, err)
	}
	defer resp.Body.Close()
	pause := c.note(resp, seen)
	if resp.StatusCode != http.StatusOK {
		return false, readStatusError(resp, pause)
	}
	doc := newDocument(resp.Body, c.seed)
	if err := decode(doc); err != nil {
		return false, doc.cause(err)
	}
	return false, doc.cause(doc.end())
}

func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	raw, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL.String(), bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.GetBody = nil // or net/http would send it again by itself, and nobody would have paid
	req.Header.Set("Authorization", "Bearer "+c.cfg.Key.Value())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "magpipe_exporter/"+c.cfg.Version)
	return req, nil
}

// note keeps what the headers of an answer tell, and begins the pause that they
// ask for: the body may take its time.
func (c *Client) note(resp *http.Response, seen *Exchange) (pause time.Duration) {
	now := time.Now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		seen.Date, seen.DateAt = date, now
	}
	seen.RateLimit = parseRateLimit(resp.Header, now)
	c.cfg.Budget.observe(seen.RateLimit)
	pause = pauseAsked(resp.StatusCode, resp.Header, now)
	c.cfg.Budget.pause(pause)
	return pause
}
