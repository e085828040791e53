#include "engine/kv/packed.h"

#include <bit>
#include <cmath>

namespace keelson::kv {

using namespace packed_detail;

namespace {

constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53

// The first byte for an integer that is not within 0..63.
uint8_t first_byte_of(int64_t value) {
  const uint64_t magnitude = static_cast<uint64_t>(value < 0 ? ~value : value);
  const int bits = std::bit_width(magnitude) + 1;
  if (bits <= 8) return kInt8;
  if (bits <= 16) return kInt16;
  if (bits <= 24) return kInt24;
  if (bits <= 32) return kInt32;
  if (bits <= 48) return kInt48;
  return kInt64;
}

}  // namespace

PackedElement::PackedElement(double real) : real_(real) {
  if (std::fabs(real) <= kExactIntegerMax && real == std::trunc(real)) {
    is_integer_ = true;
    integer_ = static_cast<int64_t>(real);
  } else {
    is_real_ = true;
  }
}

size_t PackedElement::size() const {
  if (is_integer_)
    return integer_ >= 0 && integer_ < 64 ? 1 : 1 + size_t{kNumberBytes[first_byte_of(integer_) - kInt8]};
  if (is_real_) return 9;
  if (bytes_.size() < 128) return 1 + bytes_.size();
  return (bytes_.size() < 4096 ? 2 : 5) + bytes_.size();
}

char* PackedElement::write(char* to) const {
  if (is_integer_) {
    if (integer_ >= 0 && integer_ < 64) {
      *to = static_cast<char>(0x80 | integer_);
      return to + 1;
    }
    const uint8_t first = first_byte_of(integer_);
    *to = static_cast<char>(first);
    std::memcpy(to + 1, &integer_, kNumberBytes[first - kInt8]);
    return to + 1 + kNumberBytes[first - kInt8];
  }
  if (is_real_) {
    *to = static_cast<char>(kDouble);
    std::memcpy(to + 1, &real_, sizeof(real_));
    return to + 9;
  }
  const size_t length = bytes_.size();
  if (length < 128) {
    *to++ = static_cast<char>(length);
  } else if (length < 4096) {
    *to++ = static_cast<char>(kString12 | length >> 8);
    *to++ = static_cast<char>(length);
  } else {
    *to++ = static_cast<char>(kString32);
    put_u32(to, static_cast<uint32_t>(length));
    to += 4;
  }
  if (length != 0) std::memcpy(to, bytes_.data(), length);
  return to + length;
}

void packed_detail::read_number(const char* at, uint8_t first, PackedItem& item) {
  const unsigned bytes = kNumberBytes[first - kInt8];
  item.size = 1 + bytes;
  if (first == kDouble) {
    item.kind = PackedItem::Kind::kReal;
    std::memcpy(&item.real, at + 1, sizeof(item.real));
    return;
  }
  item.kind = PackedItem::Kind::kInteger;
  uint64_t raw = 0;
  std::memcpy(&raw, at + 1, bytes);
  const unsigned unused = 64 - 8 * bytes;
  item.integer = static_cast<int64_t>(raw << unused) >> unused;
}

std::optional<size_t> checked_packed_size(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (first >= kInt8 && first < kString12 && first > kDouble) return std::nullopt;
  if (first > kString32) return std::nullopt;
  if (first >= kString12 && first < kString32 && bytes.size() < 2) return std::nullopt;
  if (first == kString32 && bytes.size() < 5) return std::nullopt;
  const size_t size = packed_size_at(bytes.data());
  if (size > bytes.size()) return std::nullopt;
  return size;
}

bool is_packed_blob(std::string_view blob) {
  if (blob.size() < kPackedHeaderBytes) return false;
  size_t count = packed_count(blob);
  blob.remove_prefix(kPackedHeaderBytes);
  for (; count > 0; --count) {
    const auto size = checked_packed_size(blob);
    if (!size) return false;
    blob.remove_prefix(*size);
  }
  return blob.empty();
}

}  // namespace keelson::kv
