package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"magpipe_exporter/apiclient/simulator"
)

// match is a comparison on one account.
type match struct {
	turns   []*simulator.Account
	invite  func(*api) []*peer
	divisor int // index of the peer by whose CPU those of all are divided
	truth   int // index of the peer whose samples those of all are held against

	account *api
	peers   []*peer
}

// warmUp is how many rounds come before those that count: by then this exporter knows where the list ends.
const warmUp = 2

// play starts the account and the peers, scrapes these in turn, from first to last and back, and ends all of them.
func (m *match) play(ctx context.Context, s *settings) (rounds int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if m.account, err = serveAPI(ctx, m.turns...); err != nil {
		return 0, err
	}
	m.peers = m.invite(m.account)
	defer func() { err = errors.Join(err, m.stop()) }()
	for _, p := range m.peers {
		if err := p.start(ctx); err != nil {
			return 0, err
		}
	}
	began, order := time.Now(), slices.Clone(m.peers)
	for n := range warmUp + s.rounds {
		if n == warmUp {
			m.forget()
		}
		if rounds > 0 && time.Since(began) > s.perTable {
			break
		}
		if err := m.round(ctx, order); err != nil {
			return rounds, err
		}
		slices.Reverse(order)
		rounds = max(0, n+1-warmUp)
	}
	return rounds, m.close()
}

func (m *match) stop() (err error) {
	for _, p := range m.peers {
		if p.program.Process != nil {
			err = errors.Join(err, p.program.Stop())
		}
	}
	return err
}

func (m *match) forget() {
	for _, p := range m.peers {
		p.forget()
	}
}

func (m *match) round(ctx context.Context, order []*peer) error {
	for _, p := range order {
		before := m.account.asked()
		if err := p.measure(ctx); err != nil {
			return err
		}
		p.requests = m.account.asked() - before
	}
	m.account.next()
	return nil
}

// close takes what is known only at the end, and errs where one of them is not well: its cost would mean nothing.
func (m *match) close() (err error) {
	for _, p := range m.peers {
		if complaints := p.program.Complaints(); len(complaints) > 0 {
			return fmt.Errorf("%s complains: %.300s", p.name, complaints[0])
		}
		if p.peak, err = p.program.peakMemory(); err != nil {
			return err
		}
		for _, a := range []*answer{&p.first, &p.last} {
			if err := a.unpack(); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if a.ofBatches() == 0 {
				return fmt.Errorf("%s tells of no batch", p.name)
			}
		}
	}
	return nil
}

// print writes the table.
func (m *match) print(out io.Writer) {
	fmt.Fprintln(out, "| program | requests | series of batches | same as ours | CPU, median | CPU, mean | wall | peak memory | CPU ÷ json_exporter's |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	divisor, truth := m.peers[m.divisor], m.peers[m.truth]
	for _, p := range m.peers {
		share := float64(median(p.cpu)) / float64(median(divisor.cpu))
		fmt.Fprintf(out, "| %s | %d | %d | %d | %s | %s | %s | %s | %s |\n", p.name, p.requests, p.last.ofBatches(),
			p.first.sharedWith(&truth.first), ms(median(p.cpu)), ms(mean(p.cpu)), ms(median(p.wall)), megabytes(p.peak), ratio(share))
	}
	fmt.Fprintln(out)
}
