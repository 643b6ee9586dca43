package simulator

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// named returns the listed batch of that name: the oldest that is not completed, or else the newest.
func named(t *testing.T, a *Account, name string) *batch {
	t.Helper()
	a.lock()
	defer a.mu.Unlock()
	for _, b := range slices.Backward(a.listed) {
		if b.name == name && b.status != "completed" {
			return b
		}
	}
	for _, b := range a.listed {
		if b.name == name {
			return b
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

func flights(b *batch) (n int, oldest time.Time) {
	for _, s := range b.slots {
		if s.call != nil {
			n++
			oldest = earlier(oldest, s.call.begin)
		}
	}
	return n, oldest
}

// talkTime returns how long people have talked on the calls of a batch.
func talkTime(a *Account, batchID string) (total time.Duration) {
	for _, c := range a.Calls() {
		if c.BatchID == batchID {
			total += c.Talk
		}
	}
	return total
}

func TestTheDemoHasOneOfEverything(t *testing.T) {
	for _, hour := range []int{0, 5, 11, 12, 23} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(hour)*time.Hour + 20*time.Minute)
			now := time.Now().UTC()
			a := Demo(Options{Seed: uint64(hour)})
			check := func(name string, good func(*batch) bool) {
				if b := named(t, a, name); !good(b) {
					t.Errorf("%02d h: %s is %s, %d pending, %d+%d ended", hour, name, b.status, b.pending, b.succeeded, b.failed)
				}
			}
			check("Appointment reminders", func(b *batch) bool {
				return b.status == "running" && b.succeeded > b.failed && b.failed > 20
			})
			check("Reconquête clients – été", func(b *batch) bool { return b.status == "running" && b.failed > 5*b.succeeded })
			check("Zahlungserinnerung Köln", func(b *batch) bool {
				n, _ := flights(b)
				return b.status == "running" && b.pending > 0 && n == 0 && now.Sub(b.updated) > time.Hour && b.window.open(now)
			})
			check("Night shift roster", func(b *batch) bool {
				opens := b.window.after(now).Sub(now)
				return b.status == "running" && b.pending > 0 && opens > 11*time.Hour && opens < 13*time.Hour
			})
			check("Overnight outage notice", func(b *batch) bool { return b.pending == 220 && b.window.after(now).IsZero() })
			check("お客様アンケート", func(b *batch) bool {
				n, oldest := flights(b)
				return b.pending > 0 && n > 0 && now.Sub(oldest) > 3*time.Hour && now.Sub(b.updated) < 10*time.Minute
			})
			check("Voter registration – wave 2", func(b *batch) bool { return b.status == "scheduled" && b.scheduled.Before(now) })
			check("Запись на осмотр", func(b *batch) bool { return b.status == "scheduled" && b.scheduled.After(now) })
			check("Weekly class digest", func(b *batch) bool { return b.status == "paused" && b.runs[0].status == "running" })
			check("Daily medication check", func(b *batch) bool {
				return b.status == "recurring" && b.runs[0].status == "running" && len(b.runs) > 3 && b.runs[1].status == "completed"
			})
			check("Recall “battery” 🔋", func(b *batch) bool { n, _ := flights(b); return b.status == "cancelled" && n > 0 })
			check("Renewal notices", func(b *batch) bool {
				return b.status == "running" && b.completed.Before(b.started) && b.pending > 0
			})
			check("Parcel pick-up reminder", func(b *batch) bool {
				return b.status == "running" && b.succeeded > 3*b.failed && b.succeeded > 40 && talkTime(a, b.id) == 0
			})
			check("Appointment reminders", func(b *batch) bool { return talkTime(a, b.id) > 15*time.Minute })
			check("Summer raffle (draft)", func(b *batch) bool { return b.status == "draft" })
			check("Donor thank-you", func(b *batch) bool { return b.status == "paused" && b.pending > 0 && b.succeeded > 0 })
			check("Service notice (carrier down)", func(b *batch) bool { return b.status == "completed" && b.failed == 40 })
			ended := 0
			for _, b := range a.listed {
				if b.status == "completed" && now.Sub(b.completed) > 20*time.Hour {
					ended++
				}
			}
			if ended < 20 {
				t.Errorf("%d older batches", ended)
			}
		})
	}
}

func TestTheDemoMovesWithinThirtySeconds(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			a := Demo(Options{Seed: seed})
			state := func() []int {
				b := named(t, a, "Appointment reminders")
				return []int{b.succeeded + b.failed, b.pending}
			}
			before, calls := state(), len(a.Calls())
			time.Sleep(30 * time.Second)
			if after := state(); reflect.DeepEqual(before, after) || len(a.Calls()) == calls {
				t.Errorf("seed %d: %v stayed %v, %d calls", seed, before, after, calls)
			}
		})
	}
}

func TestWeeksOfDemoStayBoundedAndAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := Demo(Options{})
		for week := range 4 {
			time.Sleep(7 * day)
			calls := a.Calls()
			if n := len(a.batches); n > 200 {
				t.Errorf("%d batches after week %d", n, week+1)
			}
			if n := len(a.calls.entries); n > kept+kept/4 {
				t.Errorf("%d calls kept after week %d", n, week+1)
			}
			if len(a.queue) > len(a.batches) || time.Since(calls[len(calls)-1].AttemptedAt) > time.Minute {
				t.Errorf("the newest call is of %s", calls[len(calls)-1].AttemptedAt)
			}
		}
	})
}

func TestTheDemoHasNoLimitUnlessGivenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if o := Demo(Options{}).options; o.PerMinute >= 0 || o.PerHour >= 0 {
			t.Errorf("options %+v", o)
		}
		if o := Demo(Options{PerMinute: 5, PerHour: 50}).options; o.PerMinute != 5 || o.PerHour != 50 {
			t.Errorf("options %+v", o)
		}
	})
}
