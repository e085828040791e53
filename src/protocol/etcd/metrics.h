// What one reactor counts of etcd's API. Written there, read by any thread.
#pragma once

#include <array>

#include "base/metrics.h"
#include "net/grpc/status.h"
#include "protocol/etcd/methods.h"

namespace keelson::etcd {

struct MethodCounts {
  Counter started;
  std::array<Counter, net::grpc::kCodeCount> ended;  // by code
  Histogram latency_ns;                              // of calls that are no streams
};

struct Metrics {
  std::array<MethodCounts, kMethodCount> methods;
  Gauge streams;  // under way
  Counter gateway_requests;
  Counter failed_logins;
};

}  // namespace keelson::etcd
