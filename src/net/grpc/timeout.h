// The field grpc-timeout (PROTOCOL-HTTP2.md, "Timeout"): up to eight digits and a unit. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keelson::net::grpc {

// "100m" is 100 ms in nanoseconds. Nothing if it is not of that form.
[[nodiscard]] std::optional<int64_t> parse_timeout_ns(std::string_view text);

}  // namespace keelson::net::grpc
