package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// scene is a campaign of the demo and what users do to it.
type scene struct {
	Campaign
	steps []step
}

const day = 24 * time.Hour

// Demo returns an account that shows a bit of everything from the start: campaigns that proceed, fail, stall, wait, hang
// and reach nobody, recurring batches, and weeks of history. It goes on by itself, and its size is bounded. In its
// options, PerMinute and PerHour 0 mean no limit.
func Demo(o Options) *Account {
	o.PerMinute = cmp.Or(o.PerMinute, -1)
	o.PerHour = cmp.Or(o.PerHour, -1)
	a := New(o)
	now := time.Now().UTC()
	for _, scenes := range [][]scene{past(now), moving(now), waiting(now), recurring(now), unanswered(now)} {
		for _, s := range scenes {
			s.UpdatedAt = s.CreatedAt
			a.add(s.Campaign, s.steps...)
		}
	}
	return a
}

// moving returns the campaigns that are calling, or should be.
func moving(now time.Time) []scene {
	return []scene{
		{Campaign: Campaign{
			Name: "Appointment reminders", Recipients: 480, CreatedAt: now.Add(-25 * time.Minute), Repeat: true,
			MaxConcurrency: 5, DialEvery: 30 * time.Second, CallLength: 25 * time.Second,
		}},
		{Campaign: Campaign{
			Name: "Reconquête clients – été", Recipients: 300, CreatedAt: now.Add(-30 * time.Minute), Repeat: true,
			MaxConcurrency: 2, DialEvery: 40 * time.Second, CallLength: 15 * time.Second,
			Outcomes: Outcomes{Completed: 5, Failed: 70, Busy: 10, NoAnswer: 15},
		}},
		{Campaign: Campaign{
			Name: "Zahlungserinnerung Köln", Recipients: 400, CreatedAt: now.Add(-2 * time.Hour),
			MaxConcurrency: 3, DialEvery: 20 * time.Second, CallLength: 15 * time.Second, StallAfter: 120,
		}},
		{Campaign: Campaign{
			Name: "お客様アンケート", Recipients: 500, CreatedAt: now.Add(-4 * time.Hour),
			MaxConcurrency: 3, DialEvery: 3 * time.Minute, CallLength: 80 * time.Second, StuckCalls: 1,
		}},
		{
			Campaign: Campaign{
				Name: "Renewal notices", Recipients: 400, CreatedAt: now.Add(-26 * time.Hour),
				StartedAt: now.Add(-26 * time.Hour), MaxConcurrency: 4, DialEvery: 2 * time.Minute,
				WindowDays: daysBut(now.AddDate(0, 0, 2).Weekday()),
			},
			steps: []step{{at: ago(now, time.Hour), do: (*batch).rerun}},
		},
		{
			Campaign: Campaign{
				Name: "Recall “battery” 🔋", Recipients: 250, CreatedAt: now.Add(-2 * time.Hour),
				StartedAt: now.Add(-2 * time.Hour), MaxConcurrency: 3, DialEvery: 10 * time.Second,
				CallLength: 6 * time.Minute,
			},
			steps: []step{{at: ago(now, 45*time.Second), do: (*batch).cancel}},
		},
	}
}

// daysBut returns all days of the week but one.
func daysBut(rest time.Weekday) []int {
	return slices.DeleteFunc([]int{0, 1, 2, 3, 4, 5, 6}, func(day int) bool { return time.Weekday(day) == rest })
}

// waiting returns campaigns that are not calling, each for a different reason.
func waiting(now time.Time) []scene {
	hour := (now.Hour() + 12) % 24
	return []scene{
		{Campaign: Campaign{
			Name: "Night shift roster", Recipients: 300, CreatedAt: now.Add(-30 * time.Hour), Repeat: true,
			DialEvery: time.Minute, CallLength: 30 * time.Second,
			WindowStart: fmt.Sprintf("%02d:00:00", hour), WindowEnd: fmt.Sprintf("%02d:59:00", hour),
		}},
		{Campaign: Campaign{
			Name: "Overnight outage notice", Recipients: 220, CreatedAt: now.Add(-2 * day), DialEvery: time.Minute,
			WindowStart: "22:00:00", WindowEnd: "06:00:00", WindowDays: []int{0, 1, 2, 3, 4, 5, 6},
		}},
		{Campaign: Campaign{
			Name: "Voter registration – wave 2", Status: "scheduled", Recipients: 180,
			CreatedAt: now.Add(-day), ScheduledAt: now.Add(-time.Hour),
		}},
		{Campaign: Campaign{
			Name: "Запись на осмотр", Status: "scheduled", Recipients: 90, CreatedAt: now.Add(-3 * time.Hour),
			ScheduledAt: now.Add(6 * time.Hour), MaxConcurrency: 2, DialEvery: time.Minute,
		}},
		{Campaign: Campaign{Name: "Summer raffle (draft)", Status: "draft", Recipients: 35, CreatedAt: now.Add(-5 * day)}},
		{
			Campaign: Campaign{
				Name: "Donor thank-you", Recipients: 260, CreatedAt: now.Add(-5 * time.Hour),
				StartedAt: now.Add(-5 * time.Hour), MaxConcurrency: 2, DialEvery: 2 * time.Minute,
			},
			steps: []step{{at: ago(now, 2*time.Hour), do: (*batch).pause}},
		},
	}
}

// recurring returns the recurring batches, which spawn their runs by themselves.
func recurring(now time.Time) []scene {
	return []scene{
		{Campaign: Campaign{
			Name: "Daily medication check", Recipients: 140, CreatedAt: now.Add(-5*day - 2*time.Hour),
			Recurrence: "daily", RunEvery: day, DialEvery: 10 * time.Minute, CallLength: 90 * time.Second,
		}},
		{
			Campaign: Campaign{
				Name: "Weekly class digest", Recipients: 300, CreatedAt: now.Add(-21*day - 3*time.Hour),
				Recurrence: "weekly", RunEvery: 7 * day, MaxRuns: 12, DialEvery: 10 * time.Minute,
			},
			steps: []step{{at: ago(now, time.Hour), do: (*batch).pause}},
		},
	}
}

// unanswered returns a campaign whose calls are completed although nobody talks, as with a voicemail that hangs up at
// once. Only the call records show that.
func unanswered(now time.Time) []scene {
	return []scene{{Campaign: Campaign{
		Name: "Parcel pick-up reminder", Recipients: 360, CreatedAt: now.Add(-25 * time.Minute), Repeat: true,
		MaxConcurrency: 3, DialEvery: 40 * time.Second, CallLength: 30 * time.Second,
		Outcomes: Outcomes{Completed: 90, Busy: 4, NoAnswer: 6}, Records: CallRecords{ZeroTalk: 1},
	}}}
}

func ago(now time.Time, d time.Duration) time.Time { return storedTime(now.Add(-d)) }

// pastNames are the names of the demo's older campaigns. Names need not be unique.
var pastNames = [...]string{
	"Appointment reminders", "Satisfaction survey", "Rückruf-Aktion Herbst", "Enquête de satisfaction",
	"Påminnelse tandlege", "Store opening Montréal", "Follow-up", "Follow-up", "Kampania zimowa – Łódź",
	"Recordatorio de cita", "Flu vaccination", "Parcel pick-up", "Harvest fair", "Напоминание о визите",
	"Membership renewal", "Test call", "Water main repair", "Alumni weekend", "Süreli teklif", "会員の皆様へ",
}

// past returns the campaigns that have ended: one in which every call failed, and twenty from the last three weeks.
func past(now time.Time) []scene {
	scenes := []scene{{Campaign: Campaign{
		Name: "Service notice (carrier down)", Recipients: 40, CreatedAt: now.Add(-50 * time.Minute),
		MaxConcurrency: 2, DialEvery: 90 * time.Second, CallLength: 10 * time.Second, Outcomes: Outcomes{Failed: 1},
	}}}
	for i, name := range pastNames {
		created := now.Add(-time.Duration(i+1)*day - time.Duration(i*i%11)*time.Hour - time.Duration(i*i*977)*time.Second/7)
		c := Campaign{
			Name: name, Recipients: 15 + i*i%7*18, CreatedAt: created,
			MaxConcurrency: 1 + i%5, DialEvery: 50 * time.Second, CallLength: 45 * time.Second,
		}
		if i%3 == 0 {
			c.StartedAt = created.Add(2 * time.Second)
		}
		if i%4 == 3 {
			c.Name += " #" + strconv.Itoa(i/4+1)
		}
		scenes = append(scenes, scene{Campaign: c})
	}
	return scenes
}
