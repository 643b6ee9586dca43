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

// StatusError reports an answer with a status other than 200. That includes
// redirects, which are not followed so that the key is sent nowhere else.
type StatusError struct {
	StatusCode int
	RetryAfter time.Duration // the pause that the answer asks for, at most an hour; 0: none
	// NotJSON means that the body was not JSON. The answer may then come from a
	// gateway instead of the service.
	NotJSON bool
	// Code and Message come from the body, which may have any of the API's four
	// shapes; they are empty if it has none of them. They can contain raw database
	// errors and phone numbers: never log them or use them as a label.
	Code, Message string

	wrongURL bool // the endpoint itself does not answer like this
}

// Error returns the status and what it means, but neither Code nor Message, which
// must not be logged.
func (e *StatusError) Error() string {
	text := "the API answered " + statusLine(e.StatusCode)
	switch {
	case e.reason() == reasonUnauthorized:
		return text + ": it does not accept the key"
	case e.wrongURL:
		return text + ": the URL may be wrong"
	}
	return text
}

// ProxyError reports that a proxy refused to connect to the API.
type ProxyError struct{ StatusCode int }

// Error returns the status.
func (e *ProxyError) Error() string { return "the proxy answered " + statusLine(e.StatusCode) }

func statusLine(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// DecodeError reports a 200 response whose body is not a valid answer: it is not
// JSON, is truncated, has another shape, reports an error, or has no recipients
// although the batch may have some.
type DecodeError struct{ Detail string }

// Error says what was wrong without quoting the answer.
func (e *DecodeError) Error() string { return "malformed answer: " + e.Detail }

// The values that Reason returns.
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

// Reasons lists every value that Reason returns.
func Reasons() []string {
	return []string{
		reasonRateLimited, reasonUnauthorized, reasonNotFound, reasonClientError, reasonServerError,
		reasonTimeout, reasonNetwork, reasonMalformed, reasonTooLarge,
	}
}

// Reason returns one word that says why a request failed. A redirect is a
// client_error, because the URL is wrong. A 403 is unauthorized, unless its body
// is not JSON: then a gateway refused the request, and it is a client_error.
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
	return reasonMalformed // a success status without an answer, such as 204
}

// fromElsewhere reports whether the endpoint of an action never answers with a
// status. A 404 to get or list_runs means that there is no such batch.
func fromElsewhere(status int, action Action) bool {
	if status == http.StatusNotFound {
		return action == ActionList || action == ActionListCalls
	}
	return status == http.StatusMethodNotAllowed || status >= http.StatusMultipleChoices && status < http.StatusBadRequest
}

const maxErrorBody = 4 << 10

// readStatusError understands {"error":"text"}, {"error":{"code","message"}},
// the same next to "data":null, and {"code","message"}. Any other body leaves
// Code and Message empty. It reads at most 4 KiB of the body.
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
		return failed // not an object
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

// text returns a JSON value as a string; codes may be strings or numbers.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
