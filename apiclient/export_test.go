package apiclient

import (
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"time"
)

// DecodeGet is what Get does with the body of an answer.
func DecodeGet(body io.Reader, id string, each func(Recipient)) error {
	doc := newDocument(body, maphash.MakeSeed())
	if _, err := doc.get(id, each); err != nil {
		return doc.cause(err)
	}
	return doc.end()
}

// DecodePage is what a walk does with the body of an answer to list.
func DecodePage(body io.Reader) error {
	doc := newDocument(body, maphash.MakeSeed())
	if _, err := doc.page(question{Action: ActionList, Limit: 500}); err != nil {
		return doc.cause(err)
	}
	return doc.end()
}

// NewTransport makes a transport like that of New, with a proxy (or nil) in the place of
// what the environment says, and with other patience for silent HTTP/2 connections.
func NewTransport(proxy *url.URL, ping, pong time.Duration) *http.Transport {
	return newTransport(8, network{proxy: http.ProxyURL(proxy), ping: ping, pong: pong})
}

// Patience is how long New trusts an HTTP/2 connection that has gone dark.
func Patience() time.Duration { return defaultNetwork().ping + defaultNetwork().pong }
