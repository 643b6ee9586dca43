package web

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"magpipe_exporter/collector"
)

// section is a table of campaigns on the landing page.
type section struct {
	ID, Title string
	Calling   bool // with the columns about calls
	Rows      []row
	More      int // campaigns that the page has no room for
}

// Total returns the number of campaigns in the section.
func (s section) Total() int { return len(s.Rows) + s.More }

// row is a campaign in a table.
type row struct {
	label
	Note      string // what it is, besides what its section says
	Attention bool   // there is a notice about it

	Progress        cell
	Dialled, Target int64 // of the bar; Target 0: none
	Answered        cell
	Failed          cell
	Active          cell
	Plan            cell // when it starts, or how often it repeats
	Window          cell
	Read            *instant // nil: not read
	ReadNote        string
}

// label identifies a campaign.
type label struct{ Name, ID string } // Name "": it has none, or names are not shown

// cell is a text with a detail below it; either may be "".
type cell struct{ Text, Detail string }

// Limits that keep the page small, however many campaigns there are and whatever
// they are called.
const (
	mostRunning = 150 // rows of running campaigns
	mostOthers  = 30  // rows of any other section
	longestName = 60  // characters
)

func labelOf(b *collector.BatchOverview) label {
	return label{Name: shorten(b.Name), ID: shorten(b.ID)}
}

// shorten cuts a text that the API's users wrote, and replaces what has no place in
// a line.
func shorten(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > longestName {
		return string(runes[:longestName-1]) + "…"
	}
	return text
}

// sectionsOf returns the sections that have campaigns. Those in attention have a notice.
func sectionsOf(o *collector.Overview, attention map[string]bool) []section {
	sections := []section{
		{ID: "running", Title: "Running", Calling: true},
		{ID: "paused", Title: "Paused", Calling: true},
		{ID: "scheduled", Title: "Scheduled"},
		{ID: "recurring", Title: "Recurring"},
		{ID: "ended", Title: "Recently ended", Calling: true},
	}
	for i := range o.Batches {
		b := &o.Batches[i]
		id, most := sectionOf(b), mostOthers
		if id == "running" {
			most = mostRunning
		}
		s := &sections[slices.IndexFunc(sections, func(s section) bool { return s.ID == id })]
		if len(s.Rows) == most {
			s.More++
			continue
		}
		r := rowOf(o, b)
		r.Attention = attention[b.ID]
		s.Rows = append(s.Rows, r)
	}
	return slices.DeleteFunc(sections, func(s section) bool { return s.Total() == 0 })
}

func sectionOf(b *collector.BatchOverview) string {
	switch {
	case b.Ended:
		return "ended"
	case b.Template || b.State == "recurring":
		return "recurring"
	}
	return b.State
}

func rowOf(o *collector.Overview, b *collector.BatchOverview) row {
	r := row{label: labelOf(b), Note: noteOf(o, b), Plan: planOf(o, b), Window: windowOf(o, &b.Window)}
	if b.Target >= 0 {
		r.Progress.Text = plural(b.Target, "recipient")
	}
	switch {
	case b.Recipients != nil:
		r.addRecipients(o, b)
	case b.Template:
	case b.Ended:
		r.ReadNote = "not read: it ended before the exporter saw it"
	default:
		r.ReadNote = "not read yet"
	}
	if b.Reads.Err != nil {
		r.ReadNote = "the last read failed"
	}
	return r
}

// noteOf says what a campaign is and since when.
func noteOf(o *collector.Overview, b *collector.BatchOverview) string {
	note := ""
	switch began := latest(b.StartedAt, b.CreatedAt); {
	case b.Ended && !b.EndedAt.IsZero():
		note = fmt.Sprintf("%s %s, at %s", b.State, ago(o.At.Sub(b.EndedAt)), utc(b.EndedAt))
	case b.Ended, b.Template && b.State != "recurring":
		note = b.State
	case !b.Template && b.State != "scheduled" && !began.IsZero():
		note = "began " + ago(o.At.Add(o.ClockAhead).Sub(began))
	}
	if b.ParentID != "" {
		note = "a run; " + note
	}
	return note
}

// addRecipients fills in what the recipients of a campaign tell.
func (r *row) addRecipients(o *collector.Overview, b *collector.BatchOverview) {
	c := b.Recipients
	r.Progress.Text = fmt.Sprintf("%d dialled", c.Dialled)
	if b.Target > 0 {
		r.Progress = cell{fmt.Sprintf("%d of %d", c.Dialled, b.Target), percent(c.Dialled, b.Target) + " dialled"}
		r.Dialled, r.Target = c.Dialled, b.Target
	}
	if c.Unknown > 0 {
		r.Progress.Text = "at least " + r.Progress.Text
	}
	switch {
	case c.Recorded > 0:
		r.Answered = cell{percent(c.Answered, c.Recorded), fmt.Sprintf("%d of %d recorded", c.Answered, c.Recorded)}
	case c.Finished > 0:
		r.Answered = cell{"at most " + percent(c.Completed, c.Finished), fmt.Sprintf("%d of %d completed", c.Completed, c.Finished)}
	}
	if c.Finished > 0 {
		r.Failed = cell{percent(c.Failed, c.Finished), fmt.Sprintf("%d of %d ended", c.Failed, c.Finished)}
	}
	r.Active.Text = fmt.Sprint(c.Active)
	if !c.OldestActive.IsZero() {
		r.Active.Detail = "oldest began " + ago(o.At.Add(o.ClockAhead).Sub(c.OldestActive))
	}
	r.Read = instantAt(c.ReadAt, o.At)
	if !c.OutdatedSince.IsZero() {
		r.ReadNote = "outdated for " + length(o.At.Sub(c.OutdatedSince))
	}
}

// planOf says when a scheduled campaign starts, or how often a recurring one repeats.
func planOf(o *collector.Overview, b *collector.BatchOverview) cell {
	switch {
	case b.State == "scheduled" && !b.ScheduledAt.IsZero():
		return cell{utc(b.ScheduledAt), ago(o.At.Add(o.ClockAhead).Sub(b.ScheduledAt))}
	case b.Runs >= 0 && b.MaxRuns > 0:
		return cell{b.Recurrence, fmt.Sprintf("%d of %d runs", b.Runs, b.MaxRuns)}
	case b.Runs >= 0:
		return cell{b.Recurrence, plural(b.Runs, "run") + " so far"}
	}
	return cell{Text: b.Recurrence}
}

func windowOf(o *collector.Overview, w *collector.WindowOverview) cell {
	at := func(t time.Time) string { return fmt.Sprintf("%s, %s", utc(t), ago(o.At.Sub(t))) }
	switch {
	case !w.Known:
		return cell{Text: "unknown"}
	case !w.Valid:
		return cell{Text: "never opens"}
	case !w.Open && w.Opens.IsZero():
		return cell{Text: "closed"}
	case !w.Open:
		return cell{"closed", "opens " + at(w.Opens)}
	case w.Closes.IsZero():
		return cell{Text: "always open"}
	}
	return cell{"open", "closes " + at(w.Closes)}
}
