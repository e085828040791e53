// Keys of the ordered index: bytes whose memcmp order is (bucket, key, version from new to old).
//
//   bucket u32 big-endian, the key with 00 written as 00 FF, 00 01, six bytes big-endian of 2^48-1 - sequence
//
// 00 01 sorts before whatever may go on instead (00 FF or a byte above 00), so a key stands before every longer one
// that begins with it.
//
// Uploads use the same with the id from old to new.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/blob/object.h"

namespace keelson::blob {

inline constexpr size_t kIndexTailBytes = 8;

// Where a key's versions begin, less the tail; also where keys that begin with `prefix` begin.
void append_index_prefix(std::string& out, BucketId bucket, std::string_view prefix);
[[nodiscard]] std::string index_prefix(BucketId bucket, std::string_view prefix);
// Where the versions of exactly this key begin.
[[nodiscard]] std::string index_key_start(BucketId bucket, std::string_view key);
[[nodiscard]] std::string index_key(BucketId bucket, std::string_view key, Version version);
[[nodiscard]] std::string upload_key(BucketId bucket, std::string_view key, UploadId upload);
// The first string behind all that begin with `prefix`; empty: there is none.
[[nodiscard]] std::string behind_prefix(std::string prefix);

struct IndexKey {
  BucketId bucket = 0;
  std::string key;
  uint64_t sequence = 0;  // of the version, or of the upload; its mark stands in the value
};
// False if the bytes follow no such layout.
[[nodiscard]] bool read_index_key(std::string_view from, IndexKey& key);
[[nodiscard]] BucketId bucket_of_index_key(std::string_view from);
// All but the version.
[[nodiscard]] inline std::string_view without_version(std::string_view index_key) {
  return index_key.substr(0, index_key.size() - (kIndexTailBytes - 2));
}

}  // namespace keelson::blob
