// SCRAM on the server's side: RFC 5802 (SCRAM-SHA-1's, whose messages these are), RFC 7677 (SHA-256), and SHA-512 as
// Kafka has it. And PLAIN (RFC 4616). Over OpenSSL; the one file of this folder that knows it.
//
// Values and functions of bytes, any thread; make_credential() and is_password() take milliseconds, as they should.
// What proves a password is never kept or logged; comparisons take as long wherever the first difference is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::kafka {

// Numbers are the protocol's (ScramMechanism of Describe- and AlterUserScramCredentials).
enum class ScramMechanism : int8_t { kUnknown = 0, kSha256 = 1, kSha512 = 2 };
// "SCRAM-SHA-256"; empty for others.
[[nodiscard]] std::string_view mechanism_name(ScramMechanism mechanism);
// Bytes of its hash: 32 or 64.
[[nodiscard]] size_t hash_bytes(ScramMechanism mechanism);

// Kafka's bounds (KIP-554): below is too weak, above lets clients burn the server's time.
inline constexpr int32_t kScramIterationsMin = 4096;
inline constexpr int32_t kScramIterationsMax = 16'384;
// For those that the server makes itself.
inline constexpr int32_t kScramIterationsDefault = 8192;
inline constexpr size_t kScramSaltBytes = 20;
// Of names and of each message of an exchange; nothing sensible comes near.
inline constexpr size_t kSaslNameBytesMax = 1024;
inline constexpr size_t kSaslMessageBytesMax = 8192;

// What is kept of a password (RFC 5802, section 2.2). Not enough to log in with, and not nothing: a secret.
struct ScramCredential {
  ScramMechanism mechanism = ScramMechanism::kSha256;
  int32_t iterations = kScramIterationsDefault;
  std::string salt;
  std::string stored_key;
  std::string server_key;
  bool operator==(const ScramCredential&) const = default;
};

[[nodiscard]] ScramCredential make_credential(ScramMechanism mechanism, std::string_view password, std::string salt,
                                              int32_t iterations);
// From Hi(password, salt, iterations), which a client has computed (KIP-554).
[[nodiscard]] ScramCredential credential_of_salted(ScramMechanism mechanism, std::string_view salted_password,
                                                   std::string salt, int32_t iterations);
[[nodiscard]] bool is_password(const ScramCredential& credential, std::string_view password);
// One that no password fits, for a name that is not there: the same for the same name and secret, so that nobody learns
// from it which names are there.
[[nodiscard]] ScramCredential credential_of_nobody(ScramMechanism mechanism, std::string_view name,
                                                   std::string_view secret);

// As it is kept: "mechanism,iterations,salt,stored key,server key", bytes in base64.
[[nodiscard]] std::string credential_text(const ScramCredential& credential);
[[nodiscard]] std::optional<ScramCredential> read_credential(std::string_view text);

// The client's first message. `bare` is what the signature covers; channel binding is not offered (gs2 "n" or "y").
struct ScramFirst {
  std::string gs2_header;  // "n,," or "n,a=...,"
  std::string bare;
  std::string name;
  std::string authorization_id;  // empty: none
  std::string nonce;
};
[[nodiscard]] std::optional<ScramFirst> read_scram_first(std::string_view message);

// One exchange: the client's first message, server_first(), the client's last, finish().
class ScramExchange {
 public:
  // `server_nonce`: printable, without commas, from a good source, never used before.
  ScramExchange(ScramFirst first, ScramCredential credential, std::string_view server_nonce);

  [[nodiscard]] const ScramFirst& first() const { return first_; }
  [[nodiscard]] const std::string& server_first() const { return server_first_; }
  // The server's last message, by which the client knows it too; nullopt: the message is malformed or its proof wrong.
  [[nodiscard]] std::optional<std::string> finish(std::string_view client_final) const;

 private:
  ScramFirst first_;
  ScramCredential credential_;
  std::string nonce_;
  std::string server_first_;
};

// "authorization id NUL name NUL password"; nullopt: malformed. Views into the message.
struct PlainMessage {
  std::string_view authorization_id;
  std::string_view name;
  std::string_view password;
};
[[nodiscard]] std::optional<PlainMessage> read_plain(std::string_view message);

}  // namespace keelson::kafka
