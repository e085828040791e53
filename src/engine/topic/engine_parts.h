// The parts of the engine (part.h), and which codes go to which.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/topic/part.h"

namespace keelson::topic {

// Their numbers stand in checkpoints.
inline constexpr size_t kGroupPart = 0;
inline constexpr size_t kTransactionPart = 1;
inline constexpr size_t kCursorPart = 2;
inline constexpr size_t kPartCount = 3;

[[nodiscard]] std::array<std::unique_ptr<Part>, kPartCount> make_parts();

// kPartCount: none.
[[nodiscard]] constexpr size_t part_of_command(uint16_t code) {
  if (code >= 50 && code < 70) return kGroupPart;
  if (code >= 70 && code < 90) return kTransactionPart;
  return code >= 90 && code < 120 ? kCursorPart : kPartCount;
}
[[nodiscard]] constexpr size_t part_of_query(uint16_t code) {
  if (code >= 250 && code < 270) return kGroupPart;
  if (code >= 270 && code < 290) return kTransactionPart;
  return code >= 290 && code < 320 ? kCursorPart : kPartCount;
}

}  // namespace keelson::topic
