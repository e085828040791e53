#include "base/logging.h"

#include <atomic>
#include <cstdio>

namespace keelson {

namespace {

constexpr const char* kLevelNames[] = {"debug", "info", "warning", "error"};

void to_standard_error(LogLevel level, std::string_view part, std::string_view sentence, LogFields fields) {
  std::string line(kLevelNames[static_cast<size_t>(level)]);
  line.append(" ").append(part).append(": ").append(sentence);
  for (const LogField& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
  line.push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::atomic<LogSink> current_sink{&to_standard_error};
std::atomic<LogLevel> least_level{LogLevel::kInfo};

}  // namespace

void set_log_sink(LogSink sink) { current_sink.store(sink != nullptr ? sink : &to_standard_error); }
void set_log_level(LogLevel least) { least_level.store(least); }
bool log_enabled(LogLevel level) { return level >= least_level.load(std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view part, std::string_view sentence, LogFields fields) {
  if (log_enabled(level)) current_sink.load()(level, part, sentence, fields);
}

}  // namespace keelson
