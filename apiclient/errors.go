package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	// Code and Message are what the body said, in any of the API's four
	// shapes; empty where it was something else. They can hold raw database
	// errors and phone numbers: never log them, never make them a label.
	Code, Message string
}

// Error tells the status alone; see Message for the reason.
func (e *StatusError) Error() string {
	said := strings.TrimSpace(fmt.Sprintf("the API answered %d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	if e.reason() == "unauthorized" {
		return said + ": it does not accept the key"
	}
	return said
}

// DecodeError reports a 200 response whose body is not a valid answer: it is no
// JSON, cut, of another shape, tells an error, or lacks recipients where there
// may be some.
type DecodeError struct{ Detail string }

// Error tells what was wrong, without any of the answer's content.
func (e *DecodeError) Error() string { return "malformed answer: " + e.Detail }

// Reasons lists every word that Reason returns.
func Reasons() []string {
	return []string{"rate_limited", "unauthorized", "not_found", "client_error", "server_error", "timeout", "network", "malformed", "too_large"}
}

// Reason is the one word that a failed request has in metrics. A redirect is a
// client_error (the URL is wrong), and so is a 403 unauthorized (the key is).
func Reason(err error) string {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.reason()
	}
	_, malformed := errors.AsType[*DecodeError](err)
	network, ok := errors.AsType[net.Error](err)
	switch {
	case malformed:
		return "malformed"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, context.DeadlineExceeded), ok && network.Timeout():
		return "timeout"
	}
	return "network"
}

func (e *StatusError) reason() string {
	switch code := e.StatusCode; {
	case code == http.StatusTooManyRequests:
		return "rate_limited"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "unauthorized"
	case code == http.StatusNotFound:
		return "not_found"
	case code >= http.StatusInternalServerError:
		return "server_error"
	case code >= http.StatusMultipleChoices:
		return "client_error"
	}
	return "malformed" // a success without an answer, such as 204
}

const maxErrorBody = 4 << 10

// readStatusError understands {"error":"text"}, {"error":{"code","message"}},
// the same beside "data":null, {"code","message"}, and anything else as nothing.
func readStatusError(resp *http.Response, pause time.Duration) *StatusError {
	failed := &StatusError{StatusCode: resp.StatusCode, RetryAfter: pause}
	var outer struct {
		Error         json.RawMessage
		Code, Message any
	}
	if json.Unmarshal(readAtMost(resp.Body, maxErrorBody), &outer) != nil {
		return failed
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
