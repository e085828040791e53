#include "cluster/fields.h"

#include <algorithm>

namespace keelson::cluster {

namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<Fields> Fields::parse(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    fields.fields_.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return fields;
}

const std::string& Fields::text(std::string_view name) const {
  static const std::string kNone;
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return kNone;
}

std::optional<uint64_t> Fields::number(std::string_view name) const { return parse_number(text(name)); }

void Fields::set(std::string_view name, std::string value) {
  for (auto& [key, old] : fields_) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  fields_.emplace_back(name, std::move(value));
}

std::string Fields::format() const {
  std::string text;
  for (const auto& [name, value] : fields_) text.append(name).append("=").append(value).append("\n");
  return text;
}

bool is_line(std::string_view text, size_t bytes_max) {
  const auto is_printable = [](char byte) { return static_cast<uint8_t>(byte) >= 0x20 && byte != 0x7f; };
  return text.size() <= bytes_max && std::all_of(text.begin(), text.end(), is_printable);
}

std::string format_ids(const std::vector<uint64_t>& ids) {
  std::string text;
  for (const uint64_t id : ids) text.append(text.empty() ? "" : " ").append(std::to_string(id));
  return text;
}

std::optional<std::vector<uint64_t>> parse_ids(std::string_view text) {
  std::vector<uint64_t> ids;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::optional<uint64_t> id = parse_number(text.substr(0, end));
    if (!id) return std::nullopt;
    ids.push_back(*id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

}  // namespace keelson::cluster
