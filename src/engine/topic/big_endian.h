// Numbers in network order, as in Kafka's record batches. base/coding.h has the house's own (little-endian) ones.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <string>

#include "base/coding.h"

namespace keelson::topic {

template <std::integral Integer>
[[nodiscard]] Integer get_be(const char* from) {
  using Unsigned = std::make_unsigned_t<Integer>;
  return static_cast<Integer>(std::byteswap(get_fixed<Unsigned>(from)));
}
template <std::integral Integer>
void put_be(char* to, Integer value) {
  using Unsigned = std::make_unsigned_t<Integer>;
  put_fixed<Unsigned>(to, std::byteswap(static_cast<Unsigned>(value)));
}
template <std::integral Integer>
void append_be(std::string& to, Integer value) {
  char bytes[sizeof(Integer)];
  put_be(bytes, value);
  to.append(bytes, sizeof(bytes));
}

}  // namespace keelson::topic
