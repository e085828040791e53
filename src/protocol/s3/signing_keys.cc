#include "protocol/s3/signing_keys.h"

#include "protocol/s3/signature_v4.h"

namespace keelson::s3 {

const std::string& SigningKeys::find(const std::shared_ptr<const AccessKey>& key, std::string_view day,
                                     std::string_view region) {
  const std::string name = std::string(day).append("/").append(key->id);
  const auto found = kept_.find(name);
  if (found != kept_.end() && found->second.of == key) return found->second.signing_key;
  if (found == kept_.end() && kept_.size() >= kCountMax) kept_.clear();
  Kept& kept = kept_[name];
  kept = {key, signing_key_v4(key->secret, day, region)};
  return kept.signing_key;
}

}  // namespace keelson::s3
