package collector_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// wire is a network in memory, on which net/http runs by the fake clock: a dialler, and the listener it leads to.
type wire struct {
	calls chan net.Conn
	shut  chan struct{}
	once  sync.Once
	mu    sync.Mutex
	open  int // connections that the client has not closed
}

func newWire() *wire { return &wire{calls: make(chan net.Conn), shut: make(chan struct{})} }

func (w *wire) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w.calls <- theirs:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.count(1)
	return &line{Conn: ours, wire: w}, nil
}

func (w *wire) count(n int) (open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
	return w.open
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.calls:
		return conn, nil
	case <-w.shut:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.shut) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }

// line is the client's end of a connection. The end of the other side is a reset, as where a socket's buffers were lost.
type line struct {
	net.Conn
	wire *wire
	once sync.Once
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

func (l *line) Close() error {
	l.once.Do(func() { l.wire.count(-1) })
	return l.Conn.Close()
}

// sending is one request that the exporter sent.
type sending struct {
	action, id string
	at         time.Time
	took       time.Duration // to the end of the body; negative: under way
	faulty     bool
	read       int // bytes of the body
}

// front stands before the account: what goes to one action, and where it is named one batch, can be made to fail.
type front struct {
	account http.Handler
	wire    *wire
	pool    *http.Transport
	server  *http.Server

	mu         sync.Mutex
	fault      *fault // nil: none
	action, id string
	sent       []*sending
}

const inAStorm = 1000 // many more requests than any test of faults needs

const faulty = "X-Faulty" // marks a request on its way to the server, and names its action

func newFront(account http.Handler) *front {
	f := &front{account: account, wire: newWire()}
	f.pool = &http.Transport{
		DialTLSContext: f.wire.DialContext, MaxIdleConns: 8, MaxIdleConnsPerHost: 8,
		IdleConnTimeout: 5 * time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
	f.server = &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour}
	go func() { _ = f.server.Serve(f.wire) }() // until it is closed
	return f
}

// spoil makes requests fail from now on; no fault mends it.
func (f *front) spoil(with *fault, action, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.action, f.id = with, action, id
}

// RoundTrip is the way of the exporter's requests.
func (f *front) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked struct {
		Action  string
		BatchID string `json:"batch_id"`
		Parent  string `json:"parent_batch_id"`
	}
	r, err := withBody(r, &asked)
	if err != nil {
		return nil, err
	}
	s := &sending{action: asked.Action, id: asked.BatchID + asked.Parent, at: time.Now(), took: -1}
	f.mu.Lock()
	if f.sent = append(f.sent, s); len(f.sent) > inAStorm {
		panic("a storm of requests")
	}
	fault := f.fault
	s.faulty = fault != nil && s.action == f.action && (f.id == "" || s.id == f.id)
	f.mu.Unlock()
	if s.faulty && fault.broken != nil {
		f.ended(s, 0)
		return nil, fault.broken
	}
	if s.faulty {
		r = r.Clone(r.Context())
		r.Header.Set(faulty, s.action)
	}
	resp, err := f.pool.RoundTrip(r)
	if err != nil {
		f.ended(s, 0)
		return nil, err
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ended: func(read int) { f.ended(s, read) }}
	return resp, nil
}

type watchedBody struct {
	io.ReadCloser
	read  int
	ended func(read int)
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

func (b *watchedBody) Close() error {
	b.ended(b.read)
	return b.ReadCloser.Close()
}

func (f *front) ended(s *sending, read int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.took, s.read = time.Since(s.at), read
}

// CloseIdleConnections is what a transport has that keeps connections.
func (f *front) CloseIdleConnections() { f.pool.CloseIdleConnections() }

// ServeHTTP is the server's side.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(faulty) == "" {
		f.account.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has left
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault != nil {
		fault.answer(w, r)
	}
}

// requests that were sent, as they are now.
func (f *front) requests() []sending {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]sending, 0, len(f.sent))
	for _, s := range f.sent {
		all = append(all, *s)
	}
	return all
}
