package apiclient_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestRequestsInARowShareOneConnection(t *testing.T) {
	a := unlimited(0)
	var opened atomic.Int64
	id := a.Add(simulator.Campaign{Recipients: 500})
	s := serve(t, a, &opened)
	s.Start()
	c := dial(t, s.URL)
	for i := range 20 {
		if _, err := list(t, c); err != nil {
			t.Fatal(err)
		}
		if _, rs, err := read(t, c, id); err != nil || len(rs) != 500 {
			t.Fatal(err)
		}
		if i%4 == 0 {
			a.Inject(simulator.Fault{Status: 500, Times: 1})
		}
		if _, _, err := read(t, c, "none"); err == nil {
			t.Error("an unknown batch was found")
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestClosingTheClientEndsItsIdleConnections(t *testing.T) {
	var opened atomic.Int64
	s := serve(t, unlimited(0), &opened)
	s.Start()
	c := dial(t, s.URL)
	for want := int64(1); want <= 2; want++ {
		if _, err := list(t, c); err != nil || opened.Load() != want {
			t.Errorf("%v, %d connections, want %d", err, opened.Load(), want)
		}
		c.Close()
	}
}

func TestAsManyConnectionsAreKeptAsRequestsRunAtOnce(t *testing.T) {
	for given, want := range map[int]int{0: 8, 3: 3} {
		a := unlimited(0)
		var opened atomic.Int64
		var arrived, answered sync.WaitGroup
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait() // for the others
			a.ServeHTTP(w, r)
		}), &opened)
		s.Start()
		u, err := apiclient.ParseURL(s.URL, false)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, apiclient.Config{URL: u, Concurrency: given})
		for range 3 {
			arrived.Add(want)
			for range want {
				permit := paid(t, c)
				answered.Go(func() {
					if _, err := permit.Next(t.Context(), c.Batches().Walk()); err != nil {
						t.Error(err)
					}
				})
			}
			answered.Wait()
		}
		if n := opened.Load(); n != int64(want) {
			t.Errorf("%d connections for %d requests at once", n, want)
		}
	}
}

// watched counts the bodies that were handed out and not closed.
type watched struct {
	http.RoundTripper
	open *int
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err == nil {
		*w.open++
		resp.Body = closing{resp.Body, w.open}
	}
	return resp, err
}

type closing struct {
	io.ReadCloser
	open *int
}

func (c closing) Close() error {
	*c.open--
	return c.ReadCloser.Close()
}

func TestEveryBodyIsClosed(t *testing.T) {
	for _, f := range []simulator.Fault{
		{}, {Status: 200, Body: "{"}, {Status: 500, Body: strings.Repeat("x", 9000)}, {Status: 204}, {CutAfter: 3}, {Status: 302},
	} {
		a, open := unlimited(0), 0
		a.Inject(f)
		_, _ = list(t, connect(t, apiclient.Config{Transport: watched{inside(a), &open}})) // however it ends
		if n := len(a.Requests()); open != 0 || n != 1 {
			t.Errorf("%+v: %d bodies of %d are open", f, open, n)
		}
	}
}

func TestCompressedAnswersAreAccepted(t *testing.T) {
	a, packed := unlimited(0), 0
	id := a.Add(simulator.Campaign{Recipients: 500})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := httptest.NewRecorder()
		a.ServeHTTP(plain, r)
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip was not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		if _, err := plain.Body.WriteTo(z); err != nil || z.Close() != nil {
			t.Error("not packed")
		}
		packed++
	}), nil)
	s.Start()
	b, rs, err := read(t, dial(t, s.URL), id)
	if err != nil || b.ID != id || len(rs) != 500 || packed != 1 {
		t.Errorf("%v, %d recipients, %d answers", err, len(rs), packed)
	}
}

func TestTheAllowanceOfAnElementHoldsForWhatIsUnpacked(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, io.MultiReader(strings.NewReader(`{"batches":[{"name":"`), io.LimitReader(endless("x"), 2*maxElement), strings.NewReader(`"}]}`)))
		_ = z.Close() // the client hangs up on the way
	}), nil)
	s.Start()
	if _, err := list(t, dial(t, s.URL)); !errors.Is(err, apiclient.ErrTooLarge) {
		t.Error(err)
	}
}
