// Access keys: who may sign, and what their user may do.
//
// The root key comes from the settings and may do everything. Others are documents of the blob service, one for each,
// under "s3-key/<id>"; each belongs to a user and has a policy, named or in full. A ring of them is immutable and
// shared by all reactors; a change makes a new ring.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/error.h"
#include "protocol/s3/policy.h"

namespace keelson::s3 {

inline constexpr std::string_view kKeyDocumentPrefix = "s3-key/";
inline constexpr std::string_view kRootUser = "root";
inline constexpr size_t kKeysMax = 10'000;

struct AccessKey {
  std::string id;
  std::string secret;
  std::string user;
  std::string policy;  // as given: a name ("readwrite") or JSON; empty of the root key
  bool is_enabled = true;
  bool is_root = false;
  int64_t created_ms = 0;  // 0: not known
  int64_t expires_ms = 0;  // from then on nobody can sign with it; 0: never
  std::optional<Policy> parsed_policy;

  [[nodiscard]] bool may_sign(int64_t now_ms) const { return is_enabled && (expires_ms == 0 || now_ms < expires_ms); }

  // As it is stored: one JSON object.
  [[nodiscard]] std::string document() const;
};

// 3 to 128 letters, digits and ._- (Amazon's own have no marks; those of other servers do).
[[nodiscard]] bool is_access_key_id(std::string_view id);
// 8 to 128 printable characters of ASCII, no blanks.
[[nodiscard]] bool is_secret(std::string_view secret);
// 1 to 64 of letters, digits and "._@-": no wildcards, as names stand in policies.
[[nodiscard]] bool is_user_name(std::string_view user);

// A key with everything checked. kInvalidArgument, kMalformedPolicy.
[[nodiscard]] S3Result<AccessKey> make_access_key(std::string id, std::string secret, std::string user,
                                                  std::string policy);
// From the document `name` -> `json`. kInternalError with what is wrong.
[[nodiscard]] S3Result<AccessKey> load_access_key(std::string_view name, std::string_view json);

// What is to change of a key. What is not set stays.
struct KeyChange {
  std::optional<std::string> policy;
  std::optional<bool> is_enabled;
  std::optional<int64_t> expires_ms;  // 0: never
};
// kMalformedPolicy.
[[nodiscard]] S3Result<AccessKey> change_access_key(const AccessKey& key, KeyChange change);

class KeyRing {
 public:
  void put(AccessKey key);
  void remove(std::string_view id);
  // Null if there is none.
  [[nodiscard]] std::shared_ptr<const AccessKey> find(std::string_view id) const;
  [[nodiscard]] std::vector<std::shared_ptr<const AccessKey>> all() const;
  [[nodiscard]] size_t size() const { return keys_.size(); }

 private:
  std::map<std::string, std::shared_ptr<const AccessKey>, std::less<>> keys_;
};

}  // namespace keelson::s3
