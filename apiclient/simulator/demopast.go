package simulator

import (
	"strconv"
	"time"
)

// pastNames are what the older campaigns of the demo were called; names need not be unique.
var pastNames = [...]string{
	"Appointment reminders", "Satisfaction survey", "Rückruf-Aktion Herbst", "Enquête de satisfaction",
	"Påminnelse tandlege", "Store opening Montréal", "Follow-up", "Follow-up", "Kampania zimowa – Łódź",
	"Recordatorio de cita", "Flu vaccination", "Parcel pick-up", "Harvest fair", "Напоминание о визите",
	"Membership renewal", "Test call", "Water main repair", "Alumni weekend", "Süreli teklif", "会員の皆様へ",
}

// past are the campaigns that are over: one of which every call failed, and twenty over the last three weeks.
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
