package acceptance

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestOnceWritesOnePageAndItsExitCodeTellsWhetherTheListWasRead(t *testing.T) {
	t.Parallel()
	good := execute(t, nil, "--demo", "--once")
	if good.code != 0 || strings.Count(good.err, "\n") != 2 || !strings.Contains(good.err, "simulated account") ||
		!strings.Contains(good.err, "read a page of the batch list") {
		t.Errorf("the exit code is %d, want 0; standard error: %q", good.code, good.err)
	}
	if got := metricsOf(t, good.out); got["magpipe_batch_recipients"].Type != "gauge" || samplesOf(good.out)["magpipe_up"] != 1 {
		t.Error("metrics are missing on the page")
	}

	api := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"no account of John Doe, +14155551234"}`)
	})
	bad := execute(t, []string{"MAGPIPE_API_KEY=" + madeUpKey}, "--once", "--api.url="+api)
	bad.wantOneError(t, 1, "no batch list has been read")
	page := samplesOf(bad.out)
	if up, ok := page["magpipe_up"]; up != 0 || !ok {
		t.Errorf("magpipe_up is %v (on the page: %t), want 0", up, ok)
	}
	if n := page[`magpipe_exporter_api_request_failures_total{action="list",reason="unauthorized"}`]; n != 1 {
		t.Errorf("%v unauthorized requests are counted, want 1", n)
	}
	if strings.Contains(bad.out+bad.err, "John") || strings.Contains(bad.out+bad.err, madeUpKey) {
		t.Error("the key or what the API said is shown")
	}
}

func TestAVariableThatIsNotASettingIsWarnedOf(t *testing.T) {
	t.Parallel()
	got := execute(t, []string{
		"MAGPIPE_API_KEYFILE=x", "MAGPIPE_COLLECTOR_MINREFRESH=1s", "MAGPIPE_APIKEY=x", "MAGPIPE_LOG_LEVEL=debug",
		"MAGPIPE_API_TIMEOUT=3s", "MAGPIPE_EXPORTER_PORT=1", "MAGPIPE_EXPORTER_SERVICE_HOST=x", "MAGPIPE_EXPORTER_PORT_10240_TCP_ADDR=x",
	}, "--demo", "--once")
	if got.code != 0 || strings.Count(got.err, "not a setting") != 4 || !strings.Contains(got.err, "name=MAGPIPE_API_KEYFILE") {
		t.Errorf("the exit code is %d; standard error:\n%s", got.code, got.err)
	}
}

func TestHelpAndVersionGoToStandardOutput(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{"--help": "--[no-]demo ", "-h": "--[no-]demo ", "--version": program + ", version 0.0.0-dev"} {
		if got := execute(t, nil, flag); got.code != 0 || got.err != "" || !strings.Contains(got.out, want) {
			t.Errorf("%s exits with %d and writes %q, and to standard error %q", flag, got.code, got.out, got.err)
		}
	}
}

func TestWrongCommandLineExitsWith2AndOneLineThatNamesTheFlag(t *testing.T) {
	t.Parallel()
	rows := []struct{ env, arg, named string }{
		{arg: "--no-such-flag"},
		{arg: "stray", named: "stray"},
		{arg: "--api.url=http://api.example.com/"},
		{arg: "--api.url=ftp://api.example.com/"},
		{arg: "--api.url="},
		{arg: "--api.key-file"},
		{arg: "--api.timeout=0s"},
		{arg: "--api.timeout=20"},
		{arg: "--api.page-size=0"},
		{arg: "--api.page-size=many"},
		{arg: "--api.concurrency=0"},
		{arg: "--api.requests-per-minute=0"},
		{arg: "--api.requests-per-hour=0"},
		{arg: "--collector.min-refresh=-1s"},
		{arg: "--collector.max-staleness=-1s"},
		{arg: "--collector.finished-retention=-1s"},
		{arg: "--collector.max-batches=-1"},
		{arg: "--collector.window-timezone=Nowhere/City"},
		{arg: "--scrape.timeout-offset=-1s"},
		{arg: "--web.telemetry-path=metrics"},
		{arg: "--web.listen-address="},
		{arg: "--log.level=loud"},
		{arg: "--log.format=xml"},
		{env: "MAGPIPE_DEMO=maybe", named: "--demo"},
		{env: "MAGPIPE_API_ALLOW_HTTP=ja", named: "--api.allow-http"},
		{env: "MAGPIPE_COLLECTOR_BATCH_NAMES=maybe", named: "--collector.batch-names"},
		{env: "MAGPIPE_API_PAGE_SIZE=0", named: "--api.page-size ($MAGPIPE_API_PAGE_SIZE)"},
		{env: "MAGPIPE_API_URL=http://api.example.com/", named: "--api.url"},
	}
	for _, row := range rows {
		var env, args []string
		if row.env != "" {
			env = []string{row.env}
		}
		if row.arg != "" {
			args = []string{row.arg}
		}
		if row.named == "" {
			row.named, _, _ = strings.Cut(row.arg, "=")
		}
		t.Run(row.env+row.arg, func(t *testing.T) {
			t.Parallel()
			got := execute(t, env, args...)
			got.wantOneError(t, 2, row.named)
			if got.out != "" || strings.Count(got.err, "\n") != 1 {
				t.Errorf("there is more than one line:\n%s%s", got.out, got.err)
			}
		})
	}
}
