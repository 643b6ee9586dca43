package collector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestAHistogramIsThatOfClientGolang compares it with client_golang's for random
// values and for those at the bounds of buckets.
func TestAHistogramIsThatOfClientGolang(t *testing.T) {
	bounds := []float64{0.025, 1, 60, 3600}
	ours := newHistogram(bounds)
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: bounds, NativeHistogramBucketFactor: 1.1})
	random := rand.New(rand.NewPCG(1, 1))
	values := []float64{0, 1, 0.025, 60, 86400, 1e-6, math.Nextafter(1, 0), math.Nextafter(1, 2)}
	for i := range 40 {
		values = append(values, math.Pow(2, float64(i-20)/8), math.Pow(2, float64(i-20)))
	}
	for range 1000 {
		values = append(values, 100*random.ExpFloat64(), math.Floor(100*random.ExpFloat64()))
	}
	for _, value := range values {
		ours.observe(value)
		theirs.Observe(value)
	}
	var want dto.Metric
	if err := theirs.Write(&want); err != nil {
		t.Fatal(err)
	}
	got := ours.write()
	if diff := cmp.Diff(nativeBuckets(want.Histogram), nativeBuckets(got)); diff != "" {
		t.Errorf("native buckets (-client_golang +ours):\n%s", diff)
	}
	for _, h := range []*dto.Histogram{want.Histogram, got} {
		h.PositiveSpan, h.PositiveDelta, h.CreatedTimestamp = nil, nil, nil
	}
	if diff := cmp.Diff(want.Histogram, got, cmpopts.IgnoreUnexported(dto.Histogram{}, dto.Bucket{}), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("-client_golang +ours:\n%s", diff)
	}
}

// nativeBuckets returns the counts of the native buckets that are not empty, by
// their indexes.
func nativeBuckets(h *dto.Histogram) map[int32]int64 {
	counts, index, count, deltas := map[int32]int64{}, int32(0), int64(0), h.PositiveDelta
	for _, span := range h.PositiveSpan {
		index += span.GetOffset()
		for range span.GetLength() {
			count += deltas[0]
			if deltas = deltas[1:]; count > 0 {
				counts[index] = count
			}
			index++
		}
	}
	return counts
}
