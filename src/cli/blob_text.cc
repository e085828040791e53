#include "cli/blob_text.h"

#include <algorithm>
#include <cstdio>

#include "cli/progress.h"
#include "protocol/s3/dates.h"

namespace keelson::cli {

namespace {

constexpr size_t kBarCells = 20;
constexpr size_t kSizeColumns = 12;

// The length of the character of UTF-8 that begins here; 0 if none does (RFC 3629 §4).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool is_overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool is_beyond = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return is_overlong || is_beyond ? 0 : length;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out.append("\\").append(1, c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out + "\"";
}

std::string padded(std::string text, size_t columns) {
  if (text.size() < columns) text.insert(0, columns - text.size(), ' ');
  return text;
}

std::string shown_seconds(int64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds % 3600 / 60) + " min";
}

}  // namespace

std::string shown(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof(escape), "\\x%02x", byte);
    out += escape;
  }
  return out;
}

std::string shown_time(int64_t time_ms) {
  std::string text = s3::format_iso8601(time_ms).substr(0, 19);
  if (text.size() > 10) text[10] = ' ';
  return text;
}

std::string shown_size(uint64_t bytes, bool is_exact) {
  return is_exact ? std::to_string(bytes) : readable_bytes(bytes);
}

std::string object_line(const RemoteObject& object, bool is_exact, bool with_version) {
  const std::string size = object.is_delete_marker ? "DELETED" : shown_size(object.size_bytes, is_exact);
  std::string line = shown_time(object.modified_ms) + "  " + padded(size, kSizeColumns) + "  ";
  if (with_version) line += object.version_id + (object.is_latest ? " * " : "   ");
  return line + shown(object.key);
}

std::string prefix_line(std::string_view prefix) {
  return std::string(19, ' ') + "  " + padded("FOLDER", kSizeColumns) + "  " + shown(prefix);
}

void JsonLine::name(std::string_view name) {
  text_.append(text_ == "{" ? "" : ",").append(json_text(name)).append(":");
}

JsonLine& JsonLine::text(std::string_view key, std::string_view value) {
  name(key);
  text_ += json_text(value);
  return *this;
}
JsonLine& JsonLine::number(std::string_view key, uint64_t value) {
  name(key);
  text_ += std::to_string(value);
  return *this;
}
JsonLine& JsonLine::flag(std::string_view key, bool value) {
  name(key);
  text_ += value ? "true" : "false";
  return *this;
}

std::string progress_text(const ProgressNumbers& numbers) {
  std::string text;
  // What is sent again counts only once, so this stays below the total; a file that grew does not.
  const uint64_t total = numbers.total_bytes;
  const uint64_t done = total == 0 ? numbers.done_bytes : std::min(numbers.done_bytes, total);
  if (total != 0) {
    const auto cells = static_cast<size_t>(static_cast<double>(done) / static_cast<double>(total) * kBarCells);
    const auto percent = static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * 100);
    text.append("[").append(cells, '#').append(kBarCells - cells, '-').append("] ");
    text.append(padded(std::to_string(percent), 3)).append(" %  ");
  }
  if (numbers.objects != 0) text.append(std::to_string(numbers.objects)).append(" objects, ");
  text += readable_bytes(done);
  if (total != 0) text.append(" of ").append(readable_bytes(total));
  if (numbers.took_ns < 1'000'000'000) return text;
  const double rate = static_cast<double>(done) * 1e9 / static_cast<double>(numbers.took_ns);
  text.append(", ").append(readable_bytes(static_cast<uint64_t>(rate))).append("/s");
  if (total != 0 && rate >= 1) {
    text.append(", ").append(shown_seconds(static_cast<int64_t>(static_cast<double>(total - done) / rate)));
    text.append(" left");
  }
  return text;
}

}  // namespace keelson::cli
