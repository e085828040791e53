// What a simulated client of the blob store knows of its keys: the state that was acknowledged, and, while an answer is
// missing, every state that may be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "engine/blob/object.h"

namespace keelson::sim_test {

// Bytes that a seed stands for.
struct Stretch {
  uint64_t seed = 0;
  uint64_t length = 0;
  bool operator==(const Stretch&) const = default;
};
[[nodiscard]] inline std::string bytes_of(const Stretch& stretch) {
  std::string bytes;
  bytes.reserve(stretch.length + 8);
  for (uint64_t i = 0; bytes.size() < stretch.length; ++i) {
    // Every other stretch repeats itself, so that compression has something to do.
    const uint64_t at = stretch.seed % 2 == 0 ? i : i % 97 / 3 + i / 9000;
    const uint64_t word = mix64(stretch.seed + at * 0x9e3779b97f4a7c15ULL);
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(stretch.length);
  return bytes;
}
[[nodiscard]] inline std::string bytes_of(const std::vector<Stretch>& stretches) {
  std::string bytes;
  for (const Stretch& stretch : stretches) bytes += bytes_of(stretch);
  return bytes;
}

struct KnownVersion {
  blob::Version version = 0;  // 0: not told
  bool is_marker = false;
  std::vector<Stretch> content;
};
// Newest first.
using KnownKey = std::vector<KnownVersion>;

struct KnownUpload {
  blob::UploadId id = 0;
  std::map<uint32_t, Stretch> parts;
};

struct KeyModel {
  // The first is what was acknowledged last; a second one is there while a change is in doubt.
  std::vector<KnownKey> possible{KnownKey{}};
  std::optional<KnownUpload> upload;
  bool is_upload_in_doubt = false;  // a change of it, or its making, was not answered
};

}  // namespace keelson::sim_test
