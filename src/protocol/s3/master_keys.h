// The server's master keys: what wraps the data keys of objects that the server encrypts (SSE-S3).
//
// Keys stand one on a line, each 32 bytes in base64; empty lines and lines that begin with # are passed over, and
// commas count as ends of lines (a setting). The last one wraps; older ones stay to unwrap what they have wrapped. A
// key's id follows from the key, so a key that was lost or exchanged is told from one that is there. Never logged.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "blobstore/sealing.h"
#include "env/disk.h"
#include "env/random.h"
#include "env/reactor.h"

namespace keelson::s3 {

using MasterKeyId = std::array<unsigned char, 8>;

struct MasterKey {
  MasterKeyId id{};
  blobstore::SecretKey key;
};

class MasterKeys {
 public:
  // More would be a mistake: a key a month for ten years are 120.
  static constexpr size_t kKeysMax = 256;

  // Nullopt: a line is no key, there is none, or there are too many.
  static std::optional<MasterKeys> parse(std::string_view text);
  [[nodiscard]] const MasterKey& newest() const { return keys_.back(); }
  // Null if there is none with this id.
  [[nodiscard]] const MasterKey* find(const MasterKeyId& id) const;
  [[nodiscard]] size_t size() const { return keys_.size(); }

 private:
  std::vector<MasterKey> keys_;  // never empty
};

// A key as a line.
[[nodiscard]] std::string make_master_key(env::Random& random);

// From the file `path`.
[[nodiscard]] Result<MasterKeys> load_master_keys(env::Disk& disk, const std::string& path);
// From <folder>/s3-master-keys, which is written, durably and for its owner alone, if it is not there.
[[nodiscard]] Task<Result<MasterKeys>> load_or_make_master_keys(env::Disk& disk, env::Reactor& on, std::string folder);

}  // namespace keelson::s3
