package collector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// network connects an exporter to an API in memory, where net/http runs on the
// fake clock. It keeps a log of the requests, and can make some of them fail.
type network struct {
	api      http.Handler
	listener *memoryListener
	client   *http.Transport
	server   *http.Server

	mu         sync.Mutex
	fault      *fault // nil: none
	action, id string // which requests fail; id "": those for any batch
	log        []*sentRequest
}

// sentRequest is a request that the exporter sent.
type sentRequest struct {
	action, id string
	at         time.Time
	took       time.Duration // to the end of the body; negative: not ended
	failed     bool
	read       int // bytes of the body
}

// mostRequests is many more than any test needs.
const mostRequests = 1000

// failHeader marks a request that is to fail, on its way to the server, and
// holds its action.
const failHeader = "X-Fail"

func newNetwork(api http.Handler) *network {
	listener := &memoryListener{dialled: make(chan net.Conn), closed: make(chan struct{})}
	n := &network{
		api: api, listener: listener,
		client: &http.Transport{
			DialTLSContext: listener.DialContext, MaxIdleConns: 8, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: 5 * time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
	}
	n.server = &http.Server{Handler: n, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour}
	go func() { _ = n.server.Serve(listener) }() // until it is closed
	return n
}

// close closes the network once the exporter has stopped. It fails if the exporter
// has left a connection open. The synctest bubble fails if a goroutine is left.
func (n *network) close(tb testing.TB) {
	tb.Helper()
	synctest.Wait()
	if open := n.listener.count(0); open != 0 {
		tb.Errorf("%d connections are open after the end", open)
	}
	if err := n.server.Close(); err != nil {
		tb.Error(err)
	}
}

// fail makes requests fail from now on.
func (n *network) fail(with *fault, action, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault, n.action, n.id = with, action, id
}

// mend ends the failures.
func (n *network) mend() { n.fail(nil, "", "") }

// requests returns the requests sent so far, in their current state.
func (n *network) requests() []sentRequest {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]sentRequest, 0, len(n.log))
	for _, s := range n.log {
		all = append(all, *s)
	}
	return all
}

// RoundTrip sends a request of the exporter.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	r, sent, fault, err := n.record(r)
	if err != nil {
		return nil, err
	}
	if sent.failed && fault.err != nil {
		n.ended(sent, 0)
		return nil, fault.err
	}
	if sent.failed {
		r = r.Clone(r.Context())
		r.Header.Set(failHeader, sent.action)
	}
	response, err := n.client.RoundTrip(r)
	if err != nil {
		n.ended(sent, 0)
		return nil, err
	}
	response.Body = &countedBody{ReadCloser: response.Body, closed: func(read int) { n.ended(sent, read) }}
	return response, nil
}

// record adds a request to the log, and returns it and its fault.
func (n *network) record(r *http.Request) (*http.Request, *sentRequest, *fault, error) {
	var asked struct {
		Action   string
		BatchID  string `json:"batch_id"`
		ParentID string `json:"parent_batch_id"`
	}
	r, err := withBody(r, &asked)
	if err != nil {
		return nil, nil, nil, err
	}
	sent := &sentRequest{action: actionOf(r, asked.Action), id: asked.BatchID + asked.ParentID, at: time.Now(), took: -1}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.log = append(n.log, sent); len(n.log) > mostRequests {
		panic("too many requests")
	}
	sent.failed = n.fault != nil && sent.action == n.action && (n.id == "" || sent.id == n.id)
	return r, sent, n.fault, nil
}

// actionOf returns the action of a request, which the endpoint of call records does
// not ask for.
func actionOf(r *http.Request, asked string) string {
	if strings.HasSuffix(r.URL.Path, "/list-calls") {
		return "list_calls"
	}
	return asked
}

func (n *network) ended(s *sentRequest, read int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.took, s.read = time.Since(s.at), read
}

// CloseIdleConnections is called by the client, which finds it by its name.
func (n *network) CloseIdleConnections() { n.client.CloseIdleConnections() }

// ServeHTTP answers as the API does, or fails.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(failHeader) == "" {
		n.api.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has left
	n.mu.Lock()
	fault := n.fault
	n.mu.Unlock()
	if fault != nil {
		fault.answer(w, r)
	}
}

// countedBody reports how many bytes were read when it is closed.
type countedBody struct {
	io.ReadCloser
	read   int
	closed func(read int)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

func (b *countedBody) Close() error {
	b.closed(b.read)
	return b.ReadCloser.Close()
}

// memoryListener accepts the connections that its own DialContext makes.
type memoryListener struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
	mu      sync.Mutex
	open    int // connections that the client has not closed
}

// DialContext makes a connection to the listener, whatever the address.
func (l *memoryListener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.dialled <- server:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.count(1)
	return &clientConn{Conn: client, listener: l}, nil
}

func (l *memoryListener) count(n int) (open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open += n
	return l.open
}

// Accept returns the next connection.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.dialled:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address that nobody needs.
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// clientConn is the client's end of a connection. If the server closes it, the
// client gets a reset, as when a socket's buffers are lost.
type clientConn struct {
	net.Conn
	listener *memoryListener
	once     sync.Once
}

func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

func (c *clientConn) Close() error {
	c.once.Do(func() { c.listener.count(-1) })
	return c.Conn.Close()
}

// withBody decodes the body of a request, and returns a request that still has it.
func withBody(r *http.Request, into any) (*http.Request, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(raw))
	return again, errors.Join(r.Body.Close(), json.Unmarshal(raw, into))
}
