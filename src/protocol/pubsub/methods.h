// Every method of the API, by method_table.def.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/metrics.h"
#include "net/grpc/status.h"

namespace keelson::pubsub {

struct MethodRow {
  std::string_view grpc_path;  // "/google.pubsub.v1.Publisher/Publish"
  std::string_view service;    // "Publisher"
  std::string_view name;       // "Publish"
  bool is_stream = false;
  std::string_view note;
};

inline constexpr size_t kMethodCount = []() constexpr {
  size_t count = 0;
#define PUBSUB_UNARY(package, service, method, request, response, note) ++count;
#define PUBSUB_STREAM PUBSUB_UNARY
#include "protocol/pubsub/method_table.def"
#undef PUBSUB_STREAM
#undef PUBSUB_UNARY
  return count;
}();

// In the table's order.
[[nodiscard]] std::span<const MethodRow> method_table();

// What a reactor counts of a method.
struct MethodCounts {
  Counter started;
  std::array<Counter, net::grpc::kCodeCount> ended;
  Histogram latency_ns;  // of those that are no streams
};

}  // namespace keelson::pubsub
