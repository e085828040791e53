// Passwords of etcd's users and the seals of their tokens. The one file here that knows OpenSSL.
//
// A password is kept as "pbkdf2-sha256$<iterations>$<salt>$<hash>" (RFC 8018, salt and hash in hex). etcd keeps
// bcrypt's; neither shows on the wire.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "env/random.h"

namespace keelson::etcd {

// Takes some tens of milliseconds, as it should: for a worker's thread. `salt` is of random bytes.
[[nodiscard]] std::string hash_password(std::string_view password, std::string_view salt);
[[nodiscard]] std::string make_salt(env::Random& random);
// The same; false too if `hash` is none.
[[nodiscard]] bool is_password(std::string_view password, std::string_view hash);

// HMAC-SHA-256 in hex (RFC 2104).
[[nodiscard]] std::string seal(std::string_view key, std::string_view text);
// In a time that tells nothing about where they differ.
[[nodiscard]] bool is_equal(std::string_view a, std::string_view b);

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();
  void add(std::string_view bytes);
  // 32 bytes. Once, last.
  [[nodiscard]] std::string finish();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

[[nodiscard]] std::string to_hex(std::string_view bytes);
// Empty if it is none.
[[nodiscard]] std::string from_hex(std::string_view text);

}  // namespace keelson::etcd
