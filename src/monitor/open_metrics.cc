#include "monitor/open_metrics.h"

#include <utility>

#include "base/numbers.h"

namespace keelson::monitor {

namespace {

constexpr unsigned kFirstBoundBits = 10;  // 1.024 us
constexpr unsigned kLastBoundBits = 34;   // 17.2 s
constexpr double kSecondsPerNs = 1e-9;

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kInfo:
      return "info";
  }
  return "unknown";
}

// Label values and help: backslash, quote and line end are escaped.
void append_escaped(std::string& to, std::string_view text) {
  for (char c : text) {
    if (c == '\\' || c == '"') to.push_back('\\');
    if (c == '\n') {
      to.append("\\n");
    } else {
      to.push_back(c);
    }
  }
}

}  // namespace

void OpenMetrics::family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) {
  name_ = name;
  type_ = type;
  text_.append("# TYPE ").append(name).append(" ").append(type_name(type)).append("\n");
  if (!unit.empty()) text_.append("# UNIT ").append(name).append(" ").append(unit).append("\n");
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help);
  text_.push_back('\n');
}

void OpenMetrics::line(std::string_view suffix, Labels labels, std::string_view extra_label, std::string_view value) {
  text_.append(name_).append(suffix);
  if (labels.size() != 0 || !extra_label.empty()) {
    char separator = '{';
    for (const auto& [label, label_value] : labels) {
      text_.push_back(std::exchange(separator, ','));
      text_.append(label).append("=\"");
      append_escaped(text_, label_value);
      text_.push_back('"');
    }
    if (!extra_label.empty()) {
      text_.push_back(separator);
      text_.append(extra_label);
    }
    text_.push_back('}');
  }
  text_.append(" ").append(value).append("\n");
}

void OpenMetrics::sample(Labels labels, uint64_t value) {
  const std::string_view suffix = type_ == MetricType::kCounter ? "_total" : type_ == MetricType::kInfo ? "_info" : "";
  line(suffix, labels, "", format_uint64(value));
}

void OpenMetrics::sample(Labels labels, int64_t value) {
  line(type_ == MetricType::kCounter ? "_total" : "", labels, "", format_int64(value));
}

void OpenMetrics::sample(Labels labels, double value) {
  line(type_ == MetricType::kCounter ? "_total" : "", labels, "", format_double_shortest(value));
}

void OpenMetrics::histogram_ns(Labels labels, const HistogramSnapshot& values) {
  uint64_t seen = 0;
  size_t bucket = 0;
  for (unsigned bits = kFirstBoundBits; bits <= kLastBoundBits; ++bits) {
    const uint64_t bound = uint64_t{1} << bits;
    for (; bucket < values.buckets.size() && HistogramScale::upper_bound(bucket) < bound; ++bucket)
      seen += values.buckets[bucket];
    std::string label = "le=\"";
    label.append(format_double_shortest(static_cast<double>(bound) * kSecondsPerNs)).append("\"");
    line("_bucket", labels, label, format_uint64(seen));
  }
  line("_bucket", labels, "le=\"+Inf\"", format_uint64(values.count));
  line("_count", labels, "", format_uint64(values.count));
  line("_sum", labels, "", format_double_shortest(static_cast<double>(values.sum) * kSecondsPerNs));
}

void OpenMetrics::counter(std::string_view name, std::string_view unit, std::string_view help, uint64_t value) {
  family(name, MetricType::kCounter, unit, help);
  sample({}, value);
}

void OpenMetrics::gauge(std::string_view name, std::string_view unit, std::string_view help, int64_t value) {
  family(name, MetricType::kGauge, unit, help);
  sample({}, value);
}

void OpenMetrics::gauge(std::string_view name, std::string_view unit, std::string_view help, double value) {
  family(name, MetricType::kGauge, unit, help);
  sample({}, value);
}

std::string OpenMetrics::finish() {
  text_.append("# EOF\n");
  return std::exchange(text_, {});
}

}  // namespace keelson::monitor
