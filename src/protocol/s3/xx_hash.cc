#include "protocol/s3/xx_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

namespace keelson::s3 {

// XXH3's state is aligned to a cache line by its type, and new keeps to that.
struct XxHash::State {
  XxHashKind kind;
  XXH64_state_t of_64;
  XXH3_state_t of_3;
};

XxHash::XxHash(XxHashKind kind) : state_(std::make_unique<State>()) {
  state_->kind = kind;
  const XXH_errorcode begun = kind == XxHashKind::kXxh64  ? XXH64_reset(&state_->of_64, 0)
                              : kind == XxHashKind::kXxh3 ? XXH3_64bits_reset(&state_->of_3)
                                                          : XXH3_128bits_reset(&state_->of_3);
  KEELSON_CHECK(begun == XXH_OK, "xxHash begins");
}

XxHash::~XxHash() = default;
XxHash::XxHash(XxHash&&) noexcept = default;
XxHash& XxHash::operator=(XxHash&&) noexcept = default;

void XxHash::update(std::string_view bytes) {
  const XXH_errorcode taken =
      state_->kind == XxHashKind::kXxh64  ? XXH64_update(&state_->of_64, bytes.data(), bytes.size())
      : state_->kind == XxHashKind::kXxh3 ? XXH3_64bits_update(&state_->of_3, bytes.data(), bytes.size())
                                          : XXH3_128bits_update(&state_->of_3, bytes.data(), bytes.size());
  KEELSON_CHECK(taken == XXH_OK, "xxHash takes bytes");
}

std::string XxHash::finish() {
  if (state_->kind == XxHashKind::kXxh128) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->of_3));
    return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
  }
  XXH64_canonical_t canonical;
  XXH64_canonicalFromHash(&canonical, state_->kind == XxHashKind::kXxh64 ? XXH64_digest(&state_->of_64)
                                                                         : XXH3_64bits_digest(&state_->of_3));
  return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
}

}  // namespace keelson::s3
