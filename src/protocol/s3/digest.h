// Digests and MACs as S3 uses them, over OpenSSL. Values; any thread; nothing here can fail but by a defect of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::s3 {

enum class DigestKind : uint8_t { kMd5, kSha1, kSha256, kSha512 };

[[nodiscard]] size_t digest_bytes(DigestKind kind);

// A digest over bytes that come in pieces.
class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::string_view bytes);
  // The digest, as bytes. Once; update() may not follow.
  [[nodiscard]] std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string digest_of(DigestKind kind, std::string_view bytes);
// HMAC (RFC 2104), as bytes.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view bytes);
[[nodiscard]] std::string hmac_sha1(std::string_view key, std::string_view bytes);

// Takes as long wherever the first difference is. The sizes are no secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

// Lower case.
[[nodiscard]] std::string to_hex(std::string_view bytes);
// Either case; nullopt for anything but pairs of hex digits.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

// The SHA-256 of nothing, in hex: the payload hash of a request without a body.
inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace keelson::s3
