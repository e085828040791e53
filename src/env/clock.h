// Time, as the house sees it. Nothing outside env/real asks the machine for it.
#pragma once

#include <cstdint>

namespace keelson::env {

// Safe from every thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; its zero means nothing.
  [[nodiscard]] virtual int64_t monotonic_ns() const = 0;
  // Milliseconds since 1970-01-01 UTC. May jump in either direction.
  [[nodiscard]] virtual int64_t wall_ms() const = 0;
};

}  // namespace keelson::env
