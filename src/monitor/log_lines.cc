#include "monitor/log_lines.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace keelson::monitor {

namespace {

LogFormat current_format = LogFormat::kText;  // set before threads start

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void sink(LogLevel level, std::string_view part, std::string_view sentence, LogFields fields) {
  const std::string line =
      current_format == LogFormat::kJson ? json_line(part, sentence, fields) : text_line(part, sentence, fields);
  spdlog::default_logger_raw()->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

// Bytes of the well-formed UTF-8 sequence at the start (RFC 3629 §4), or 0.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
    return 4;
  }
  return 0;
}

// A value with blanks, quotes or control characters is quoted, so that a line stays one line and can be cut at blanks.
void append_text_value(std::string& to, std::string_view value) {
  const bool is_plain = !value.empty() && value.find_first_of(" \"\\=\t\n\r") == std::string_view::npos;
  if (is_plain) {
    to.append(value);
  } else {
    to.push_back('"');
    append_json(to, value);
    to.push_back('"');
  }
}

}  // namespace

void append_json(std::string& to, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t length = utf8_length(text);
    if (length == 0) {
      to.append("\xef\xbf\xbd");
    } else if (byte == '"' || byte == '\\') {
      to.push_back('\\');
      to.push_back(text.front());
    } else if (byte < 0x20) {
      to.append("\\u00").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    } else {
      to.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

std::string text_line(std::string_view part, std::string_view sentence, LogFields fields) {
  std::string line;
  line.append(part).append(": ");
  for (char c : sentence) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  for (const LogField& field : fields) {
    line.append(" ").append(field.name).append("=");
    append_text_value(line, field.value);
  }
  return line;
}

std::string json_line(std::string_view part, std::string_view sentence, LogFields fields) {
  std::string line = "\"part\":\"";
  append_json(line, part);
  line.append("\",\"message\":\"");
  append_json(line, sentence);
  line.push_back('"');
  for (const LogField& field : fields) {
    line.append(",\"");
    append_json(line, field.name);
    line.append("\":");
    if (field.is_number) {
      line.append(field.value);
    } else {
      line.push_back('"');
      append_json(line, field.value);
      line.push_back('"');
    }
  }
  return line;
}

void start_log_lines(LogLevel least, LogFormat format, bool with_colours) {
  current_format = format;
  // tidy: shared_ptr, because spdlog owns its sinks and loggers that way.
  std::shared_ptr<spdlog::sinks::sink> to;
  if (with_colours) {
    // tidy: shared_ptr, as above
    to = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(spdlog::color_mode::always);
  } else {
    to = std::make_shared<spdlog::sinks::stderr_sink_mt>();  // tidy: shared_ptr, as above
  }
  // tidy: shared_ptr, as above
  auto logger = std::make_shared<spdlog::logger>("keelson", std::move(to));
  logger->set_level(spdlog::level::trace);  // base/logging.h has the threshold
  logger->set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                                 : "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v",
                      spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(std::move(logger));
  set_log_level(least);
  set_log_sink(&sink);
}

}  // namespace keelson::monitor
