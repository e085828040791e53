// Passwords of etcd's users and the seals of their tokens. The one file here that knows OpenSSL.
//
// A password is kept as "pbkdf2-sha256$<iterations>$<salt>$<hash>" (RFC 8018, salt and hash in hex). etcd keeps
// bcrypt's; neither shows on the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "env/random.h"

namespace keelson::etcd {

// Takes some tens of milliseconds, as it should: for a worker's thread. `salt` is of random bytes.
[[nodiscard]] std::string hash_password(std::string_view password, std::string_view salt);
[[nodiscard]] std::string make_salt(env::Random& random);
// Takes as long; false too if `hash` is none.
[[nodiscard]] bool is_password(std::string_view password, std::string_view hash);
// No password's, made in no time: looking whether one is takes as long as with any other.
[[nodiscard]] std::string hash_of_nobody();

// net::keyed_hash() in hex.
[[nodiscard]] std::string seal(std::string_view key, std::string_view text);

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
// Of a number, without zeros before it.
[[nodiscard]] std::string number_to_hex(uint64_t number);

}  // namespace keelson::etcd
