// What a download under way leaves beside its target, so that another run can go on with it.
//
//   NAME.keelson-partial          the content; ranges that have not come hold anything
//   NAME.ranges.keelson-partial   text: "keelson-download 1", the object's entity tag, its size, the parts' size, and
//                                 for each part that was written its number and the CRC32C of its content in 8 hex
//                                 digits; a line each, appended as parts come
//
// Nothing of it is synced before the end: whoever goes on compares each part with its CRC32C first, so a crash costs
// parts and never content. A last line that is torn is ignored. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::cli {

// 10,000 parts of a line each, and the head.
inline constexpr uint64_t kDownloadStateBytesMax = uint64_t{1} << 20;

struct DownloadState {
  std::string etag = {};  // without quotes
  uint64_t size_bytes = 0;
  uint64_t part_bytes = 0;
  std::map<uint32_t, uint32_t> crc32c_by_part = {};  // numbers from 1

  [[nodiscard]] bool is_of(std::string_view object_etag, uint64_t object_bytes) const {
    return etag == object_etag && size_bytes == object_bytes;
  }
};

// Beside the target. The name of a target so long that the ending does not fit (255 bytes are a name's most on Linux)
// is cut short, with a hash of the whole in the place of what is cut off.
inline constexpr size_t kFileNameBytesMax = 255;
[[nodiscard]] std::string partial_path(std::string_view target);
[[nodiscard]] std::string ranges_path(std::string_view target);
[[nodiscard]] std::string download_state_head(const DownloadState& state);
[[nodiscard]] std::string download_state_line(uint32_t part_number, uint32_t crc32c);
// Nullopt if the head is not whole, or says what cannot be.
[[nodiscard]] std::optional<DownloadState> parse_download_state(std::string_view text);

}  // namespace keelson::cli
