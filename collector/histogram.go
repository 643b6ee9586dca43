package collector

import (
	"maps"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// durationHistogram counts values in classic buckets and in native ones of schema 3, whose
// bounds are a factor of 2^(1/8) = 1.09 apart. The values are durations of less
// than a day, so there are a few hundred native buckets at most.
type durationHistogram struct {
	bounds  []float64     // upper bounds of the classic buckets
	Classic []uint64      // how many values were in each, and in the one above all bounds
	Native  map[int]int64 // how many values were in each native bucket, by its index
	Zero    uint64        // how many values were 0
	Sum     float64
}

const (
	nativeSchema        = 3
	nativeZeroThreshold = 0x1p-128
)

// nativeBounds are the bounds between 0.5 and 1: 2^(i/8) / 2.
var nativeBounds = [1 << nativeSchema]float64{
	0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048, 0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
}

func newHistogram(bounds []float64) *durationHistogram {
	return &durationHistogram{bounds: bounds, Classic: make([]uint64, len(bounds)+1), Native: map[int]int64{}}
}

// observe counts a value, which is at least 0.
func (h *durationHistogram) observe(value float64) {
	i, _ := slices.BinarySearch(h.bounds, value)
	h.Classic[i]++
	h.Sum += value
	if value <= nativeZeroThreshold {
		h.Zero++
		return
	}
	h.Native[nativeIndex(value)]++
}

// nativeIndex returns the index of the native bucket of a value: bucket i holds
// values above 2^((i-1)/8) up to 2^(i/8).
func nativeIndex(value float64) int {
	fraction, exponent := math.Frexp(value) // value = fraction × 2^exponent, with 0.5 ≤ fraction < 1
	i, _ := slices.BinarySearch(nativeBounds[:], fraction)
	return i + (exponent-1)*len(nativeBounds)
}

// write returns the histogram as client_golang would.
func (h *durationHistogram) write() *dto.Histogram {
	schema, threshold, zero, sum, count := int32(nativeSchema), nativeZeroThreshold, h.Zero, h.Sum, uint64(0)
	out := &dto.Histogram{SampleSum: &sum, Schema: &schema, ZeroThreshold: &threshold, ZeroCount: &zero}
	for i, n := range h.Classic {
		count += n
		if i < len(h.bounds) {
			cumulative := count
			out.Bucket = append(out.Bucket, &dto.Bucket{CumulativeCount: &cumulative, UpperBound: &h.bounds[i]})
		}
	}
	out.SampleCount = &count
	end, before := 0, int64(0) // of the last span, and the count of the last bucket
	for _, index := range slices.Sorted(maps.Keys(h.Native)) {
		if offset := int32(index - end); len(out.PositiveSpan) == 0 || offset > 0 { //nolint:gosec // an index is that of a duration: a few hundred at most
			out.PositiveSpan = append(out.PositiveSpan, &dto.BucketSpan{Offset: &offset, Length: new(uint32)})
		}
		*out.PositiveSpan[len(out.PositiveSpan)-1].Length++
		out.PositiveDelta = append(out.PositiveDelta, h.Native[index]-before)
		end, before = index+1, h.Native[index]
	}
	return out
}
