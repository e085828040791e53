// Tokens of logged-in users, which any member of the cluster can check without having been told of them.
//
// A token is "<user in hex>.<time of issue, ms, hex>.<nonce>.<seal>". The seal is an HMAC with the user's password hash
// as its key, which the coordination shard holds on every member, and which nobody sees outside: so a token ends with
// its password and its user. As etcd's simple tokens, one lives for a while after its last use: a member takes one that
// it has not seen while the issue is not longer ago than that, and keeps those that it has seen and their last use.
//
// One reactor's; remembered are what this reactor has met.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "env/random.h"

namespace keelson::etcd {

struct TokenParts {
  std::string user;
  int64_t issued_ms = 0;
  std::string_view sealed;  // what the seal is over
  std::string_view seal;
};
// Nothing if it is not of that form.
[[nodiscard]] std::optional<TokenParts> parse_token(std::string_view token);
[[nodiscard]] std::string make_token(std::string_view user, std::string_view password_hash, int64_t now_ms,
                                     env::Random& random);
[[nodiscard]] bool is_sealed_with(const TokenParts& token, std::string_view password_hash);

class Tokens {
 public:
  // Remembered at once: more push those out that were not used for the longest time.
  static constexpr size_t kTokensMax = 10'000;

  explicit Tokens(int64_t ttl_ms) : ttl_ms_(ttl_ms) {}

  struct Known {
    std::string user;
    uint64_t auth_revision = 0;  // at which the seal was checked
    int64_t used_ms = 0;
  };
  // It is being used. Null: not known, or not used for too long.
  [[nodiscard]] const Known* use(std::string_view token, int64_t now_ms);
  // When it was last used here; nothing if it is not known.
  [[nodiscard]] std::optional<int64_t> last_use(std::string_view token) const;
  void put(std::string_view token, Known known);
  void forget(std::string_view token);

 private:
  const int64_t ttl_ms_;
  std::map<std::string, Known, std::less<>> known_;
};

}  // namespace keelson::etcd
