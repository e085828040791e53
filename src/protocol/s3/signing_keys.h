// Signing keys of version 4, kept: deriving one takes four HMACs for each request, and it changes once a day.
//
// Of one reactor. A key is kept together with the access key that it was derived from, as the key ring holds it, so one
// that was changed or removed is never met again.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/s3/keys.h"

namespace keelson::s3 {

class SigningKeys {
 public:
  // Of access keys and days. Past it all are dropped and derived anew; presigned requests may be of the last 7 days.
  static constexpr size_t kCountMax = 1024;

  // signing_key_v4() of the key's secret. `region` is the service's, always the same.
  [[nodiscard]] const std::string& find(const std::shared_ptr<const AccessKey>& key, std::string_view day,
                                        std::string_view region);
  [[nodiscard]] size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::shared_ptr<const AccessKey> of;
    std::string signing_key;
  };
  std::map<std::string, Kept, std::less<>> kept_;  // "<day>/<access key id>"
};

}  // namespace keelson::s3
