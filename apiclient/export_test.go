package apiclient

import (
	"hash/maphash"
	"io"
)

// DecodeGet is what Get does with the body of an answer.
func DecodeGet(body io.Reader, id string, each func(Recipient)) error {
	var got Batch
	doc := newDocument(body, maphash.MakeSeed())
	if err := doc.get(id, &got, each); err != nil {
		return doc.cause(err)
	}
	return doc.end()
}
