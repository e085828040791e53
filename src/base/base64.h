// Bytes as text by RFC 4648: base64 (section 4, with padding), and its form for URLs (section 5, without padding).
// Readers are strict, so that bytes have one text: no white space, padding as it must be, no bits beside the value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson {

[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64_url(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_base64_url(std::string_view text);

}  // namespace keelson
