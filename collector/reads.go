package collector

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"magpipe_exporter/apiclient"
)

// read sends one request that is paid for, and keeps what it brings.
type read func(ctx context.Context, permit *apiclient.Permit)

// prepare notes that a request is being sent. The caller holds the mutex; the
// read that is returned takes it.
func (c *Collector) prepare(r request) read {
	switch r.action {
	case apiclient.ActionList:
		return c.prepareList(r)
	case apiclient.ActionListRuns:
		return c.prepareRuns(r)
	default:
		return c.prepareGet(r)
	}
}

func (c *Collector) prepareList(r request) read {
	sent := time.Now()
	walk := c.account.list.next(c.client, r.filtered, sent)
	if !r.filtered && c.account.list.long() {
		c.account.walks().AllowN(sent, 1)
	}
	return func(ctx context.Context, permit *apiclient.Permit) {
		rows, err := permit.Next(ctx, walk)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			if c.failed(ctx, r, err) {
				c.account.seeListFail(r.filtered, err)
			}
			return
		}
		before := c.account.list
		c.account.seeListPage(walk, rows, sent, r.filtered)
		c.logGood(before, len(rows))
	}
}

func (c *Collector) prepareRuns(r request) read {
	sent := time.Now()
	walk := c.account.seriesOf(r.id).next(c.client, c.account.batches[r.id], sent)
	return func(ctx context.Context, permit *apiclient.Permit) {
		rows, err := permit.Next(ctx, walk)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			if c.failed(ctx, r, err) {
				c.account.seeRunsFail(walk, r.id)
			}
			return
		}
		c.account.seeRuns(walk, r.id, rows, sent)
	}
}

func (c *Collector) prepareGet(r request) read {
	sent := time.Now()
	c.account.batches[r.id].askedAt = sent
	return func(ctx context.Context, permit *apiclient.Permit) {
		t := &tally{batchID: r.id, seed: c.account.seed}
		row, err := permit.Get(ctx, r.id, t.add)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			if c.failed(ctx, r, err) {
				c.account.seeGetFail(r.id, apiclient.Reason(err) == "not_found")
			}
			return
		}
		c.account.seeGet(row, t, sent)
	}
}

// logGood logs the first page of the list that could be read, at the start and
// after failures: or the log would end with what no longer holds.
func (c *Collector) logGood(before listing, rows int) {
	switch {
	case before.goodAt.IsZero():
		_ = level.Info(c.cfg.Logger).Log("msg", "a page of the batch list has been read", "batches", rows)
	case before.failures > 0:
		_ = level.Info(c.cfg.Logger).Log("msg", "the batch list can be read again", "batches", rows, "failures", before.failures)
	}
}

// failed logs a request that failed. One that was not sent, because another was
// answered 429 meanwhile or the process ends, did not.
func (c *Collector) failed(ctx context.Context, r request, err error) bool {
	if errors.Is(err, apiclient.ErrBackoff) {
		c.inst.deferred.WithLabelValues(string(r.action), deferredBackoff).Inc()
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	fields := []any{
		"msg", "request failed, what it would have read stays as it was",
		"action", string(r.action), "reason", apiclient.Reason(err), "err", err,
	}
	if r.id != "" {
		fields = append(fields, "batch_id", r.id)
	}
	_ = level.Warn(c.cfg.Logger).Log(fields...)
	return true
}
