// The latency monitor (LATENCY LATEST, HISTORY, RESET, DOCTOR, GRAPH): for each kind of event the worst time of each
// second in which it took at least latency-monitor-threshold.
//
// One for the node, on reactor 0; others reach it through report_latency(). Event names are Redis's where the thing is
// the same
// ("command", "fast-command", "expire-cycle", "eviction-cycle"), and our own elsewhere ("checkpoint").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace keelson::resp {

class KvService;
struct Local;

// Samples kept of one event: Redis's LATENCY_TS_LEN.
inline constexpr size_t kLatencySamples = 160;

struct LatencySample {
  int64_t time_s = 0;  // wall clock; 0: none
  uint32_t latency_ms = 0;
};

class LatencyEvent {
 public:
  void add(int64_t time_s, uint32_t latency_ms);
  // From the oldest, those that are there.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (size_t i = 0; i < samples_.size(); ++i) {
      const LatencySample& sample = samples_[(next_ + i) % samples_.size()];
      if (sample.time_s != 0) visit(sample);
    }
  }
  [[nodiscard]] const LatencySample& latest() const {
    return samples_[(next_ + samples_.size() - 1) % samples_.size()];
  }
  [[nodiscard]] uint32_t worst_ms() const { return worst_ms_; }

 private:
  std::array<LatencySample, kLatencySamples> samples_{};
  size_t next_ = 0;
  uint32_t worst_ms_ = 0;
};

class LatencyMonitor {
 public:
  void add(std::string_view event, int64_t time_s, uint32_t latency_ms);
  // False if there is no such event.
  bool reset(std::string_view event);
  // How many events were there.
  size_t reset_all();
  [[nodiscard]] const std::map<std::string, LatencyEvent, std::less<>>& events() const { return events_; }

 private:
  std::map<std::string, LatencyEvent, std::less<>> events_;
};

// Any reactor's thread, `local` being its own: keeps the event if it took long enough by the settings. `event` is a
// literal.
void report_latency(KvService& service, Local& local, const char* event, int64_t duration_ns);

}  // namespace keelson::resp
