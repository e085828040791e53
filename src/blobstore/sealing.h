// The cryptography of payloads at rest: data keys, how they are wrapped, and how pieces of a payload are sealed. Over
// OpenSSL (EVP); FIPS 197, NIST SP 800-38D (GCM), RFC 2104 (HMAC).
//
//   data key      256 random bits, of one object or one upload. Never stored as it is.
//   wrapped key   AES-256-GCM of the data key under HMAC-SHA256(wrapping key, "keelson wrap 1" + salt + context), with
//   a
//                 nonce of zeros: that key is used once, as the salt (128 random bits) is drawn for each wrapping. The
//                 wrapping key is the server's master key or the customer's. `context` names the object.
//   segment key   HMAC-SHA256(data key, "keelson segment 1" + salt + owner as u64): the salt is drawn for each writer,
//   so
//                 two writers never use one key, be it for parts of one upload or for a part that is sent again;
//                 `owner` is owner_of_object(), so what was sealed for one object does not open as another's.
//   piece         AES-256-GCM under the segment key: at most kSealPieceBytes of text, then 16 bytes of tag. The nonce
//   is
//                 the piece's number in its segment (u64, big-endian) behind u32 1 for the segment's last piece and u32
//                 0 for all others: a piece in another place, and a segment that was cut short, do not open.
//
// Where the pieces lie does not matter, so compaction moves them as they are. Values; any thread. Keys are wiped when
// they go out of use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "engine/blob/extent.h"
#include "engine/blob/object.h"
#include "env/random.h"

namespace keelson::blobstore {

inline constexpr size_t kKeyBytes = 32;

class SecretKey {
 public:
  SecretKey() = default;
  explicit SecretKey(std::span<const unsigned char, kKeyBytes> bytes);
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  [[nodiscard]] static SecretKey draw(env::Random& random);
  // None unless there are kKeyBytes of them.
  [[nodiscard]] static std::optional<SecretKey> from(std::string_view bytes);
  [[nodiscard]] std::span<const unsigned char, kKeyBytes> bytes() const { return bytes_; }
  [[nodiscard]] std::string_view view() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::array<unsigned char, kKeyBytes> bytes_{};
};

[[nodiscard]] blob::Salt draw_salt(env::Random& random);

inline constexpr size_t kWrappedKeyBytes = kKeyBytes + blob::kSealTagBytes;
using WrappedKey = std::array<unsigned char, kWrappedKeyBytes>;
[[nodiscard]] WrappedKey wrap_key(const SecretKey& with, const blob::Salt& salt, std::string_view context,
                                  const SecretKey& key);
// None: `with` is another key, the context another, or the bytes were changed.
[[nodiscard]] std::optional<SecretKey> unwrap_key(const SecretKey& with, const blob::Salt& salt,
                                                  std::string_view context, std::span<const unsigned char> wrapped);

[[nodiscard]] SecretKey segment_key(const SecretKey& data_key, const blob::Salt& salt, uint64_t owner);

// Seals and opens the pieces of one segment; keeps its cipher contexts.
class PieceCipher {
 public:
  explicit PieceCipher(const SecretKey& segment_key);
  ~PieceCipher();
  PieceCipher(PieceCipher&&) noexcept;
  PieceCipher& operator=(PieceCipher&&) noexcept;

  struct Place {
    uint64_t number = 0;
    bool is_last = false;
  };
  // `to` has room for text and tag, and may be where the text is.
  void seal(Place place, std::string_view text, char* to);
  // Writes sealed.size() - 16 bytes to `to`. False: it was changed, moved, or sealed with another key; then what was
  // written is no text.
  [[nodiscard]] bool open(Place place, std::string_view sealed, char* to);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace keelson::blobstore
