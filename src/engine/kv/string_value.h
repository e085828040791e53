// A string under a key: an integer, bytes within the entry, or (above kInlineStringBytesMax) an object of its own that
// grows by doubling. Lives and dies by the rules of value.h. New strings come from Keyspace::set_string().
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/numbers.h"
#include "engine/kv/value.h"

namespace keelson::kv {

class StringValue final : public Value {
 public:
  static constexpr Type kType = Type::kString;

  StringValue() = default;
  explicit StringValue(const Value& value) : Value(value) {}

  [[nodiscard]] size_t size() const;
  // The bytes. An integer is printed into scratch (within this handle).
  [[nodiscard]] std::string_view bytes() const;
  // If the string is the text of an int64, that number (parsed if it is not kept as one).
  [[nodiscard]] std::optional<int64_t> as_integer() const;

  // Keeps the time to live.
  void set_integer(int64_t value);
  void set_bytes(std::string_view bytes);
  void append(std::string_view bytes);
  // The string is at least offset + bytes afterwards (zeros where there was nothing); the result points at `offset` and
  // may be written to, `bytes` long. For SETRANGE, SETBIT, BITOP in place.
  [[nodiscard]] char* writable(size_t offset, size_t bytes);

 private:
  mutable IntegerText scratch_;
};

}  // namespace keelson::kv
