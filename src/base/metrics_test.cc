#include "base/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace keelson {
namespace {

TEST(Histogram, BucketsCoverTheScaleWithoutGaps) {
  uint64_t expected_low = 0;
  for (size_t i = 0; i < HistogramScale::kBuckets; ++i) {
    const uint64_t high = HistogramScale::upper_bound(i);
    ASSERT_EQ(HistogramScale::bucket_of(expected_low), i);
    ASSERT_EQ(HistogramScale::bucket_of(high), i);
    ASSERT_LE(high - expected_low, expected_low / 8);
    expected_low = high + 1;
  }
  EXPECT_EQ(expected_low, uint64_t{1} << HistogramScale::kBitsMax);
  EXPECT_EQ(HistogramScale::bucket_of(~uint64_t{0}), HistogramScale::kBuckets - 1);
}

TEST(Histogram, PercentilesAreWithinABucketOfTheTruth) {
  std::mt19937_64 random(1);
  Histogram first;
  Histogram second;
  std::vector<uint64_t> values;
  uint64_t sum = 0;
  for (int i = 0; i < 50'000; ++i) {
    const uint64_t value = random() >> (30 + random() % 34);
    (i % 2 == 0 ? first : second).record(value);
    values.push_back(value);
    sum += value;
  }
  std::sort(values.begin(), values.end());
  HistogramSnapshot merged = first.snapshot();
  merged.merge(second.snapshot());
  EXPECT_EQ(merged.count, values.size());
  EXPECT_EQ(merged.sum, sum);
  EXPECT_EQ(merged.max, values.back());
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const uint64_t truth = values[static_cast<size_t>(fraction * static_cast<double>(values.size()))];
    EXPECT_GE(merged.percentile(fraction), truth) << fraction;
    EXPECT_LE(merged.percentile(fraction), truth + truth / 8 + 1) << fraction;
  }
  EXPECT_EQ(merged.percentile(1.0), values.back());
}

TEST(Histogram, EmptyAndResetAndMany) {
  Histogram histogram;
  EXPECT_EQ(histogram.snapshot().percentile(0.5), 0U);
  histogram.record_many(5, 3);
  histogram.record_many(9, 0);
  EXPECT_EQ(histogram.snapshot().count, 3U);
  EXPECT_EQ(histogram.snapshot().sum, 15U);
  EXPECT_EQ(histogram.snapshot().max, 5U);
  histogram.reset();
  EXPECT_EQ(histogram.snapshot().count, 0U);
}

TEST(Metrics, CountersAndGauges) {
  Counter counter;
  counter.add();
  counter.add(4);
  EXPECT_EQ(counter.value(), 5U);
  Gauge gauge;
  gauge.set(3);
  gauge.add(-5);
  EXPECT_EQ(gauge.value(), -2);
}

}  // namespace
}  // namespace keelson
