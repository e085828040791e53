// Avro schemas in JSON, and whether a datum is of one (Apache Avro specification 1.11). Pure.
//
// Primitive types, records, enums, arrays, maps, unions, fixed and names with namespaces. Logical types count as the
// type that they annotate; aliases and defaults are for readers with another schema, and are looked at for nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::pubsub {

// Of schemas and of data: what reads them recurses.
inline constexpr int kAvroDepthMax = 64;
// Of one datum: values in binary that take no bytes (an array of nulls says how many it has; records of records of
// nothing, each with two fields of the one before, are 2^64 of them), and values in JSON, which are in memory all at
// once: about 100 bytes each.
inline constexpr uint64_t kAvroEmptyValuesMax = 1'000'000;
inline constexpr uint64_t kAvroJsonValuesMax = 1'000'000;

class AvroSchema {
 public:
  // None: `error` says what is wrong. The top must be a record, as Google demands.
  [[nodiscard]] static std::optional<AvroSchema> parse(std::string_view text, std::string& error);
  // What is wrong with the datum; none: nothing.
  [[nodiscard]] std::optional<std::string> check_binary(std::string_view bytes) const;
  [[nodiscard]] std::optional<std::string> check_json(std::string_view text) const;

 private:
  friend class AvroParser;
  friend class AvroBinary;
  friend class AvroJson;
  enum class Kind : uint8_t {
    kNull,
    kBoolean,
    kInt,
    kLong,
    kFloat,
    kDouble,
    kBytes,
    kString,
    kRecord,
    kEnum,
    kArray,
    kMap,
    kUnion,
    kFixed
  };
  struct Type {
    Kind kind = Kind::kNull;
    std::string name{};                // as JSON's unions say it
    std::vector<std::string> words{};  // of a record its fields' names
    std::vector<size_t> parts{};       // of a record its fields', of a union its branches', else of the items
    // Where a symbol, or the name of a union's branch, stands.
    std::map<std::string, size_t, std::less<>> places{};
    uint64_t size = 0;  // of a fixed
  };

  std::vector<Type> types_;
  size_t top_ = 0;
};

}  // namespace keelson::pubsub
