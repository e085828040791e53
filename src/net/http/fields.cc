#include "net/http/fields.h"

#include <algorithm>
#include <cstring>

namespace keelson::net::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return x == y || lower(x) == lower(y); });
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Field& line : lines_) {
    if (equal_ignoring_case(line.name, name)) return line.value;
  }
  return std::nullopt;
}

size_t Fields::count(std::string_view name) const {
  return static_cast<size_t>(
      std::count_if(begin(), end(), [&](const Field& line) { return equal_ignoring_case(line.name, name); }));
}

bool Fields::lists(std::string_view name, std::string_view token) const {
  for (const Field& line : lines_) {
    if (!equal_ignoring_case(line.name, name)) continue;
    std::string_view rest = line.value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (equal_ignoring_case(trim_blanks(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

FieldList::FieldList(const FieldList& other) { *this = other; }

FieldList& FieldList::operator=(const FieldList& other) {
  if (this == &other) return *this;
  clear();
  reserve(other.used_);
  for (const Field& line : other.lines_) add(line.name, line.value);
  return *this;
}

void FieldList::reserve(size_t extra) {
  if (capacity_ - used_ >= extra) return;
  constexpr size_t kFirstBytes = 256;
  const size_t capacity = std::max({kFirstBytes, capacity_ * 2, used_ + extra});
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (used_ != 0) std::memcpy(grown.get(), bytes_.get(), used_);
  const auto moved = [&](std::string_view text) {
    return text.empty() ? text : std::string_view(grown.get() + (text.data() - bytes_.get()), text.size());
  };
  for (Field& line : lines_) line = {moved(line.name), moved(line.value)};
  bytes_ = std::move(grown);
  capacity_ = capacity;
}

std::string_view FieldList::keep(std::string_view text) {
  if (text.empty()) return {};
  char* to = bytes_.get() + used_;
  std::memcpy(to, text.data(), text.size());
  used_ += text.size();
  return {to, text.size()};
}

void FieldList::add(std::string_view name, std::string_view value) {
  reserve(name.size() + value.size());
  const std::string_view kept_name = keep(name);
  lines_.push_back({kept_name, keep(value)});
}

void FieldList::clear() {
  lines_.clear();
  used_ = 0;
}

}  // namespace keelson::net::http
