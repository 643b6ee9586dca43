package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// list compares on a page of batches that have ended: one request tells all there is.
func (s *settings) list(ctx context.Context, out io.Writer, n int) error {
	m := &match{turns: ended(n), divisor: 0, truth: 3, invite: func(a *api) []*peer {
		bare := s.ownPeer("magpipe_exporter, ready snapshot, not compressed", time.Hour, a)
		bare.compressed = false
		return []*peer{
			s.jsonPeer("json_exporter, as many series", "same_series", a),
			s.jsonPeer("json_exporter, four numbers a batch", "numbers", a),
			s.scriptPeer("Python script", a),
			s.ownPeer("magpipe_exporter, reading the list", 0, a),
			s.ownPeer("magpipe_exporter, ready snapshot", time.Hour, a),
			bare,
		}
	}}
	rounds, err := m.play(ctx, s)
	if err != nil {
		return fmt.Errorf("a page of %d batches: %w", n, err)
	}
	fmt.Fprintf(out, "A page of %d batches that have ended, %d rounds:\n\n", n, rounds)
	m.print(out)
	return nil
}

// gets shows what the truth about recipients costs, which the others do not tell.
func (s *settings) gets(ctx context.Context, out io.Writer) error {
	const running, others = 20, 80
	m := &match{turns: ended(others), divisor: 0, truth: 2, invite: func(a *api) []*peer {
		return []*peer{
			s.jsonPeer("json_exporter, list only", "same_series", a),
			s.scriptPeer("Python script, list only", a),
			s.ownPeer("magpipe_exporter, list and recipients", 0, a),
			s.ownPeer("magpipe_exporter, ready snapshot", time.Hour, a),
		}
	}}
	now := time.Now()
	for _, account := range m.turns {
		addRunning(account, now, running, false)
	}
	rounds, err := m.play(ctx, s)
	if err != nil {
		return fmt.Errorf("running batches: %w", err)
	}
	fmt.Fprintf(out, "A page of %d batches, %d of them running with %d recipients each, %d rounds:\n\n",
		running+others, running, recipients, rounds)
	m.print(out)
	return nil
}

// memory scrapes this exporter a hundred times while 200 batches call their recipients, and prints its peak.
func (s *settings) memory(ctx context.Context, out io.Writer) error {
	const batches, scrapes = 200, 100
	live := newAccount()
	addRunning(live, time.Now(), batches, true)
	m := &match{turns: []*simulator.Account{live}, invite: func(a *api) []*peer {
		return []*peer{s.ownPeer("magpipe_exporter", 0, a)}
	}}
	all := *s
	all.rounds, all.perTable = scrapes-warmUp, limit
	if _, err := m.play(ctx, &all); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	p := m.peers[0]
	fmt.Fprintf(out, "%d running batches with %d recipients each, after %d scrapes:\n\n", batches, recipients, scrapes)
	fmt.Fprintln(out, "| requests a scrape | series of batches | CPU, median | wall | peak memory |")
	fmt.Fprintln(out, "|---:|---:|---:|---:|---:|")
	fmt.Fprintf(out, "| %d | %d | %s | %s | %s |\n\n", p.requests, p.last.ofBatches(), ms(median(p.cpu)), ms(median(p.wall)), megabytes(p.peak))
	return nil
}
