#include "protocol/s3/master_keys.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/logging.h"
#include "protocol/s3/digest.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kFileName = "s3-master-keys";
// Of kKeysMax keys with a comment each.
constexpr uint64_t kFileBytesMax = uint64_t{64} << 10;
constexpr std::string_view kIdPurpose = "keelson master key id";

std::string_view trim(std::string_view line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

std::optional<MasterKeys> MasterKeys::parse(std::string_view text) {
  MasterKeys keys;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n,"), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const auto bytes = from_base64(line);
    const auto key = bytes ? blobstore::SecretKey::from(*bytes) : std::nullopt;
    if (!key || keys.keys_.size() == kKeysMax) return std::nullopt;
    MasterKey& made = keys.keys_.emplace_back();
    made.key = *key;
    const std::string id = hmac_sha256(key->view(), kIdPurpose);
    std::copy_n(id.begin(), made.id.size(), made.id.begin());
  }
  if (keys.keys_.empty()) return std::nullopt;
  return keys;
}

const MasterKey* MasterKeys::find(const MasterKeyId& id) const {
  const auto found = std::ranges::find(keys_, id, &MasterKey::id);
  return found == keys_.end() ? nullptr : &*found;
}

std::string make_master_key(env::Random& random) { return to_base64(blobstore::SecretKey::draw(random).view()); }

Result<MasterKeys> load_master_keys(env::Disk& disk, const std::string& path) {
  Result<std::string> text = env::read_file(disk, path, kFileBytesMax);
  if (!text.ok()) return forward_error(text);
  auto keys = MasterKeys::parse(*text);
  if (!keys) {
    return fail(make_error_code(env::DiskErrc::kInvalid),
                path + " does not hold master keys, each 32 bytes in base64 on a line of its own");
  }
  return std::move(*keys);
}

Task<Result<MasterKeys>> load_or_make_master_keys(env::Disk& disk, env::Reactor& on, std::string folder) {
  const std::string path = folder + "/" + std::string(kFileName);
  if (!disk.exists(path)) {
    Status written = co_await env::replace_file(disk, on, folder, std::string(kFileName),
                                                make_master_key(on.random()) + "\n", env::OpenMode::kCreatePrivate);
    if (!written.ok()) co_return forward_error(written);
    log_info("s3", "a master key for encrypted objects is made", {{"file", path}});
  }
  co_return load_master_keys(disk, path);
}

}  // namespace keelson::s3
