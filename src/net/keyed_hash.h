// HMAC-SHA256 (RFC 2104, FIPS 180-4) over OpenSSL, for proofs that a secret is known. Values; any thread; nothing here
// can fail but by a defect of ours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keelson::net {

inline constexpr size_t kKeyedHashBytes = 32;

// As bytes, kKeyedHashBytes of them.
[[nodiscard]] std::string keyed_hash(std::string_view secret, std::string_view bytes);

// Takes as long wherever the first difference is. The sizes are no secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace keelson::net
