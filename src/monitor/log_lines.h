// Where log lines go: standard error, as text on a terminal and as one JSON object for each line otherwise.
//
//   2026-11-23T15:10:00.123Z info    log: torn tail cut off file=data/log/0000000000000007.log offset_bytes=4096
//   {"time":"2026-11-23T15:10:00.123Z","level":"info","part":"log","message":"torn tail cut
//   off","file":"...","offset_bytes":4096}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/logging.h"

namespace keelson::monitor {

enum class LogFormat : uint8_t { kText, kJson };

// Installs the sink of base/logging.h for the whole process. Before threads start, once.
void start_log_lines(LogLevel least, LogFormat format, bool with_colours);

// One line without its time, level and newline; the parts of it that a formatter adds are around it. For tests too.
std::string text_line(std::string_view part, std::string_view sentence, LogFields fields);
std::string json_line(std::string_view part, std::string_view sentence, LogFields fields);
// Appends `text` as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& to, std::string_view text);

}  // namespace keelson::monitor
