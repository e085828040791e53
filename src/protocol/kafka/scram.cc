#include "protocol/kafka/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/base64.h"
#include "base/check.h"
#include "base/numbers.h"

namespace keelson::kafka {
namespace {

const EVP_MD* digest_of(ScramMechanism mechanism) {
  return mechanism == ScramMechanism::kSha512 ? EVP_sha512() : EVP_sha256();
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string hmac(ScramMechanism mechanism, std::string_view key, std::string_view text) {
  std::string out(hash_bytes(mechanism), '\0');
  unsigned int size = 0;
  const unsigned char* made = HMAC(digest_of(mechanism), key.data(), static_cast<int>(key.size()), bytes_of(text),
                                   text.size(), reinterpret_cast<unsigned char*>(out.data()), &size);
  KEELSON_CHECK(made != nullptr && size == out.size(), "HMAC works");
  return out;
}

std::string hash(ScramMechanism mechanism, std::string_view text) {
  std::string out(hash_bytes(mechanism), '\0');
  unsigned int size = 0;
  const int done = EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                              digest_of(mechanism), nullptr);
  KEELSON_CHECK(done == 1 && size == out.size(), "a digest works");
  return out;
}

// Hi() of RFC 5802: PBKDF2 with HMAC.
std::string salted(ScramMechanism mechanism, std::string_view password, std::string_view salt, int32_t iterations) {
  std::string out(hash_bytes(mechanism), '\0');
  const int done = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt),
                                     static_cast<int>(salt.size()), iterations, digest_of(mechanism),
                                     static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data()));
  KEELSON_CHECK(done == 1, "PBKDF2 works");
  return out;
}

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "=2C" is a comma, "=3D" an equals sign; nothing else may follow one.
std::optional<std::string> read_name(std::string_view text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      name += text[i];
      continue;
    }
    const std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    name += code == "=2C" ? ',' : '=';
    i += 2;
  }
  if (name.empty() || name.size() > kSaslNameBytesMax) return std::nullopt;
  return name;
}

// Up to the next comma, which goes as well.
std::string_view next_part(std::string_view& rest) {
  const size_t comma = std::min(rest.find(','), rest.size());
  const std::string_view part = rest.substr(0, comma);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return part;
}

// The value of "k=value"; nullopt: it is another attribute.
std::optional<std::string_view> value_of(std::string_view part, char key) {
  if (part.size() < 2 || part[0] != key || part[1] != '=') return std::nullopt;
  return part.substr(2);
}

bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

}  // namespace

std::string_view mechanism_name(ScramMechanism mechanism) {
  switch (mechanism) {
    case ScramMechanism::kSha256:
      return "SCRAM-SHA-256";
    case ScramMechanism::kSha512:
      return "SCRAM-SHA-512";
    default:
      return {};
  }
}

size_t hash_bytes(ScramMechanism mechanism) { return mechanism == ScramMechanism::kSha512 ? 64 : 32; }

ScramCredential credential_of_salted(ScramMechanism mechanism, std::string_view salted_password, std::string salt,
                                     int32_t iterations) {
  return {.mechanism = mechanism,
          .iterations = iterations,
          .salt = std::move(salt),
          .stored_key = hash(mechanism, hmac(mechanism, salted_password, "Client Key")),
          .server_key = hmac(mechanism, salted_password, "Server Key")};
}

ScramCredential make_credential(ScramMechanism mechanism, std::string_view password, std::string salt,
                                int32_t iterations) {
  std::string proof = salted(mechanism, password, salt, iterations);
  ScramCredential credential = credential_of_salted(mechanism, proof, std::move(salt), iterations);
  OPENSSL_cleanse(proof.data(), proof.size());
  return credential;
}

bool is_password(const ScramCredential& credential, std::string_view password) {
  const ScramCredential of_password =
      make_credential(credential.mechanism, password, credential.salt, credential.iterations);
  return equal(of_password.stored_key, credential.stored_key);
}

ScramCredential credential_of_nobody(ScramMechanism mechanism, std::string_view name, std::string_view secret) {
  const auto drawn = [&](std::string_view what) {
    return hmac(mechanism, secret, std::string(what) + std::string(name));
  };
  return {.mechanism = mechanism,
          .iterations = kScramIterationsDefault,
          .salt = drawn("salt ").substr(0, kScramSaltBytes),
          .stored_key = drawn("stored key "),
          .server_key = drawn("server key ")};
}

std::string credential_text(const ScramCredential& credential) {
  return std::string(mechanism_name(credential.mechanism)) + "," + std::to_string(credential.iterations) + "," +
         to_base64(credential.salt) + "," + to_base64(credential.stored_key) + "," + to_base64(credential.server_key);
}

std::optional<ScramCredential> read_credential(std::string_view text) {
  ScramCredential credential;
  const std::string_view name = next_part(text);
  if (name == mechanism_name(ScramMechanism::kSha512)) {
    credential.mechanism = ScramMechanism::kSha512;
  } else if (name != mechanism_name(ScramMechanism::kSha256)) {
    return std::nullopt;
  }
  const std::optional<int64_t> iterations = parse_int64(next_part(text));
  const std::optional<std::string> salt = from_base64(next_part(text));
  const std::optional<std::string> stored_key = from_base64(next_part(text));
  const std::optional<std::string> server_key = from_base64(next_part(text));
  if (!iterations || *iterations < 1 || *iterations > kScramIterationsMax || !salt || !stored_key || !server_key) {
    return std::nullopt;
  }
  const size_t bytes = hash_bytes(credential.mechanism);
  if (salt->empty() || stored_key->size() != bytes || server_key->size() != bytes || !text.empty()) return std::nullopt;
  credential.iterations = static_cast<int32_t>(*iterations);
  credential.salt = *salt;
  credential.stored_key = *stored_key;
  credential.server_key = *server_key;
  return credential;
}

std::optional<ScramFirst> read_scram_first(std::string_view message) {
  if (message.size() > kSaslMessageBytesMax) return std::nullopt;
  std::string_view rest = message;
  // A client that could bind to the channel, and believes that we cannot, says "y": we cannot.
  const std::string_view flag = next_part(rest);
  if (flag != "n" && flag != "y") return std::nullopt;
  ScramFirst first;
  const std::string_view authorization = next_part(rest);
  if (!authorization.empty()) {
    const std::optional<std::string_view> value = value_of(authorization, 'a');
    const std::optional<std::string> id = value ? read_name(*value) : std::nullopt;
    if (!id) return std::nullopt;
    first.authorization_id = *id;
  }
  first.gs2_header = std::string(message.substr(0, message.size() - rest.size()));
  first.bare = std::string(rest);
  // "m=", a demand that must be understood, stands first and is refused here with everything else.
  const std::optional<std::string_view> name = value_of(next_part(rest), 'n');
  const std::optional<std::string_view> nonce = value_of(next_part(rest), 'r');
  if (!name || !nonce || !is_printable(*nonce)) return std::nullopt;
  const std::optional<std::string> read = read_name(*name);
  if (!read) return std::nullopt;
  first.name = *read;
  first.nonce = std::string(*nonce);
  return first;
}

ScramExchange::ScramExchange(ScramFirst first, ScramCredential credential, std::string_view server_nonce)
    : first_(std::move(first)), credential_(std::move(credential)), nonce_(first_.nonce + std::string(server_nonce)) {
  server_first_ = "r=" + nonce_ + ",s=" + to_base64(credential_.salt) + ",i=" + std::to_string(credential_.iterations);
}

std::optional<std::string> ScramExchange::finish(std::string_view client_final) const {
  if (client_final.size() > kSaslMessageBytesMax) return std::nullopt;
  const size_t proof_at = client_final.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  const std::string_view without_proof = client_final.substr(0, proof_at);
  const std::optional<std::string> proof = from_base64(client_final.substr(proof_at + 3));
  std::string_view rest = without_proof;
  const std::optional<std::string_view> binding = value_of(next_part(rest), 'c');
  const std::optional<std::string_view> nonce = value_of(next_part(rest), 'r');
  if (!proof || proof->size() != hash_bytes(credential_.mechanism) || !binding || !nonce) return std::nullopt;
  // librdkafka before 2.2.0 puts its own part before the whole once more; the proof covers what was sent.
  if (*nonce != nonce_ && *nonce != first_.nonce + nonce_) return std::nullopt;
  if (from_base64(*binding) != first_.gs2_header) return std::nullopt;

  const std::string signed_text = first_.bare + "," + server_first_ + "," + std::string(without_proof);
  // ClientKey = ClientProof XOR ClientSignature, and its hash is the stored key.
  std::string client_key = hmac(credential_.mechanism, credential_.stored_key, signed_text);
  for (size_t i = 0; i < client_key.size(); ++i) client_key[i] = static_cast<char>(client_key[i] ^ (*proof)[i]);
  if (!equal(hash(credential_.mechanism, client_key), credential_.stored_key)) return std::nullopt;
  return "v=" + to_base64(hmac(credential_.mechanism, credential_.server_key, signed_text));
}

std::optional<PlainMessage> read_plain(std::string_view message) {
  if (message.size() > kSaslMessageBytesMax) return std::nullopt;
  const size_t first = message.find('\0');
  const size_t second = first == std::string_view::npos ? first : message.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const PlainMessage plain{.authorization_id = message.substr(0, first),
                           .name = message.substr(first + 1, second - first - 1),
                           .password = message.substr(second + 1)};
  if (plain.name.empty() || plain.name.size() > kSaslNameBytesMax || plain.password.empty()) return std::nullopt;
  if (plain.password.find('\0') != std::string_view::npos) return std::nullopt;
  return plain;
}

}  // namespace keelson::kafka
