package fidelity_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	alertmanager "github.com/prometheus/alertmanager/config/common"
	matching "github.com/prometheus/alertmanager/pkg/labels"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"go.yaml.in/yaml/v2"
)

// prometheus is a Prometheus server: its storage, its rule engine and all shipped rules, without its own timers.
type prometheus struct {
	testing.TB
	head       *tsdb.Head
	engine     *promql.Engine
	groups     []*rules.Group
	read       map[string]bool // the metrics that rules read; the others are not stored
	reach      time.Duration   // how far back rules read
	inhibition []alertmanager.InhibitRule

	series  map[string]*series
	scraped []*series // those of the last scrape
	scrapes int

	faults map[fault]int
	firing map[string]*alert // by labels
	alerts []*alert          // in the order in which they fired
}

// series is a time series of the exporter.
type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
	scrape int // number of the last scrape that contained it
}

// fault is an error or a warning in the evaluation of a rule.
type fault struct{ rule, text string }

// alert is an alert from the time it fires to its end. Zero times are: never, or not yet.
type alert struct {
	labels                 model.LabelSet
	fired, notified, ended time.Time
}

func newPrometheus(tb testing.TB) *prometheus {
	tb.Helper()
	p := &prometheus{
		TB: tb, read: map[string]bool{}, series: map[string]*series{}, faults: map[fault]int{}, firing: map[string]*alert{},
	}
	options := tsdb.DefaultHeadOptions()
	options.ChunkDirRoot = tb.TempDir()
	var err error
	if p.head, err = tsdb.NewHead(nil, nil, nil, nil, options, nil); err == nil {
		err = p.head.Init(math.MinInt64)
	}
	if err != nil {
		tb.Fatal(err)
	}
	p.loadRules()
	p.loadInhibition()
	return p
}

// Querier implements storage.Queryable.
func (p *prometheus) Querier(from, to int64) (storage.Querier, error) {
	return tsdb.NewBlockQuerier(tsdb.NewRangeHead(p.head, from, to), from, to)
}

func (p *prometheus) loadRules() {
	syntax := parser.NewParser(parser.Options{})
	p.engine = promql.NewEngine(promql.EngineOpts{
		Parser: syntax, MaxSamples: 50_000_000, Timeout: time.Hour, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		Appendable: p.head, Queryable: p, Parser: syntax, Context: p.Context(), QueryFunc: p.query,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	files, _ := filepath.Glob("../../dashboards/rules/*.yml") // the pattern is valid
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, files...)
	if len(groups) == 0 || len(errs) > 0 {
		p.Fatalf("%d groups of rules: %v", len(groups), errs)
	}
	for _, group := range groups {
		p.groups = append(p.groups, group)
		for _, rule := range group.Rules() {
			parser.Inspect(rule.Query(), func(node parser.Node, path []parser.Node) error {
				if selector, ok := node.(*parser.VectorSelector); ok {
					p.noteSelector(selector, path)
				}
				return nil
			})
		}
		for _, rule := range group.AlertingRules() {
			rule.SetRestored(true) // otherwise, it does not write ALERTS
		}
	}
	slices.SortFunc(p.groups, func(a, b *rules.Group) int { // alerts last: they see what was recorded at the same time
		return cmp.Or(min(1, len(a.AlertingRules()))-min(1, len(b.AlertingRules())), cmp.Compare(a.Name(), b.Name()))
	})
}

func (p *prometheus) noteSelector(selector *parser.VectorSelector, path []parser.Node) {
	reach := 5*time.Minute + selector.OriginalOffset
	for _, outer := range path {
		switch outer := outer.(type) {
		case *parser.MatrixSelector:
			reach += outer.Range
		case *parser.SubqueryExpr:
			reach += outer.Range + outer.OriginalOffset
		}
	}
	p.read[selector.Name] = true
	p.reach = max(p.reach, reach)
}

func (p *prometheus) loadInhibition() {
	raw, err := os.ReadFile("../../dashboards/alertmanager.yml")
	if err != nil {
		p.Fatal(err)
	}
	var config struct {
		Rules []alertmanager.InhibitRule `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(raw, &config); err != nil || len(config.Rules) == 0 {
		p.Fatalf("%d inhibition rules: %v", len(config.Rules), err)
	}
	p.inhibition = config.Rules
}

// forget drops what no rule reads any more.
func (p *prometheus) forget() {
	if err := p.head.Truncate(time.Now().Add(-p.reach).UnixMilli()); err != nil {
		p.Fatal(err)
	}
}

// query evaluates the expression of a rule. Warnings and infos are faults, too.
func (p *prometheus) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	query, err := p.engine.NewInstantQuery(ctx, p, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	result := query.Exec(ctx)
	for text := range result.Warnings {
		p.faults[fault{rules.FromOriginContext(ctx).Name, text}]++
	}
	if scalar, ok := result.Value.(promql.Scalar); ok {
		return promql.Vector{{T: scalar.T, F: scalar.V}}, result.Err
	}
	vector, ok := result.Value.(promql.Vector)
	if result.Err == nil && !ok {
		return nil, errors.New("the result is neither a vector nor a scalar")
	}
	return vector, result.Err
}

// scrape stores what was scraped at a time from a process that had started at another; nil means that the scrape failed.
func (p *prometheus) scrape(at time.Time, families []*dto.MetricFamily, processStart time.Time) {
	app := p.head.Appender(p.Context())
	previous := p.scraped
	p.scraped = make([]*series, 0, len(previous))
	p.scrapes++
	add := func(name string, m *dto.Metric, le string, v float64) {
		if !p.read[name] {
			return
		}
		s := p.seriesOf(name, m, le)
		var err error
		if s.ref, err = app.Append(s.ref, s.labels, at.UnixMilli(), v); err != nil {
			p.Fatalf("%s: %v", s.labels, err)
		}
		s.scrape = p.scrapes
		p.scraped = append(p.scraped, s)
	}
	up := 0.
	for _, family := range families {
		up = 1
		addFamily(family, add)
	}
	add("up", nil, "", up)
	if families != nil {
		add("process_start_time_seconds", nil, "", float64(processStart.UnixMilli())/1000)
	}
	for _, s := range previous {
		if s.scrape == p.scrapes {
			continue
		}
		if _, err := app.Append(s.ref, s.labels, at.UnixMilli(), math.Float64frombits(value.StaleNaN)); err != nil {
			p.Fatalf("%s: %v", s.labels, err)
		}
	}
	if err := app.Commit(); err != nil {
		p.Fatal(err)
	}
}

// addFamily passes the samples of a family on to add. Of a histogram, these are the classic ones.
func addFamily(family *dto.MetricFamily, add func(name string, m *dto.Metric, le string, v float64)) {
	name := family.GetName()
	for _, m := range family.Metric {
		h := m.Histogram
		if h == nil {
			add(name, m, "", m.GetGauge().GetValue()+m.GetCounter().GetValue()) // it has one of them
			continue
		}
		add(name+"_count", m, "", float64(h.GetSampleCount()))
		add(name+"_sum", m, "", h.GetSampleSum())
		add(name+"_bucket", m, "+Inf", float64(h.GetSampleCount()))
		for _, b := range h.Bucket {
			if !math.IsInf(b.GetUpperBound(), 1) {
				add(name+"_bucket", m, labels.FormatOpenMetricsFloat(b.GetUpperBound()), float64(b.GetCumulativeCount()))
			}
		}
	}
}

func (p *prometheus) seriesOf(name string, m *dto.Metric, le string) *series {
	var key strings.Builder
	key.WriteString(name)
	for _, label := range m.GetLabel() {
		key.WriteByte(0)
		key.WriteString(label.GetValue())
	}
	key.WriteString(le)
	s := p.series[key.String()]
	if s == nil {
		builder := labels.NewBuilder(labels.FromStrings("__name__", name, "job", job, "instance", "localhost:10240"))
		for _, label := range m.GetLabel() {
			builder.Set(label.GetName(), label.GetValue())
		}
		s = &series{labels: builder.Set("le", le).Labels()} // empty values are none
		p.series[key.String()] = s
	}
	return s
}

// evaluate evaluates all rules, and notes faults and alerts.
func (p *prometheus) evaluate() {
	now, firing := time.Now(), map[string]bool{}
	for _, group := range p.groups {
		group.Eval(p.Context(), now)
		for _, rule := range group.Rules() {
			if err := rule.LastError(); err != nil {
				p.faults[fault{rule.Name(), err.Error()}]++
			}
		}
		for _, rule := range group.AlertingRules() {
			rule.ForEachActiveAlert(func(a *rules.Alert) {
				if a.State == rules.StateFiring && a.ResolvedAt.IsZero() {
					firing[p.fires(a)] = true
				}
			})
		}
	}
	for key, a := range p.firing {
		if !firing[key] {
			a.ended = now
			delete(p.firing, key)
		}
	}
	for _, a := range p.firing {
		if a.notified.IsZero() && !p.inhibited(a) {
			a.notified = now
		}
	}
}

// fires notes that an alert fires and returns its key in p.firing.
func (p *prometheus) fires(a *rules.Alert) string {
	key := a.Labels.String()
	if p.firing[key] == nil {
		p.firing[key] = &alert{labels: model.LabelSet{}, fired: time.Now()}
		p.alerts = append(p.alerts, p.firing[key])
		a.Labels.Range(func(l labels.Label) { p.firing[key].labels[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
	}
	return key
}

// inhibited reports whether an alert is suppressed by another one that fires. As in Alertmanager, an alert that matches
// both sides of a rule is not suppressed by others that do.
func (p *prometheus) inhibited(target *alert) bool {
	for _, rule := range p.inhibition {
		isSource, isTarget := matching.Matchers(rule.SourceMatchers).Matches, matching.Matchers(rule.TargetMatchers).Matches
		for _, source := range p.firing {
			differs := func(name string) bool {
				return source.labels[model.LabelName(name)] != target.labels[model.LabelName(name)]
			}
			if isTarget(target.labels) && isSource(source.labels) && !slices.ContainsFunc(rule.Equal, differs) &&
				(!isSource(target.labels) || !isTarget(source.labels)) {
				return true
			}
		}
	}
	return false
}
