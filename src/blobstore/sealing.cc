#include "blobstore/sealing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::blobstore {

namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kNumberAt = 4;
constexpr int kTagBytes = static_cast<int>(blob::kSealTagBytes);
constexpr std::string_view kWrapPurpose = "keelson wrap 1";
constexpr std::string_view kSegmentPurpose = "keelson segment 1";

using Nonce = std::array<unsigned char, kNonceBytes>;

// Fetched once: OpenSSL 3 looks an algorithm up anew for each context otherwise.
const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  KEELSON_CHECK(kCipher != nullptr, "OpenSSL has AES-256-GCM");
  return kCipher;
}
const EVP_MD* sha256() {
  static const EVP_MD* const kDigest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  KEELSON_CHECK(kDigest != nullptr, "OpenSSL has SHA-256");
  return kDigest;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

SecretKey derive(const SecretKey& from, const std::string& info) {
  std::array<unsigned char, kKeyBytes> out{};
  unsigned size = 0;
  const unsigned char* made =
      HMAC(sha256(), from.bytes().data(), kKeyBytes, bytes_of(info), info.size(), out.data(), &size);
  KEELSON_CHECK(made != nullptr && size == kKeyBytes, "HMAC works");
  const SecretKey key(out);
  OPENSSL_cleanse(out.data(), out.size());
  return key;
}

SecretKey wrapping_key(const SecretKey& with, const blob::Salt& salt, std::string_view context) {
  std::string info(kWrapPurpose);
  info.append(reinterpret_cast<const char*>(salt.data()), salt.size());
  info.append(context);
  return derive(with, info);
}

Nonce nonce_of(PieceCipher::Place place) {
  Nonce nonce{};
  nonce[kNumberAt - 1] = place.is_last ? 1 : 0;
  for (size_t i = 0; i < sizeof(place.number); ++i) {
    nonce[kNonceBytes - 1 - i] = static_cast<unsigned char>(place.number >> (8 * i));
  }
  return nonce;
}

}  // namespace

SecretKey::SecretKey(std::span<const unsigned char, kKeyBytes> bytes) { std::ranges::copy(bytes, bytes_.begin()); }
SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

SecretKey SecretKey::draw(env::Random& random) {
  SecretKey key;
  random.fill_secret({reinterpret_cast<char*>(key.bytes_.data()), key.bytes_.size()});
  return key;
}

std::optional<SecretKey> SecretKey::from(std::string_view bytes) {
  if (bytes.size() != kKeyBytes) return std::nullopt;
  return SecretKey(std::span<const unsigned char, kKeyBytes>(bytes_of(bytes), kKeyBytes));
}

blob::Salt draw_salt(env::Random& random) {
  blob::Salt salt{};
  random.fill_secret({reinterpret_cast<char*>(salt.data()), salt.size()});
  return salt;
}

struct PieceCipher::Contexts {
  EVP_CIPHER_CTX* sealing = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* opening = EVP_CIPHER_CTX_new();
  ~Contexts() {
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
  }
};

PieceCipher::PieceCipher(const SecretKey& segment_key) : contexts_(std::make_unique<Contexts>()) {
  const unsigned char* key = segment_key.bytes().data();
  KEELSON_CHECK(contexts_->sealing != nullptr && contexts_->opening != nullptr &&
                    EVP_EncryptInit_ex2(contexts_->sealing, aes_256_gcm(), key, nullptr, nullptr) == 1 &&
                    EVP_DecryptInit_ex2(contexts_->opening, aes_256_gcm(), key, nullptr, nullptr) == 1,
                "a cipher takes its key");
}
PieceCipher::~PieceCipher() = default;
PieceCipher::PieceCipher(PieceCipher&&) noexcept = default;
PieceCipher& PieceCipher::operator=(PieceCipher&&) noexcept = default;

void PieceCipher::seal(Place place, std::string_view text, char* to) {
  KEELSON_CHECK(!text.empty() && text.size() <= blob::kSealPieceBytes, "a piece has 1 to 65,520 bytes");
  const Nonce nonce = nonce_of(place);
  auto* out = reinterpret_cast<unsigned char*>(to);
  EVP_CIPHER_CTX* context = contexts_->sealing;
  int written = 0;
  int rest = 0;
  const bool is_done = EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
                       EVP_EncryptUpdate(context, out, &written, bytes_of(text), static_cast<int>(text.size())) == 1 &&
                       EVP_EncryptFinal_ex(context, out + written, &rest) == 1 &&
                       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, out + text.size()) == 1;
  KEELSON_CHECK(is_done && static_cast<size_t>(written + rest) == text.size(), "AES-256-GCM works");
}

bool PieceCipher::open(Place place, std::string_view sealed, char* to) {
  if (sealed.size() <= blob::kSealTagBytes) return false;
  const std::string_view text = sealed.substr(0, sealed.size() - blob::kSealTagBytes);
  std::array<unsigned char, blob::kSealTagBytes> tag{};
  std::copy_n(sealed.end() - kTagBytes, kTagBytes, tag.begin());
  const Nonce nonce = nonce_of(place);
  auto* out = reinterpret_cast<unsigned char*>(to);
  EVP_CIPHER_CTX* context = contexts_->opening;
  int written = 0;
  const bool is_ready = EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
                        EVP_DecryptUpdate(context, out, &written, bytes_of(text), static_cast<int>(text.size())) == 1 &&
                        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1;
  KEELSON_CHECK(is_ready, "AES-256-GCM works");
  int rest = 0;
  return EVP_DecryptFinal_ex(context, out + written, &rest) == 1;
}

WrappedKey wrap_key(const SecretKey& with, const blob::Salt& salt, std::string_view context, const SecretKey& key) {
  WrappedKey wrapped{};
  PieceCipher cipher(wrapping_key(with, salt, context));
  cipher.seal({}, key.view(), reinterpret_cast<char*>(wrapped.data()));
  return wrapped;
}

std::optional<SecretKey> unwrap_key(const SecretKey& with, const blob::Salt& salt, std::string_view context,
                                    std::span<const unsigned char> wrapped) {
  if (wrapped.size() != kWrappedKeyBytes) return std::nullopt;
  PieceCipher cipher(wrapping_key(with, salt, context));
  std::array<char, kKeyBytes> bytes{};
  std::optional<SecretKey> key;
  if (cipher.open({}, {reinterpret_cast<const char*>(wrapped.data()), wrapped.size()}, bytes.data())) {
    key = SecretKey::from({bytes.data(), bytes.size()});
  }
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return key;
}

SecretKey segment_key(const SecretKey& data_key, const blob::Salt& salt, uint64_t owner) {
  std::string info(kSegmentPurpose);
  info.append(reinterpret_cast<const char*>(salt.data()), salt.size());
  append_u64(info, owner);
  return derive(data_key, info);
}

}  // namespace keelson::blobstore
