// How the blob verbs show things. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/blob_documents.h"

namespace keelson::cli {

// A key or name for a terminal: control characters as \xHH, so that none can act on it.
[[nodiscard]] std::string shown(std::string_view name);
// "2024-05-01 12:30:00", UTC.
[[nodiscard]] std::string shown_time(int64_t time_ms);
// "12.3 MiB", or all digits.
[[nodiscard]] std::string shown_size(uint64_t bytes, bool is_exact);

// A line of `ls`.
[[nodiscard]] std::string object_line(const RemoteObject& object, bool is_exact, bool with_version);
[[nodiscard]] std::string prefix_line(std::string_view prefix);

// One JSON object on one line; values are text or numbers. What is not UTF-8 becomes U+FFFD.
class JsonLine {
 public:
  JsonLine& text(std::string_view name, std::string_view value);
  JsonLine& number(std::string_view name, uint64_t value);
  JsonLine& flag(std::string_view name, bool value);
  [[nodiscard]] std::string take() { return std::move(text_ += "}"); }

 private:
  void name(std::string_view name);
  std::string text_ = "{";
};

// "[########------------]  40 %  12.0 MiB of 30.0 MiB, 8.0 MiB/s, 2 s left". A total of 0 is not known.
struct ProgressNumbers {
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t objects = 0;  // done; 0: not told
  int64_t took_ns = 0;
};
[[nodiscard]] std::string progress_text(const ProgressNumbers& numbers);

}  // namespace keelson::cli
