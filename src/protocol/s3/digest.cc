#include "protocol/s3/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace keelson::s3 {

namespace {

// Fetched once: EVP_sha256() and its like look the algorithm up anew for each context (OpenSSL 3, "implicit fetching").
const EVP_MD* method(DigestKind kind) {
  static const EVP_MD* const kMethods[] = {
      EVP_MD_fetch(nullptr, "MD5", nullptr), EVP_MD_fetch(nullptr, "SHA1", nullptr),
      EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  const EVP_MD* found = kMethods[static_cast<size_t>(kind)];
  KEELSON_CHECK(found != nullptr, "OpenSSL has MD5, SHA-1, SHA-256 and SHA-512");
  return found;
}

std::string hmac(DigestKind kind, std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  const unsigned char* made =
      HMAC(method(kind), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
           bytes.size(), out.data(), &size);
  KEELSON_CHECK(made != nullptr, "HMAC works");
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

struct Digest::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(md); }
};

size_t digest_bytes(DigestKind kind) { return static_cast<size_t>(EVP_MD_get_size(method(kind))); }

Digest::Digest(DigestKind kind) : context_(std::make_unique<Context>()) {
  KEELSON_CHECK(context_->md != nullptr && EVP_DigestInit_ex2(context_->md, method(kind), nullptr) == 1,
                "a digest can be begun");
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::string_view bytes) {
  KEELSON_CHECK(EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()) == 1, "a digest takes bytes");
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  KEELSON_CHECK(EVP_DigestFinal_ex(context_->md, out.data(), &size) == 1, "a digest ends");
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

std::string digest_of(DigestKind kind, std::string_view bytes) {
  Digest digest(kind);
  digest.update(bytes);
  return digest.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) { return hmac(DigestKind::kSha256, key, bytes); }
std::string hmac_sha1(std::string_view key, std::string_view bytes) { return hmac(DigestKind::kSha1, key, bytes); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

}  // namespace keelson::s3
