// xxHash over bytes that come in pieces (https://xxhash.com, seed 0): what S3 clients call XXHASH64, XXHASH3 and
// XXHASH128. Values, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keelson::s3 {

enum class XxHashKind : uint8_t { kXxh64, kXxh3, kXxh128 };

class XxHash {
 public:
  explicit XxHash(XxHashKind kind);
  ~XxHash();
  XxHash(XxHash&&) noexcept;
  XxHash& operator=(XxHash&&) noexcept;

  void update(std::string_view bytes);
  // 8 or 16 bytes, the highest first (the canonical form).
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::s3
