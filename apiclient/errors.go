package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// StatusError is an answer other than 200. Redirects are among them: the key
// goes nowhere else.
type StatusError struct {
	StatusCode int
	RetryAfter time.Duration // how long the answer asks to send nothing, at most an hour; 0 if it asks for no pause
	// NotJSON says that the body was no JSON, so that the answer may come from a
	// gateway and not from the service.
	NotJSON bool
	// Code and Message are what the body said, in any of the API's four
	// shapes; empty if it was something else. They can hold raw database
	// errors and phone numbers: never log them, never make them a label.
	Code, Message string
}

// Error tells the status alone; see Message for the reason.
func (e *StatusError) Error() string {
	said := "the API answered " + statusLine(e.StatusCode)
	if e.reason() == reasonUnauthorized {
		return said + ": it does not accept the key"
	}
	return said
}

// ProxyError is an answer of a proxy that does not connect us to the API.
type ProxyError struct{ StatusCode int }

// Error tells the status.
func (e *ProxyError) Error() string { return "the proxy answered " + statusLine(e.StatusCode) }

func statusLine(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// DecodeError reports a 200 response whose body is not a valid answer: it is no
// JSON, cut, of another shape, tells an error, or lacks recipients where there
// may be some.
type DecodeError struct{ Detail string }

// Error tells what was wrong, without any of the answer's content.
func (e *DecodeError) Error() string { return "malformed answer: " + e.Detail }

// The words that Reason returns.
const (
	reasonRateLimited  = "rate_limited"
	reasonUnauthorized = "unauthorized"
	reasonNotFound     = "not_found"
	reasonClientError  = "client_error"
	reasonServerError  = "server_error"
	reasonTimeout      = "timeout"
	reasonNetwork      = "network"
	reasonMalformed    = "malformed"
	reasonTooLarge     = "too_large"
)

// Reasons lists every word that Reason returns.
func Reasons() []string {
	return []string{
		reasonRateLimited, reasonUnauthorized, reasonNotFound, reasonClientError, reasonServerError,
		reasonTimeout, reasonNetwork, reasonMalformed, reasonTooLarge,
	}
}

// Reason is one word for why a request failed. A redirect is a client_error (the
// URL is wrong). A 403 is unauthorized (the key is), unless its body is no JSON:
// then a gateway has refused the request, and it is a client_error.
func Reason(err error) string {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.reason()
	}
	_, malformed := errors.AsType[*DecodeError](err)
	network, ok := errors.AsType[net.Error](err)
	switch {
	case malformed:
		return reasonMalformed
	case errors.Is(err, ErrTooLarge):
		return reasonTooLarge
	case errors.Is(err, context.DeadlineExceeded), ok && network.Timeout():
		return reasonTimeout
	}
	return reasonNetwork
}

func (e *StatusError) reason() string {
	switch code := e.StatusCode; {
	case code == http.StatusTooManyRequests:
		return reasonRateLimited
	case code == http.StatusUnauthorized, code == http.StatusForbidden && !e.NotJSON:
		return reasonUnauthorized
	case code == http.StatusNotFound:
		return reasonNotFound
	case code >= http.StatusInternalServerError:
		return reasonServerError
	case code >= http.StatusMultipleChoices:
		return reasonClientError
	}
	return reasonMalformed // a success without an answer, such as 204
}

const maxErrorBody = 4 << 10

// readStatusError understands {"error":"text"}, {"error":{"code","message"}},
// the same beside "data":null, {"code","message"}, and anything else as nothing.
// Of the body it reads 4 KiB at most.
func readStatusError(resp *http.Response, pause time.Duration) *StatusError {
	failed := &StatusError{StatusCode: resp.StatusCode, RetryAfter: pause}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	if failed.NotJSON = err != nil || !json.Valid(raw); failed.NotJSON {
		return failed
	}
	var outer struct {
		Error         json.RawMessage
		Code, Message any
	}
	if json.Unmarshal(raw, &outer) != nil {
		return failed // no object
	}
	inner := struct{ Code, Message any }{outer.Code, outer.Message}
	if len(outer.Error) > 0 && json.Unmarshal(outer.Error, &inner) != nil {
		inner.Message = nil
		if json.Unmarshal(outer.Error, &inner.Message) != nil {
			return failed
		}
	}
	failed.Code, failed.Message = text(inner.Code), text(inner.Message)
	return failed
}

// text is a JSON value as words: codes come as strings and as numbers.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
