package main

import (
	"fmt"
	"slices"
	"time"
)

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func mean(of []time.Duration) (sum time.Duration) {
	for _, d := range of {
		sum += d
	}
	return sum / time.Duration(max(1, len(of)))
}

// ms shows two or three digits, which is as many as two runs agree on.
func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2g ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// ratio shows a share of one as its inverse: 1/25.
func ratio(share float64) string {
	if share <= 0 || share >= 1 {
		return fmt.Sprintf("%.3g", share)
	}
	return fmt.Sprintf("1/%.0f", 1/share)
}
