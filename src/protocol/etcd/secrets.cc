#include "protocol/etcd/secrets.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "base/check.h"
#include "base/numbers.h"
#include "net/keyed_hash.h"

namespace keelson::etcd {

namespace {

constexpr std::string_view kScheme = "pbkdf2-sha256";
// Some 30 ms of a core of 2020 with SHA instructions: what a login may cost, and far more than a guess should.
constexpr uint64_t kIterations = 100'000;
constexpr uint64_t kIterationsMax = 10'000'000;
constexpr size_t kHashBytes = 32;
constexpr size_t kSaltBytes = 16;

std::string derive(std::string_view password, std::string_view salt, uint64_t iterations) {
  std::array<unsigned char, kHashBytes> hash;
  const int done =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                        static_cast<int>(iterations), EVP_sha256(), static_cast<int>(hash.size()), hash.data());
  KEELSON_CHECK(done == 1, "PBKDF2 fails");
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (text.size() % 2 != 0) return {};
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string number_to_hex(uint64_t number) {
  constexpr int kHex = 16;
  std::array<char, 16> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, kHex).ptr;
  return {text.data(), end};
}

std::string make_salt(env::Random& random) {
  std::string salt(kSaltBytes, '\0');
  random.fill_secret(salt);
  return salt;
}

namespace {

std::string written(std::string_view salt, std::string_view hash) {
  return std::string(kScheme) + "$" + std::to_string(kIterations) + "$" + to_hex(salt) + "$" + std::string(hash);
}

}  // namespace

std::string hash_password(std::string_view password, std::string_view salt) {
  return written(salt, derive(password, salt, kIterations));
}

std::string hash_of_nobody() { return written(std::string(kSaltBytes, '\0'), std::string(2 * kHashBytes, '-')); }

bool is_password(std::string_view password, std::string_view hash) {
  std::array<std::string_view, 4> parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t end = hash.find('$');
    if ((end == std::string_view::npos) != (i + 1 == parts.size())) return false;
    parts[i] = hash.substr(0, end);
    if (end != std::string_view::npos) hash.remove_prefix(end + 1);
  }
  const auto iterations = parse_uint64(parts[1]);
  if (parts[0] != kScheme || !iterations || *iterations == 0 || *iterations > kIterationsMax) return false;
  return net::equal_in_constant_time(derive(password, from_hex(parts[2]), *iterations), parts[3]);
}

std::string seal(std::string_view key, std::string_view text) { return to_hex(net::keyed_hash(key, text)); }

struct Sha256::Inside {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
};

Sha256::Sha256() : inside_(std::make_unique<Inside>()) {
  KEELSON_CHECK(EVP_DigestInit_ex(inside_->context, EVP_sha256(), nullptr) == 1, "SHA-256 fails");
}

Sha256::~Sha256() { EVP_MD_CTX_free(inside_->context); }

void Sha256::add(std::string_view bytes) {
  KEELSON_CHECK(EVP_DigestUpdate(inside_->context, bytes.data(), bytes.size()) == 1, "SHA-256 fails");
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned bytes = 0;
  KEELSON_CHECK(EVP_DigestFinal_ex(inside_->context, hash.data(), &bytes) == 1, "SHA-256 fails");
  return {reinterpret_cast<const char*>(hash.data()), bytes};
}

}  // namespace keelson::etcd
