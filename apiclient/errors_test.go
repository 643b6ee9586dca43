package apiclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
)

func TestEveryShapeOfAnErrorIsUnderstood(t *testing.T) {
	for name, c := range map[string]struct{ body, code, message string }{
		"text":             {`{"error":"no batch +15550001111"}`, "", "no batch +15550001111"},
		"object":           {`{"error":{"code":"E1","message":"no +15550001111"}}`, "E1", "no +15550001111"},
		"beside null data": {`{"data":null,"error":{"message":"no +15550001111","code":42501}}`, "42501", "no +15550001111"},
		"bare":             {`{"code":404,"message":"no +15550001111"}`, "404", "no +15550001111"},
		"bare, null error": {`{"code":"E2","message":"no","error":null}`, "E2", "no"},
		"text with code":   {`{"error":"no","code":"E3"}`, "E3", "no"},
		"escapes":          {`{"error":"\u006eo \"x\""}`, "", `no "x"`},
		"null":             {`{"error":null}`, "", ""},
		"nothing":          {`{}`, "", ""},
		"HTML":             {"<html><body>502 +15550001111</body></html>", "", ""},
		"cut":              {`{"error":{"code":"E1","message":"no +1555`, "", ""},
		"an array":         {`["error"]`, "", ""},
		"a string":         {`"error"`, "", ""},
		"over 4 KiB":       {`{"error":"` + strings.Repeat("+15550001111 ", 400) + `"}`, "", ""},
		"just 4 KiB":       {`{"error":"` + strings.Repeat("x", 4096-12) + `"}`, "", strings.Repeat("x", 4096-12)},
	} {
		a := unlimited(0)
		a.Inject(simulator.Fault{Status: 400, Body: c.body})
		_, _, err := read(t, of(t, a), "b")
		var failed *apiclient.StatusError
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if failed.StatusCode != http.StatusBadRequest || failed.Code != c.code || failed.Message != c.message {
			t.Errorf("%s: %+v", name, failed)
		}
		if err.Error() != "the API answered 400 Bad Request" {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

func TestAnErrorOfAnUnusualShapeKeepsItsStatus(t *testing.T) {
	for _, body := range []string{"", "\xff\xfe", `{"error":[1]}`, `{"error":{"code":{"a":1},"message":[2]}}`, `{"error":`} {
		c := connect(t, apiclient.Config{Transport: stream{status: 502, body: exactly(body).body}})
		_, err := list(t, c)
		var failed *apiclient.StatusError
		if !errors.As(err, &failed) || failed.StatusCode != http.StatusBadGateway || err.Error() != "list page 1: the API answered 502 Bad Gateway" {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestErrorBodiesAreReadUpTo4KiB(t *testing.T) {
	counted := &counter{r: endless("x")}
	c := connect(t, apiclient.Config{Transport: stream{status: 500, body: func() io.Reader { return counted }}})
	_, err := list(t, c)
	var failed *apiclient.StatusError
	if !errors.As(err, &failed) || counted.n != 4096 {
		t.Errorf("%v after %d bytes", err, counted.n)
	}
}

func TestEveryStatusHasItsReason(t *testing.T) {
	for status, want := range map[int]string{
		200: "malformed", 201: "malformed", 204: "malformed", 206: "malformed",
		301: "client_error", 302: "client_error", 304: "client_error", 308: "client_error",
		400: "client_error", 401: "unauthorized", 403: "client_error", 404: "not_found", 405: "client_error",
		418: "client_error", 429: "rate_limited", 499: "client_error",
		500: "server_error", 502: "server_error", 503: "server_error", 504: "server_error", 599: "server_error",
	} {
		_, err := list(t, connect(t, apiclient.Config{Transport: stream{status: status, body: exactly("").body}}))
		if got := apiclient.Reason(err); got != want || !slices.Contains(apiclient.Reasons(), got) {
			t.Errorf("%d: %v is %s, want %s", status, err, got, want)
		}
		var failed *apiclient.StatusError
		if errors.As(err, &failed) != (status != 200) {
			t.Errorf("%d: %T", status, err)
		}
	}
}

func TestAnAnswerThatTheEndpointNeverGivesPointsToTheURL(t *testing.T) {
	for status, wrong := range map[int]bool{301: true, 302: true, 308: true, 404: true, 405: true, 400: false, 401: false, 403: false, 429: false, 500: false} {
		_, err := list(t, connect(t, apiclient.Config{Transport: stream{status: status, body: exactly("").body}}))
		if err == nil || strings.HasSuffix(err.Error(), ": the URL may be wrong") != wrong {
			t.Errorf("%d: %v", status, err)
		}
	}
	_, _, err := read(t, connect(t, apiclient.Config{Transport: stream{status: 404, body: exactly("").body}}), "b")
	if err == nil || err.Error() != "the API answered 404 Not Found" {
		t.Errorf("a batch that does not exist: %v", err)
	}
}

func TestA200WithoutJSONPointsToTheURL(t *testing.T) {
	for body, want := range map[string]string{
		"<html>hello</html>": "no JSON; the URL may be wrong, or a proxy has answered",
		"":                   "no JSON; the URL may be wrong, or a proxy has answered",
		`{"batches":[`:       "not one whole JSON object at byte 12",
	} {
		_, err := list(t, connect(t, apiclient.Config{Transport: stream{status: 200, body: exactly(body).body}}))
		if err == nil || err.Error() != "list page 1: malformed answer: "+want {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestA403ThatIsNoJSONIsNotTheKeysFault(t *testing.T) {
	for body, unauthorized := range map[string]bool{
		`{"error":"invalid key"}`: true, `{"error":{"code":"E1","message":"no"}}`: true, `{}`: true, `"no"`: true, "\ufeff{}": true,
		"{\"error\":\"\xff\"}": true, "<html>Forbidden</html>": false, "": false, "Forbidden": false, `{"error":"inv`: false, `{}{}`: false,
	} {
		for status, key := range map[int]bool{401: true, 403: unauthorized} {
			_, err := list(t, connect(t, apiclient.Config{Transport: stream{status: status, body: exactly(body).body}}))
			want := "client_error"
			if key {
				want = "unauthorized"
			}
			if got := apiclient.Reason(err); got != want || strings.Contains(err.Error(), "key") != key {
				t.Errorf("%d %q: %v is %s, want %s", status, body, err, got, want)
			}
			var failed *apiclient.StatusError
			if !errors.As(err, &failed) || failed.NotJSON == unauthorized {
				t.Errorf("%d %q: %+v", status, body, failed)
			}
		}
	}
}

func TestReasonsLookBehindWrapping(t *testing.T) {
	for want, err := range map[string]error{
		"too_large": apiclient.ErrTooLarge, "malformed": &apiclient.DecodeError{Detail: "x"},
		"rate_limited": &apiclient.StatusError{StatusCode: 429}, "unauthorized": &apiclient.StatusError{StatusCode: 403}, "timeout": context.DeadlineExceeded, "network": io.ErrUnexpectedEOF,
	} {
		if got := apiclient.Reason(fmt.Errorf("refresh: %w", fmt.Errorf("page: %w", err))); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

func TestARequestEndsWithItsTimeout(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: 20 * time.Second, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			a := unlimited(0)
			a.Inject(simulator.Fault{Hang: true})
			begin := time.Now()
			_, err := list(t, connect(t, apiclient.Config{Transport: inside(a), Timeout: given}))
			if took := time.Since(begin); took != want || !errors.Is(err, context.DeadlineExceeded) || apiclient.Reason(err) != "timeout" {
				t.Errorf("%v after %v, want %v", err, took, want)
			}
		})
	}
}

func TestTheTimeoutCoversTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := stream{body: func() io.Reader { return trickle{} }}
		c := connect(t, apiclient.Config{Transport: slow, Timeout: 4500 * time.Millisecond}) // the next blank comes after 5 s
		begin := time.Now()
		_, err := list(t, c)
		if took := time.Since(begin); took != 5*time.Second || apiclient.Reason(err) != "timeout" {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestARequestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(0)
		a.Inject(simulator.Fault{Hang: true})
		c := of(t, a)
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(2*time.Second, cancel).Stop()
		begin := time.Now()
		_, err := paid(t, c).Next(ctx, c.Batches().Walk())
		if took := time.Since(begin); took != 2*time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("%v after %v", err, took)
		}
		if n := len(a.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestErrorsNeverHoldTheKeyOrTheURL(t *testing.T) {
	a := unlimited(0)
	for _, f := range []simulator.Fault{
		{Status: 401, Body: `{"error":"bad key ` + key + `"}`}, {Status: 500, Body: key}, {Body: key},
		{CutAfter: 5}, {Status: 302, Header: http.Header{"Location": {"/" + key}}},
	} {
		remove := a.Inject(f)
		_, listed := list(t, of(t, a))
		_, _, got := read(t, of(t, a), "b")
		for _, err := range []error{listed, got} {
			if err == nil || strings.Contains(err.Error(), "mgp_") || strings.Contains(err.Error(), "example.com") {
				t.Errorf("%+v: %v", f, err)
			}
		}
		remove()
	}
}

func TestARedirectToNowhereIsARedirectAndNothingOfItIsTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://a b%zz/+15550001111")
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	u, err := apiclient.ParseURL(server.URL, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = list(t, connect(t, apiclient.Config{URL: u}))
	if apiclient.Reason(err) != "client_error" || strings.Contains(err.Error(), "1555") {
		t.Errorf("%s: %v", apiclient.Reason(err), err)
	}
}
