package collector_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"

	"magpipe_exporter/collector"
)

func TestWhateverTheAPISaysNoSecretOfItLeavesTheExporter(t *testing.T) {
	const worlds, scrapes = 12, 12
	secrets, refused := 0, 0
	for seed := range uint64(worlds) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t, logged: &strings.Builder{}}
			l := &liar{Rand: rand.New(rand.NewPCG(seed, 1))}
			named := seed%2 == 0
			o := w.overTheWire(l, collector.Config{
				MaxStaleness: time.Minute, FinishedRetention: time.Hour, MaxBatches: 500, BatchNames: named,
			})
			var said strings.Builder
			for range scrapes {
				time.Sleep(15 * time.Second)
				o.readAll(&said, named)
			}
			_, _ = said.WriteString(w.logged.String())
			l.keptBy(t, said.String())
			secrets, refused = secrets+l.secrets, refused+strings.Count(w.logged.String(), "request failed")
			o.close()
		})
	}
	if t.Logf("%d secrets were told, %d requests failed", secrets, refused); secrets < 100*worlds || refused < worlds {
		t.Error("too little was told to prove anything")
	}
}

// readAll asks for everything that the exporter tells. Names of batches are left out where they may stand.
func (o *outage) readAll(said *strings.Builder, named bool) {
	o.Helper()
	for _, path := range []string{"/metrics", "/", "/-/ready", "/-/healthy", "/nowhere"} {
		_, body := o.get(path)
		o.without(said, body, named)
	}
	_, open := o.get("/metrics", "application/openmetrics-text")
	o.without(said, open, named)
	if !named {
		_, packed := o.get("/metrics", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
		_, _ = said.WriteString(packed)
	}
	if err := o.collector.ListFailure(); err != nil {
		_, _ = said.WriteString(err.Error())
	}
}

// without copies a page without the one label that may hold a name, which it measures.
func (o *outage) without(said *strings.Builder, body string, named bool) {
	o.Helper()
	for line := range strings.Lines(body) {
		before, rest, info := strings.Cut(line, `name="`)
		if name, after, ok := strings.Cut(rest, `",parent_batch_id=`); info && ok && named && strings.HasPrefix(line, "magpipe_batch_info{") {
			if n := len([]rune(name)); n > 256 {
				o.Errorf("a name of %d characters", n)
			}
			line = before + after
		}
		_, _ = said.WriteString(line)
	}
}

var marked = regexp.MustCompile(mark + "[0-9a-f]{16}|mgp_test")

// keptBy fails where an output holds a secret, a name, or the key.
func (l *liar) keptBy(t *testing.T, said string) {
	t.Helper()
	for _, at := range marked.FindAllStringIndex(said, 1) {
		t.Errorf("it says %q", said[max(0, at[0]-100):min(len(said), at[1]+100)])
	}
}
