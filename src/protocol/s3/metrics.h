// What the S3 service counts, for each operation and reactor.
#pragma once

#include <array>
#include <cstdint>

#include "base/metrics.h"
#include "protocol/s3/operations.h"

namespace keelson::s3 {

// Operations of the table, then what is none of them: preflights and website requests, requests that were refused
// before their operation was known.
inline constexpr size_t kOperationCount = 0
#define S3_YES(...) +1
#define S3_NO(...) +1
#include "protocol/s3/operation_table.def"
#undef S3_YES
#undef S3_NO
    ;
inline constexpr size_t kPreflightSlot = kOperationCount;
inline constexpr size_t kWebsiteSlot = kOperationCount + 1;
inline constexpr size_t kOtherSlot = kOperationCount + 2;
inline constexpr size_t kSlotCount = kOperationCount + 3;

struct OperationCounts {
  Counter calls;
  Counter client_errors;   // 4xx
  Counter server_errors;   // 5xx
  Counter bytes_received;  // of payload
  Counter bytes_sent;
  Histogram latency_ns;  // from the head to the end of the answer
};

// One reactor's; read from anywhere.
struct Metrics {
  std::array<OperationCounts, kSlotCount> operations;
};

// "PutObject", "Preflight", ...
[[nodiscard]] inline std::string_view slot_name(size_t slot) {
  if (slot < kOperationCount) return operation_table()[slot].name;
  return slot == kPreflightSlot ? "Preflight" : slot == kWebsiteSlot ? "Website" : "Other";
}

}  // namespace keelson::s3
