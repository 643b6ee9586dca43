package web

import (
	"fmt"
	"slices"
	"time"

	"magpipe_exporter/collector"
)

// The thresholds are those of the alerts, in dashboards/rules/magpipe-thresholds.yml.
const (
	listAge      = 15 * time.Minute // the batch list was read too long ago
	detailsWait  = 15 * time.Minute // a running batch waits too long to be read
	stuckCall    = 30 * time.Minute // a call is under way for too long
	stalled      = 25 * time.Minute // a running batch has not dialled for too long
	overdue      = 10 * time.Minute // a batch is still scheduled too long after its time
	callsMin     = 20               // fewer calls do not make a share
	failureRatio = 0.3              // of the calls that ended
	answerRatio  = 0.2
	scrapeWait   = 5 * time.Minute // with longer scrape intervals, some of the budget goes unused
)

// accountNotices returns what needs attention about the account as a whole.
func accountNotices(o *collector.Overview) (texts []string) {
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	sinceRefresh, sinceList := o.At.Sub(o.RefreshedAt), o.At.Sub(o.List.ReadAt)
	switch {
	case o.List.Reason == "unauthorized":
		add("The API rejects the key: check --api.key-file or MAGPIPE_API_KEY.")
	case o.List.Err != nil && o.List.ReadAt.IsZero():
		add("The batch list cannot be read: %v.", o.List.Err)
	case o.List.Err != nil:
		add("The batch list cannot be read: %v. It was last read %s.", o.List.Err, ago(sinceList))
	case !o.RefreshedAt.IsZero() && sinceRefresh > scrapeWait:
		add("Nothing has been read for %s: the exporter reads when its metrics are scraped.", length(sinceRefresh))
	case !o.List.ReadAt.IsZero() && sinceList > listAge:
		add("The batch list was last read %s: new campaigns and changes of state may be missing.", ago(sinceList))
	}
	if o.ListTruncated {
		add("The last read of the batch list may have missed batches, so the counts by state are lower bounds.")
	}
	if o.CallRecords != nil && o.CallRecords.Err != nil {
		add("The call records cannot be read: %v. The shares of answered calls are upper bounds or out of date.", o.CallRecords.Err)
	}
	// The API's time is known in whole seconds, so what is half an hour may look a second shorter.
	switch ahead := o.ClockAhead.Round(time.Minute); {
	case o.ClockAhead > collector.ClockDifference:
		add("The clock of this machine is %s behind the API's: call windows are judged at the wrong time.", length(ahead))
	case o.ClockAhead < -collector.ClockDifference:
		add("The clock of this machine is %s ahead of the API's: call windows are judged at the wrong time.", length(-ahead))
	}
	return texts
}

// batchNotices returns what needs attention about a batch.
func batchNotices(o *collector.Overview, b *collector.BatchOverview) (texts []string) {
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	if b.State == "failed" {
		add("The service has given up on it.")
	}
	if b.Window.Known && !b.Window.Valid && (b.State == "running" || b.State == "scheduled" || b.State == "recurring") {
		add("Its call window never opens.")
	}
	if late := o.List.ReadAt.Add(o.ClockAhead).Sub(b.ScheduledAt); b.State == "scheduled" && !b.ScheduledAt.IsZero() && late > overdue {
		add("It should have started %s and is still scheduled.", ago(late))
	}
	waits := waitingSince(o, b)
	switch {
	case b.Reads.Err != nil:
		add("Its recipients cannot be read: %v.", b.Reads.Err)
	case b.State == "running" && !waits.IsZero() && o.At.Sub(waits) > detailsWait:
		add("Its recipients have waited for %s to be read.", length(o.At.Sub(waits)))
	}
	if b.Recipients != nil {
		texts = append(texts, recipientNotices(o, b, b.Recipients)...)
	}
	return texts
}

// waitingSince returns since when a running batch has needed to be read, by the
// local clock, or zero if it does not need to.
func waitingSince(o *collector.Overview, b *collector.BatchOverview) time.Time {
	if b.Recipients == nil {
		return latest(b.SeenAt, b.StartedAt.Add(-o.ClockAhead))
	}
	return b.Recipients.OutdatedSince
}

func recipientNotices(o *collector.Overview, b *collector.BatchOverview, r *collector.RecipientsOverview) (texts []string) {
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	rightUntil := r.RightUntil.Add(o.ClockAhead)
	underWay, quiet := rightUntil.Sub(r.OldestActive), rightUntil.Sub(lastActivity(o, b, r))
	switch {
	case !r.OldestActive.IsZero() && underWay > stuckCall:
		add("A call has been under way for %s. It occupies one of the campaign's lines.", length(underWay))
	case mayDial(b, r) && quiet > stalled:
		add("It may dial and has recipients left, but has not dialled for %s.", length(quiet))
	}
	switch {
	case r.Finished >= callsMin && ratio(r.Failed, r.Finished) > failureRatio:
		add("%s of its calls failed.", percent(r.Failed, r.Finished))
	case r.Recorded >= callsMin && r.Answered == 0:
		add("Nobody has answered any of the %d calls whose record was read, though %d calls count as completed.", r.Recorded, r.Completed)
	case r.Recorded >= callsMin && ratio(r.Answered, r.Recorded) < answerRatio:
		add("Only %s of its calls were answered.", percent(r.Answered, r.Recorded))
	case r.Recorded == 0 && r.Finished >= callsMin && ratio(r.Completed, r.Finished) < answerRatio:
		add("At most %s of its calls were answered.", percent(r.Completed, r.Finished))
	}
	return texts
}

// mayDial reports whether a batch should be dialling, as far as is known. One
// whose recipients are outdated or incomplete may have dialled unseen.
func mayDial(b *collector.BatchOverview, r *collector.RecipientsOverview) bool {
	return b.State == "running" && b.Window.Known && b.Window.Open && r.Pending > 0 && r.Unknown == 0 && r.OutdatedSince.IsZero()
}

// lastActivity returns, by the API's clock, when a batch last dialled, or when it
// could have begun to.
func lastActivity(o *collector.Overview, b *collector.BatchOverview, r *collector.RecipientsOverview) time.Time {
	return latest(r.LastDial, b.StartedAt, b.CreatedAt, b.UpdatedAt, b.Window.Opened.Add(o.ClockAhead))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

func ratio(part, whole int64) float64 { return float64(part) / float64(whole) }
