// Messages of etcd's API between their two forms: JSON (proto3's mapping, as grpc-gateway writes it) and protobuf's
// bytes. The one file here that knows the generated messages. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::etcd {

// JSON within JSON deeper than this is refused: what reads it recurses.
inline constexpr int kJsonDepthMax = 100;

// `type`: "etcdserverpb.RangeRequest". Fields that it does not have are passed over, as in etcd. Nothing, and why in
// `error`, if it is no JSON or does not fit.
[[nodiscard]] std::optional<std::string> from_json(std::string_view type, std::string_view json, std::string& error);
// Nothing if `message` is not of the type.
[[nodiscard]] std::optional<std::string> to_json(std::string_view type, std::string_view message);

// Bytes of the first JSON value of the text, blanks before it included; 0: there is none whole. Of an object: its end
// is found by counting braces outside of strings, nothing else is looked at.
[[nodiscard]] size_t first_json_bytes(std::string_view text);
// `text` as a JSON string, with its quotes.
[[nodiscard]] std::string quote_json(std::string_view text);

}  // namespace keelson::etcd
