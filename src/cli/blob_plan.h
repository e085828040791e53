// What the blob verbs decide before they move a byte: which names are meant, what a sync does with each, how a file is
// cut into parts, and whether an upload that was cut short goes on. Pure functions over values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/blob_documents.h"

namespace keelson::cli {

// S3's limits ("Amazon S3 multipart upload limits").
inline constexpr uint64_t kPartBytesMin = uint64_t{5} << 20;
inline constexpr uint64_t kPartBytesMax = uint64_t{5} << 30;
inline constexpr uint64_t kPartsMax = 10'000;
inline constexpr uint64_t kObjectBytesMax = uint64_t{5} << 40;
// One PUT or CopyObject.
inline constexpr uint64_t kSinglePutBytesMax = uint64_t{5} << 30;
inline constexpr uint64_t kPartBytesDefault = uint64_t{8} << 20;

// A file below a folder, or an object below a prefix, by its name from there, with slashes.
struct Entry {
  std::string name = {};
  uint64_t size_bytes = 0;
  int64_t modified_ms = 0;
  std::string etag = {};  // of an object
};

// --include and --exclude in the order in which they were given: the last that matches a name decides. A name that none
// matches is meant, unless the first pattern given is an --include.
class NameFilter {
 public:
  void add(bool is_include, std::string pattern) { rules_.push_back({is_include, std::move(pattern)}); }
  // `name` is relative to the folder or prefix. '*' goes over slashes.
  [[nodiscard]] bool takes(std::string_view name) const;

 private:
  struct Rule {
    bool is_include;
    std::string pattern;
  };
  std::vector<Rule> rules_;
};

struct SyncRule {
  bool deletes = false;     // --delete
  bool by_content = false;  // --checksum
  bool size_only = false;   // --size-only
};
enum class SyncStep : uint8_t {
  kKeep,
  kTransfer,
  kCompare,  // by content: sizes are equal
  kDelete,
  kIgnore,  // there is no source, and --delete was not given
};
// One name, which at least one side has. Sources that are newer than their target go over, since their copy was made
// before they changed.
[[nodiscard]] SyncStep sync_step(const Entry* source, const Entry* target, const SyncRule& rule);

// Equal parts, the last smaller. At least `wanted_bytes` each, more if there would be too many.
[[nodiscard]] uint64_t part_size_for(uint64_t size_bytes, uint64_t wanted_bytes);
// The parts of a stream whose end nobody knows: they double every 2,000, so that 10,000 hold 62,000 of the first size.
[[nodiscard]] uint64_t stream_part_size(uint32_t number, uint64_t first_bytes);

struct PartRange {
  uint32_t number = 0;  // from 1
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
};
// One part of size 0 for nothing.
[[nodiscard]] std::vector<PartRange> cut_into_parts(uint64_t size_bytes, uint64_t part_bytes);

// An upload that was cut short, by the parts that the server has.
struct ResumePlan {
  uint64_t part_bytes = 0;
  std::vector<RemotePart> parts = {};  // in order; their content is still to be compared with the file
};
// Nullopt if it cannot be of this file, cut in equal parts: then a new upload is begun. `page` holds all parts.
[[nodiscard]] std::optional<ResumePlan> plan_resume(const PartPage& page, uint64_t size_bytes);

// "32 hex digits": the MD5 of the content, unless the server encrypts with keys of its own.
[[nodiscard]] bool is_md5_etag(std::string_view etag);
// N of "md5-N"; 0 if it is none.
[[nodiscard]] uint32_t part_count_of(std::string_view etag);

// "8MiB", "16M", "1GiB", "5242880"; nullopt for anything else.
[[nodiscard]] std::optional<uint64_t> parse_size(std::string_view text);
// "90", "90s", "15m", "12h", "7d", in seconds.
[[nodiscard]] std::optional<int64_t> parse_seconds(std::string_view text);
// By the name's ending; empty if it says nothing, for the server's own default.
[[nodiscard]] std::string_view content_type_of(std::string_view name);

}  // namespace keelson::cli
