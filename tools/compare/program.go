package main

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// peer is a program that is compared, and what was measured of it.
type peer struct {
	name       string
	path       string
	args       []string
	page       string // where it serves
	compressed bool   // whether the answer may be, as Prometheus asks for

	program  program
	cpu      []time.Duration
	wall     []time.Duration
	spent    time.Duration // CPU by the end of the last scrape
	first    answer        // of the same turn as everybody's
	last     answer
	requests int // that the last scrape cost the account
	peak     int // bytes resident at most
}

// jsonPeer is json_exporter with one of its configured modules.
func (s *settings) jsonPeer(name, module string, account *api) *peer {
	page := "/probe?module=" + module + "&target=" + url.QueryEscape(account.url)
	return &peer{name: name, path: s.jsonExporter, page: page, compressed: true, args: []string{
		"--web.listen-address=127.0.0.1:0", "--config.file=" + s.config,
	}}
}

// scriptPeer is what one would write instead.
func (s *settings) scriptPeer(name string, account *api) *peer {
	return &peer{name: name, path: s.python, page: "/metrics", compressed: true, args: []string{s.script, account.url}}
}

// ownPeer is this exporter with a budget that is never spent.
func (s *settings) ownPeer(name string, minRefresh time.Duration, account *api) *peer {
	return &peer{name: name, path: s.exporter, page: "/metrics", compressed: true, args: []string{
		"--web.listen-address=127.0.0.1:0", "--api.url=" + account.url, "--collector.min-refresh=" + minRefresh.String(),
		"--collector.finished-retention=24h", "--collector.max-batches=1000", "--api.page-size=1000",
		"--api.requests-per-minute=1000000", "--api.requests-per-hour=10000000",
	}}
}

func (p *peer) start(ctx context.Context) (err error) {
	if p.program, err = start(ctx, p.path, p.args...); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// measure scrapes once. The CPU of a scrape is all that was used since the end of the one before, so that what a
// garbage collector does later is not lost.
func (p *peer) measure(ctx context.Context) error {
	began := time.Now()
	answer, err := scrape(ctx, "http://"+p.program.Address+p.page, p.compressed)
	took := time.Since(began)
	if err != nil {
		return fmt.Errorf("%s: %w; its log ends: %s", p.name, err, p.program.LogEnd(10))
	}
	spent, err := p.program.cpu()
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.wall, p.cpu = append(p.wall, took), append(p.cpu, spent-p.spent)
	if p.first.body == nil {
		p.first = answer
	}
	p.last, p.spent = answer, spent
	return nil
}

// forget drops what the rounds so far have measured.
func (p *peer) forget() { p.wall, p.cpu = nil, nil }
