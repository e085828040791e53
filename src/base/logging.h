// Structured log lines: a level, the part of the house, a sentence, and named fields.
//
//   log_warn("log", "torn tail cut off", {{"file", path}, {"offset_bytes", offset}});
//
// The sink is set once, before threads start, by whoever owns the process (monitor in the server, a recorder in tests);
// without one, lines go to standard error. Safe from every thread. Secrets are never fields.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace keelson {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

struct LogField {
  LogField(std::string_view field_name, std::string_view field_value) : name(field_name), value(field_value) {}
  LogField(std::string_view field_name, const char* field_value) : name(field_name), value(field_value) {}
  LogField(std::string_view field_name, const std::string& field_value) : name(field_name), value(field_value) {}
  template <class Integer>
    requires std::is_integral_v<Integer>
  LogField(std::string_view field_name, Integer field_value)
      : name(field_name), value(std::to_string(field_value)), is_number(true) {}

  std::string_view name;
  std::string value;
  bool is_number = false;
};

using LogFields = std::initializer_list<LogField>;
using LogSink = void (*)(LogLevel, std::string_view part, std::string_view sentence, LogFields);

// `sink` null restores the default. `least` is the lowest level that is passed on.
void set_log_sink(LogSink sink);
void set_log_level(LogLevel least);
[[nodiscard]] bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view part, std::string_view sentence, LogFields fields);

inline void log_debug(std::string_view part, std::string_view sentence, LogFields fields = {}) {
  if (log_enabled(LogLevel::kDebug)) log_line(LogLevel::kDebug, part, sentence, fields);
}
inline void log_info(std::string_view part, std::string_view sentence, LogFields fields = {}) {
  log_line(LogLevel::kInfo, part, sentence, fields);
}
inline void log_warn(std::string_view part, std::string_view sentence, LogFields fields = {}) {
  log_line(LogLevel::kWarn, part, sentence, fields);
}
inline void log_error(std::string_view part, std::string_view sentence, LogFields fields = {}) {
  log_line(LogLevel::kError, part, sentence, fields);
}

}  // namespace keelson
