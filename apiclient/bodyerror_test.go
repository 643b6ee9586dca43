package apiclient_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"magpipe_exporter/apiclient"
)

// breaking is a body as net/http hands it out: what its first error is, it tells once.
type breaking struct {
	text io.Reader
	errs []error
}

func (b *breaking) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	err := b.errs[0]
	if len(b.errs) > 1 {
		b.errs = b.errs[1:]
	}
	return 0, err
}

func TestABodyThatBreaksOffAnywhereFailsWithItsFirstError(t *testing.T) {
	const answer = ` { "batches" : [ {"id":"b","name":null} , {"x":[1]} ] } `
	for cut := range len(answer) {
		body := func() io.Reader {
			return &breaking{strings.NewReader(answer[:cut]), []error{context.DeadlineExceeded, errors.New("use of a closed connection")}}
		}
		_, err := list(t, connect(t, apiclient.Config{Transport: stream{body: body}}))
		if got := apiclient.Reason(err); got != "timeout" {
			t.Errorf("cut after %q: %v is %s", answer[:cut], err, got)
		}
	}
}
