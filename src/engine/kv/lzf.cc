#include "engine/kv/lzf.h"

#include <cstdint>

namespace keelson::kv {
namespace {

// 3 bytes make at most 264: a size that is above that is a lie, and is not believed when memory is taken.
constexpr uint64_t kExpansionMax = 88;

}  // namespace

std::optional<std::string> lzf_decompress(std::string_view compressed, uint64_t size) {
  if (size > (compressed.size() + 1) * kExpansionMax) return std::nullopt;
  std::string out;
  out.reserve(size);
  size_t at = 0;
  while (at < compressed.size()) {
    const auto control = static_cast<uint8_t>(compressed[at++]);
    if (control < 32) {
      const size_t count = control + size_t{1};
      if (compressed.size() - at < count || size - out.size() < count) return std::nullopt;
      out.append(compressed, at, count);
      at += count;
      continue;
    }
    size_t count = control >> 5;
    if (count == 7) {
      if (at == compressed.size()) return std::nullopt;
      count += static_cast<uint8_t>(compressed[at++]);
    }
    count += 2;
    if (at == compressed.size()) return std::nullopt;
    const size_t distance = (control & 31U) << 8 | static_cast<uint8_t>(compressed[at++]);
    if (distance >= out.size() || size - out.size() < count) return std::nullopt;
    // Byte by byte: the source may overlap what is being written.
    for (size_t from = out.size() - distance - 1; count > 0; --count, ++from) out.push_back(out[from]);
  }
  if (out.size() != size) return std::nullopt;
  return out;
}

}  // namespace keelson::kv
