package apiclient

import (
	"hash/maphash"
	"io"
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
