#include "engine/blob/object.h"

#include <charconv>

#include "base/hash.h"
#include "base/numbers.h"

namespace keelson::blob {

namespace {

constexpr size_t kHexDigits = 16;
// The second half of a version id: so that a made-up number is told from one that was given out.
constexpr uint64_t kVersionSalt = 0x6b65656c736f6e31;  // "keelson1"
constexpr uint64_t kMarkedSalt = 0x6b65656c736f6e32;   // "keelson2"
constexpr unsigned kMarkBits = 16;

void append_hex(std::string& to, uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) to += "0123456789abcdef"[value >> shift & 15];
}

std::optional<uint64_t> read_hex(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string version_text(Version version) {
  std::string text;
  text.reserve(2 * kHexDigits);
  const uint16_t mark = mark_of(version);
  const uint64_t shown = mark == 0 ? version : sequence_of(version) << kMarkBits | mark;
  append_hex(text, shown);
  append_hex(text, mix64(shown ^ (mark == 0 ? kVersionSalt : kMarkedSalt)));
  return text;
}

std::optional<Version> parse_version(std::string_view text) {
  if (text.size() != 2 * kHexDigits) return std::nullopt;
  const std::optional<uint64_t> shown = read_hex(text.substr(0, kHexDigits));
  if (!shown || *shown == 0) return std::nullopt;
  for (const Version version : {*shown, marked(*shown >> kMarkBits, static_cast<uint16_t>(*shown))}) {
    if (sequence_of(version) != 0 && version_text(version) == text) return version;
  }
  return std::nullopt;
}

std::string ETag::text() const {
  std::string text(2 * md5.size(), '\0');
  for (size_t i = 0; i < md5.size(); ++i) {
    text[2 * i] = "0123456789abcdef"[md5[i] >> 4];
    text[2 * i + 1] = "0123456789abcdef"[md5[i] & 15];
  }
  if (part_count != 0) text.append("-").append(std::to_string(part_count));
  return text;
}

std::optional<ETag> ETag::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  ETag etag;
  if (text.size() < 2 * etag.md5.size()) return std::nullopt;
  for (unsigned char& byte : etag.md5) {
    const std::optional<uint64_t> value = read_hex(text.substr(0, 2));
    if (!value) return std::nullopt;
    byte = static_cast<unsigned char>(*value);
    text.remove_prefix(2);
  }
  if (text.empty()) return etag;
  const std::optional<int64_t> parts = text.front() == '-' ? parse_int64(text.substr(1)) : std::nullopt;
  if (!parts || *parts < 1 || *parts > kPartNumberMax) return std::nullopt;
  etag.part_count = static_cast<uint32_t>(*parts);
  return etag;
}

}  // namespace keelson::blob
