#include "coord/auto_compaction.h"

#include <algorithm>

namespace keelson::coord {

namespace {
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kNotesPerInterval = 10;
constexpr int64_t kRevisionEveryMs = 300'000;
}  // namespace

AutoCompaction::AutoCompaction(AutoCompactionOptions options, int64_t now_ms, Revision present)
    : options_(options), last_success_ms_(now_ms) {
  if (options_.retention <= 0) return;
  if (options_.mode == AutoCompactionOptions::Mode::kRevision) {
    interval_ms_ = kRevisionEveryMs;
    return;
  }
  interval_ms_ = std::max<int64_t>(std::min(options_.retention, kHourMs) / kNotesPerInterval, 1);
  notes_max_ = static_cast<size_t>(options_.retention / interval_ms_) + 1;
  notes_.push_back(present);
}

std::optional<Revision> AutoCompaction::look(int64_t now_ms, Revision present) {
  if (options_.retention <= 0) return std::nullopt;
  if (options_.mode == AutoCompactionOptions::Mode::kPeriodic) {
    const std::optional<Revision> to = look_periodic(now_ms);
    notes_.push_back(present);
    if (notes_.size() > notes_max_) notes_.pop_front();
    return to;
  }
  const Revision to = present - options_.retention;
  if (to <= 0 || to == last_compacted_) return std::nullopt;
  return to;
}

std::optional<Revision> AutoCompaction::look_periodic(int64_t now_ms) {
  const int64_t wait_ms = was_first_ ? std::min(options_.retention, kHourMs) : options_.retention;
  if (now_ms - last_success_ms_ < wait_ms) return std::nullopt;
  was_first_ = true;
  return notes_.front();
}

void AutoCompaction::succeeded(int64_t now_ms, Revision revision) {
  last_success_ms_ = now_ms;
  last_compacted_ = revision;
}

}  // namespace keelson::coord
