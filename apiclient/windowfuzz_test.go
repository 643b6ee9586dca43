package apiclient_test

import (
	"fmt"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

// opens tells of a window as the service compares: clock text with clock text.
func opens(w apiclient.Window, clock string, day time.Weekday) bool {
	text := func(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
	return w.Days.Has(day) && (w.Start < 0 || clock > text(w.Start)) && (w.End < 0 || clock <= text(w.End))
}

func FuzzWindow(f *testing.F) {
	f.Add(int16(540), int16(1020), uint8(0b0111110), int64(1795336260), int32(0))
	f.Fuzz(func(t *testing.T, start, end int16, days uint8, at int64, offset int32) {
		w := apiclient.Window{ // whatever the decoder can make
			Start: max(-1, int(start)%1441), End: max(-1, int(end)%1441), Days: apiclient.Days(days) & apiclient.EveryDay,
		}
		now := time.Unix(at%(1<<36), 0).In(time.FixedZone("", int(offset)%(14*3600)))
		open := w.Open(now)
		if want := opens(w, now.Format("15:04"), now.Weekday()); open != want {
			t.Errorf("%+v at %v: open %v, want %v", w, now, open, want)
		}
		if open && !w.Valid() {
			t.Errorf("%+v is open at %v, and can never open", w, now)
		}
		ever := false
		for minute := range 1440 {
			for day := time.Sunday; day <= time.Saturday && !ever; day++ {
				ever = opens(w, fmt.Sprintf("%02d:%02d", minute/60, minute%60), day)
			}
			if ever {
				break
			}
		}
		if w.Valid() != ever {
			t.Errorf("%+v: valid %v, opens %v", w, w.Valid(), ever)
		}
	})
}
