// Log time: the wall clock, made fit to stand in records.
//
// It never goes back. It follows the wall clock forward at once (an absolute expiry means wall time); when the wall
// clock is set back, log time runs at half speed until the wall has caught up, so that times to live still pass. One
// for each reactor, own thread only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "env/clock.h"

namespace keelson::shard {

class LogClock {
 public:
  explicit LogClock(const env::Clock& clock)
      : clock_(clock), last_monotonic_ms_(monotonic_ms()), now_ms_(clock.wall_ms()) {}

  // Reads the machine's clocks.
  int64_t refresh() { return refresh(clock_.monotonic_ns()); }
  // The same for whoever has just read the monotonic one.
  int64_t refresh(int64_t monotonic_ns) {
    const int64_t wall = clock_.wall_ms();
    const int64_t monotonic = monotonic_ns / 1'000'000;
    if (wall >= now_ms_) {
      now_ms_ = wall;
      last_monotonic_ms_ = monotonic;
    } else if (const int64_t steps = (monotonic - last_monotonic_ms_) / 2; steps > 0) {
      now_ms_ += steps;
      last_monotonic_ms_ += steps * 2;
    }
    return now_ms_;
  }
  // As of the last refresh.
  [[nodiscard]] int64_t now_ms() const { return now_ms_; }
  // The log holds a record of this time: never be earlier.
  void at_least(int64_t time_ms) { now_ms_ = std::max(now_ms_, time_ms); }

 private:
  [[nodiscard]] int64_t monotonic_ms() const { return clock_.monotonic_ns() / 1'000'000; }

  const env::Clock& clock_;
  int64_t last_monotonic_ms_;
  int64_t now_ms_;
};

}  // namespace keelson::shard
