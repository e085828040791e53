// SHA-1 (FIPS 180-4), for digests that must equal Redis's. Not for security: it is broken there.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace keelson::kv {

[[nodiscard]] std::array<uint8_t, 20> sha1(std::string_view bytes);

}  // namespace keelson::kv
