#include "cli/blob_plan.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/glob.h"
#include "base/numbers.h"

namespace keelson::cli {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kStreamPartsPerSize = 2'000;

struct ContentType {
  std::string_view ending;
  std::string_view type;
};
// IANA's media types of what is served to browsers, and of common archives.
constexpr ContentType kContentTypes[] = {
    {"avif", "image/avif"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

struct Unit {
  std::string_view name;
  uint64_t factor;
};

std::optional<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = parse_uint64(text.substr(0, digits));
  if (!value) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.name != text.substr(digits)) continue;
    if (*value > UINT64_MAX / unit.factor) return std::nullopt;
    return *value * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

bool NameFilter::takes(std::string_view name) const {
  bool takes = rules_.empty() || !rules_.front().is_include;
  for (const Rule& rule : rules_) {
    if (rule.pattern == "*" || glob_match(rule.pattern, name)) takes = rule.is_include;
  }
  return takes;
}

SyncStep sync_step(const Entry* source, const Entry* target, const SyncRule& rule) {
  KEELSON_CHECK(source != nullptr || target != nullptr, "a name that nobody has");
  if (source == nullptr) return rule.deletes ? SyncStep::kDelete : SyncStep::kIgnore;
  if (target == nullptr || source->size_bytes != target->size_bytes) return SyncStep::kTransfer;
  if (rule.by_content) return SyncStep::kCompare;
  if (rule.size_only) return SyncStep::kKeep;
  // A server that cuts its times to seconds costs a transfer too many now and then, never one too few.
  return source->modified_ms > target->modified_ms ? SyncStep::kTransfer : SyncStep::kKeep;
}

uint64_t part_size_for(uint64_t size_bytes, uint64_t wanted_bytes) {
  const uint64_t least = (size_bytes + kPartsMax - 1) / kPartsMax;
  if (least <= wanted_bytes) return wanted_bytes;
  return (least + kMiB - 1) / kMiB * kMiB;
}

uint64_t stream_part_size(uint32_t number, uint64_t first_bytes) {
  return std::min(kPartBytesMax, first_bytes << ((number - 1) / kStreamPartsPerSize));
}

std::vector<PartRange> cut_into_parts(uint64_t size_bytes, uint64_t part_bytes) {
  KEELSON_CHECK(part_bytes != 0, "parts of nothing");
  std::vector<PartRange> parts;
  uint64_t at = 0;
  do {
    parts.push_back({static_cast<uint32_t>(parts.size() + 1), at, std::min(part_bytes, size_bytes - at)});
    at += parts.back().size_bytes;
  } while (at < size_bytes);
  return parts;
}

std::optional<ResumePlan> plan_resume(const PartPage& page, uint64_t size_bytes) {
  // A part that is sent must carry the checksum that was announced when the upload began, and this program's is CRC32C.
  if (!page.algorithm.empty() && page.algorithm != "CRC32C") return std::nullopt;
  if (page.parts.empty() || page.is_truncated) return std::nullopt;
  // Every part but the last has the same size. The last alone tells nothing of it.
  uint64_t part_bytes = 0;
  for (const RemotePart& part : page.parts) part_bytes = std::max(part_bytes, part.size_bytes);
  if (part_bytes < kPartBytesMin || part_bytes > kPartBytesMax || part_bytes >= size_bytes) return std::nullopt;
  if ((size_bytes + part_bytes - 1) / part_bytes > kPartsMax) return std::nullopt;
  const std::vector<PartRange> ranges = cut_into_parts(size_bytes, part_bytes);
  uint32_t before = 0;
  for (const RemotePart& part : page.parts) {
    if (part.number <= before || part.number > ranges.size()) return std::nullopt;
    if (part.size_bytes != ranges[part.number - 1].size_bytes) return std::nullopt;
    before = part.number;
  }
  return ResumePlan{.part_bytes = part_bytes, .parts = page.parts};
}

bool is_md5_etag(std::string_view etag) {
  return etag.size() == 32 && etag.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

uint32_t part_count_of(std::string_view etag) {
  if (etag.size() < 34 || etag[32] != '-' || !is_md5_etag(etag.substr(0, 32))) return 0;
  const auto count = parse_uint64(etag.substr(33));
  return count && *count <= kPartsMax ? static_cast<uint32_t>(*count) : 0;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  constexpr Unit kUnits[] = {{"", 1},       {"K", 1024},        {"KiB", 1024},       {"M", kMiB},
                             {"MiB", kMiB}, {"G", kMiB * 1024}, {"GiB", kMiB * 1024}};
  return parse_with_unit(text, kUnits);
}

std::optional<int64_t> parse_seconds(std::string_view text) {
  constexpr Unit kUnits[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}};
  const auto value = parse_with_unit(text, kUnits);
  if (!value || *value > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::string_view content_type_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.find('/', dot) != std::string_view::npos) return {};
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const ContentType& one : kContentTypes) {
    if (one.ending == ending) return one.type;
  }
  return {};
}

}  // namespace keelson::cli
