// Whether a schema is one, and whether messages fit it: Avro (1.11, "Schema Declaration", "JSON Encoding", "Binary
// Encoding") by avro.h, Protocol Buffers by libprotobuf's own parser. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keelson::pubsub {

enum class SchemaKind : uint8_t { kAvro, kProtocolBuffer };
enum class SchemaEncoding : uint8_t { kJson, kBinary };
// Google's limit.
inline constexpr size_t kSchemaBytesMax = 300'000;
// What a message of Protocol Buffers may take while it is checked: 10 MB of fields of three bytes, of an ordinary type.
inline constexpr uint64_t kProtoMemoryMax = uint64_t{128} << 20;

// Of the messages' enum.
[[nodiscard]] SchemaKind kind_of(int type);

// What is wrong, for people; none: nothing.
[[nodiscard]] std::optional<std::string> check_schema_definition(SchemaKind kind, std::string_view definition);
// The definition is good.
[[nodiscard]] std::optional<std::string> check_schema_message(SchemaKind kind, std::string_view definition,
                                                              SchemaEncoding encoding,
                                                              std::span<const std::string> messages);

}  // namespace keelson::pubsub
