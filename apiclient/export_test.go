package apiclient

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// DecodeGet decodes the body of an answer as Get does.
func DecodeGet(body io.Reader, id string, each func(Recipient)) error {
	doc := newDocument(body)
	if _, err := doc.get(id, each); err != nil {
		return doc.cause(err)
	}
	return doc.end()
}

// DecodePage decodes the body of an answer to list as a walk does.
func DecodePage(body io.Reader) error {
	doc := newDocument(body)
	if _, err := doc.page(question{Action: ActionList, Limit: 500}); err != nil {
		return doc.cause(err)
	}
	return doc.end()
}

// NewTransport makes a transport like that of New, with the given proxy (or none)
// instead of the environment's, and with other timeouts for silent HTTP/2 connections.
func NewTransport(proxy *url.URL, ping, pong time.Duration) *http.Transport {
	return newTransport(8, network{proxy: http.ProxyURL(proxy), ping: ping, pong: pong})
}

// Patience is how long a client made by New keeps using an HTTP/2 connection that has
// died silently.
func Patience() time.Duration { return defaultNetwork().ping + defaultNetwork().pong }
