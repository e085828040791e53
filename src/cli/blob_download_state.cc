#include "cli/blob_download_state.h"

#include <charconv>
#include <cstdio>

#include "base/hash.h"
#include "base/numbers.h"
#include "cli/blob_plan.h"
#include "cli/blob_walk.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kFirstLine = "keelson-download 1";

// The next whole line, without its end; nullopt if there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::string path_beside(std::string_view target, const std::string& ending) {
  const size_t slash = target.rfind('/');
  const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  std::string_view name = target.substr(begin);
  if (name.size() + ending.size() <= kFileNameBytesMax) return std::string(target) + ending;
  char hash[20];
  std::snprintf(hash, sizeof(hash), ".%016llx", static_cast<unsigned long long>(hash64(name, 0)));
  name = name.substr(0, kFileNameBytesMax - ending.size() - std::string_view(hash).size());
  // Not within a character of UTF-8.
  while (!name.empty() && (static_cast<unsigned char>(target[begin + name.size()]) & 0xc0) == 0x80) {
    name.remove_suffix(1);
  }
  return std::string(target.substr(0, begin)).append(name).append(hash).append(ending);
}

}  // namespace

std::string partial_path(std::string_view target) { return path_beside(target, std::string(kPartialEnding)); }
std::string ranges_path(std::string_view target) {
  return path_beside(target, ".ranges" + std::string(kPartialEnding));
}

std::string download_state_head(const DownloadState& state) {
  return std::string(kFirstLine) + "\n" + state.etag + "\n" + std::to_string(state.size_bytes) + "\n" +
         std::to_string(state.part_bytes) + "\n";
}

std::string download_state_line(uint32_t part_number, uint32_t crc32c) {
  char text[32];
  std::snprintf(text, sizeof(text), "%u %08x\n", part_number, crc32c);
  return text;
}

std::optional<DownloadState> parse_download_state(std::string_view text) {
  if (take_line(text) != kFirstLine) return std::nullopt;
  const auto etag = take_line(text);
  const auto size = take_line(text);
  const auto part = take_line(text);
  if (!etag || !size || !part || etag->empty()) return std::nullopt;
  const auto size_bytes = parse_uint64(*size);
  const auto part_bytes = parse_uint64(*part);
  if (!size_bytes || !part_bytes || *part_bytes == 0 || *size_bytes > kObjectBytesMax) return std::nullopt;
  DownloadState state{.etag = std::string(*etag), .size_bytes = *size_bytes, .part_bytes = *part_bytes};
  const uint64_t parts = (*size_bytes + *part_bytes - 1) / *part_bytes;
  if (parts > kPartsMax) return std::nullopt;
  while (const auto line = take_line(text)) {
    const size_t blank = line->find(' ');
    if (blank == std::string_view::npos || line->size() != blank + 9) break;
    const auto number = parse_uint64(line->substr(0, blank));
    uint32_t crc = 0;
    const auto [end, error] = std::from_chars(line->data() + blank + 1, line->data() + line->size(), crc, 16);
    const bool is_good =
        number && *number >= 1 && *number <= parts && error == std::errc() && end == line->data() + line->size();
    if (!is_good) break;
    state.crc32c_by_part[static_cast<uint32_t>(*number)] = crc;
  }
  return state;
}

}  // namespace keelson::cli
