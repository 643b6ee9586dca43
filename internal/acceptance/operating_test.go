package acceptance

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestEachLineOfTheLogHasItsKeysInOneOrder(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p := start(t, []string{"MAGPIPE_API_KEY=" + madeUpKey, "TZ=Asia/Tokyo", "MAGPIPE_COLOUR=red"}, "--api.url="+api, "--log.level=debug")
	get(t, p.url+"/metrics")
	order := regexp.MustCompile(`^time=\d{4}-\d\d-\d\dT[\d:.]+Z level=(debug|info|warn|error) caller=\w+\.go:\d+ msg=`)
	for _, writer := range []string{"caller=main.go:", "caller=tls_config.go:", "level=warn caller=refresh.go:"} { // ours, exporter-toolkit, the collector
		if !strings.Contains(p.Log(), writer) {
			t.Errorf("no line has %s", writer)
		}
	}
	for line := range strings.Lines(p.Log()) {
		if !order.MatchString(line) {
			t.Errorf("this line has another order: %s", line)
		}
	}
}

func TestABlankAroundTheURLIsTrimmed(t *testing.T) {
	t.Parallel()
	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"batches":[]}`) })
	for _, given := range []struct{ env, args []string }{
		{args: []string{"--api.url=" + api + " "}},
		{env: []string{"MAGPIPE_API_URL= " + api + "\r\n"}},
	} {
		got := execute(t, append(given.env, "MAGPIPE_API_KEY="+madeUpKey), append(given.args, "--once")...)
		if got.code != 0 || !strings.Contains(got.out, "\nmagpipe_up 1\n") {
			t.Errorf("%q: the exit code is %d; standard error:\n%s", given, got.code, got.err)
		}
	}
}
