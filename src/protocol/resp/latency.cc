#include "protocol/resp/latency.h"

#include <algorithm>

#include "protocol/resp/service.h"

namespace keelson::resp {

void LatencyEvent::add(int64_t time_s, uint32_t latency_ms) {
  worst_ms_ = std::max(worst_ms_, latency_ms);
  // Of one second only the worst is kept.
  LatencySample& last = samples_[(next_ + samples_.size() - 1) % samples_.size()];
  if (last.time_s == time_s) {
    last.latency_ms = std::max(last.latency_ms, latency_ms);
    return;
  }
  samples_[next_] = {time_s, latency_ms};
  next_ = (next_ + 1) % samples_.size();
}

void LatencyMonitor::add(std::string_view event, int64_t time_s, uint32_t latency_ms) {
  auto found = events_.find(event);
  if (found == events_.end()) found = events_.emplace(event, LatencyEvent{}).first;
  found->second.add(time_s, latency_ms);
}

bool LatencyMonitor::reset(std::string_view event) {
  const auto found = events_.find(event);
  if (found == events_.end()) return false;
  events_.erase(found);
  return true;
}

size_t LatencyMonitor::reset_all() {
  const size_t count = events_.size();
  events_.clear();
  return count;
}

void report_latency(KvService& service, Local& local, const char* event, int64_t duration_ns) {
  constexpr int64_t kNsPerMs = 1'000'000;
  const int64_t latency_ms = duration_ns / kNsPerMs;
  const int64_t threshold_ms = local.config.latency_threshold_ms;
  if (threshold_ms == 0 || latency_ms < threshold_ms) return;
  const int64_t time_s = local.reactor.clock().wall_ms() / 1000;
  const auto shown_ms = static_cast<uint32_t>(std::min<int64_t>(latency_ms, UINT32_MAX));
  // At once if it can be: the client's next command may be LATENCY.
  if (local.reactor.index() == 0) {
    service.latency().add(event, time_s, shown_ms);
    return;
  }
  service.reactor(0).post([&service, event, time_s, shown_ms] { service.latency().add(event, time_s, shown_ms); });
}

}  // namespace keelson::resp
