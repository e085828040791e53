// Counters, gauges and latency histograms without locks: each is written by one thread and may be read by any.
//
// A reactor keeps its own and writes them with plain stores (no locked instruction); whoever shows them reads all
// reactors' and merges. A reader sees each number whole, though not all of them at one instant.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace keelson {

// Only ever grows. reset() is for the writer too.
class Counter {
 public:
  void add(uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  void reset() { value_.store(0, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t change) { set(value() + change); }
  [[nodiscard]] int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Where a value falls: below 8 each has its bucket, above every power of two is cut in 8. So a bucket's bounds differ
// by at most 1/8, and 2^40 ns (18 minutes) is the end of the scale.
struct HistogramScale {
  static constexpr unsigned kSubBits = 3;
  static constexpr unsigned kBitsMax = 40;
  static constexpr size_t kBuckets = (kBitsMax - kSubBits + 1) << kSubBits;

  [[nodiscard]] static constexpr size_t bucket_of(uint64_t value) {
    constexpr uint64_t kLast = (uint64_t{1} << kBitsMax) - 1;
    if (value > kLast) value = kLast;
    if (value < (uint64_t{1} << kSubBits)) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    return ((size_t{shift} + 1) << kSubBits) + ((value >> shift) & ((1U << kSubBits) - 1));
  }
  // The largest value that falls into the bucket.
  [[nodiscard]] static constexpr uint64_t upper_bound(size_t bucket) {
    if (bucket < (size_t{1} << kSubBits)) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
    const uint64_t lead = (uint64_t{1} << kSubBits) + (bucket & ((size_t{1} << kSubBits) - 1));
    return ((lead + 1) << shift) - 1;
  }
};

// What was read of one or several histograms.
struct HistogramSnapshot {
  std::array<uint64_t, HistogramScale::kBuckets> buckets{};
  uint64_t count = 0;
  uint64_t sum = 0;
  uint64_t max = 0;

  void merge(const HistogramSnapshot& other) {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    count += other.count;
    sum += other.sum;
    if (other.max > max) max = other.max;
  }
  // The value that `fraction` (0 .. 1) of all do not exceed, rounded up to its bucket's bound, never above the maximum;
  // 0 if there is none.
  [[nodiscard]] uint64_t percentile(double fraction) const {
    const auto rank = static_cast<uint64_t>(fraction * static_cast<double>(count));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets.size(); ++i) {
      seen += buckets[i];
      if (seen != 0 && (seen > rank || seen == count)) {
        const uint64_t bound = HistogramScale::upper_bound(i);
        return bound < max ? bound : max;
      }
    }
    return 0;
  }
};

// Values are usually nanoseconds. 2.4 KB each.
class Histogram {
 public:
  void record(uint64_t value) {
    add(buckets_[HistogramScale::bucket_of(value)], 1);
    add(sum_, value);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }
  // `times` equal values at once: a batch whose parts were not timed one by one.
  void record_many(uint64_t value, uint64_t times) {
    if (times == 0) return;
    add(buckets_[HistogramScale::bucket_of(value)], times);
    add(sum_, value * times);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }
  void reset() {
    for (auto& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
    sum_.store(0, std::memory_order_relaxed);
    max_.store(0, std::memory_order_relaxed);
  }
  void merge_into(HistogramSnapshot& snapshot) const {
    for (size_t i = 0; i < buckets_.size(); ++i) {
      const uint64_t count = buckets_[i].load(std::memory_order_relaxed);
      snapshot.buckets[i] += count;
      snapshot.count += count;
    }
    snapshot.sum += sum_.load(std::memory_order_relaxed);
    const uint64_t max = max_.load(std::memory_order_relaxed);
    if (max > snapshot.max) snapshot.max = max;
  }
  [[nodiscard]] HistogramSnapshot snapshot() const {
    HistogramSnapshot result;
    merge_into(result);
    return result;
  }

 private:
  using Cell = std::atomic<uint64_t>;
  static void add(Cell& cell, uint64_t count) {
    cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  std::array<Cell, HistogramScale::kBuckets> buckets_{};
  Cell sum_{0};
  Cell max_{0};
};

}  // namespace keelson
