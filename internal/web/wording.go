package web

import (
	"fmt"
	"time"
)

// The units of percent and length follow a no-break space.

// percent returns a share in whole percent, which is 0 or 100 only if that is exact.
func percent(part, whole int64) string {
	switch rounded := (200*part + whole) / (2 * whole); {
	case rounded == 0 && part > 0:
		return "<1\u00a0%"
	case rounded == 100 && part < whole:
		return ">99\u00a0%"
	default:
		return fmt.Sprintf("%d\u00a0%%", rounded)
	}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// ago says how long ago something was, or will be if it lies in the future.
func ago(d time.Duration) string {
	if d <= -time.Second {
		return "in " + length(-d)
	}
	return length(d) + " ago"
}

// length returns a duration in its one or two largest units.
func length(d time.Duration) string {
	seconds := int64(max(0, d) / time.Second)
	minutes, hours, days := seconds/60, seconds/3600, seconds/86400
	switch {
	case minutes == 0:
		return fmt.Sprintf("%d\u00a0s", seconds)
	case hours == 0:
		return fmt.Sprintf("%d\u00a0min", minutes)
	case days == 0:
		return twoUnits(hours, "h", minutes%60, "min")
	}
	return twoUnits(days, "d", hours%24, "h")
}

func twoUnits(large int64, unit string, small int64, smaller string) string {
	if small == 0 {
		return fmt.Sprintf("%d\u00a0%s", large, unit)
	}
	return fmt.Sprintf("%d\u00a0%s %d\u00a0%s", large, unit, small, smaller)
}

func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
