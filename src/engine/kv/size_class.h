// jemalloc's size classes, so that memory asked for is memory used.
//
// Everything that grows in place asks for whole classes: what lies between its size and size_class() of it is room for
// free, and no capacity has to be stored. Classes on x86-64 (quantum 16, page 4096): 8, 16, 32, 48, 64, 80, 96, 112,
// 128, then four to each doubling. Another allocator still works, with other waste.
#pragma once

#include <bit>
#include <cstddef>

namespace keelson::kv {

[[nodiscard]] constexpr size_t size_class(size_t bytes) {
  if (bytes <= 8) return 8;
  if (bytes <= 128) return (bytes + 15) & ~size_t{15};
  // 2^e < bytes <= 2^(e+1): steps of 2^(e-2).
  const size_t step = std::bit_floor(bytes - 1) >> 2;
  return (bytes + step - 1) & ~(step - 1);
}

static_assert(size_class(1) == 8 && size_class(9) == 16 && size_class(56) == 64 && size_class(129) == 160);
static_assert(size_class(161) == 192 && size_class(256) == 256 && size_class(257) == 320 && size_class(4097) == 5120);

}  // namespace keelson::kv
