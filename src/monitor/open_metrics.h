// Writes metrics in the OpenMetrics text format 1.0 (https://github.com/OpenObservability/OpenMetrics), which
// Prometheus reads.
//
//   OpenMetrics out;
//   out.family("keelson_kv_commands", MetricType::kCounter, "", "Commands that were run.");
//   out.sample({{"command", "get"}}, 17);
//   answer(out.finish());
//
// A pure function over values; names follow https://prometheus.io/docs/practices/naming: base units (seconds, bytes),
// the unit last, _total behind a counter.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/metrics.h"

namespace keelson::monitor {

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram, kInfo };

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class OpenMetrics {
 public:
  static constexpr std::string_view kContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

  // Opens a family; its samples follow. `name` without _total or _bucket, and with `unit` at its end if there is one.
  void family(std::string_view name, MetricType type, std::string_view unit, std::string_view help);
  void sample(Labels labels, uint64_t value);
  void sample(Labels labels, int64_t value);
  void sample(Labels labels, double value);
  // A histogram of nanoseconds, shown in seconds: one bucket for each power of two between about 1 us and 17 s.
  void histogram_ns(Labels labels, const HistogramSnapshot& values);
  // Whole families with one sample.
  void counter(std::string_view name, std::string_view unit, std::string_view help, uint64_t value);
  void gauge(std::string_view name, std::string_view unit, std::string_view help, int64_t value);
  void gauge(std::string_view name, std::string_view unit, std::string_view help, double value);

  // The whole exposition; the writer is empty then.
  std::string finish();

 private:
  void line(std::string_view suffix, Labels labels, std::string_view extra_label, std::string_view value);

  std::string text_;
  std::string name_;
  MetricType type_ = MetricType::kGauge;
};

}  // namespace keelson::monitor
