// Entry: one key with its value, in one allocation.
//
//   offset 0   u8   type in the low 4 bits, encoding in the high 4
//          1   u8   flags
//          2   u16  key length; 0xffff: the u32 behind the header is it
//          4   u32  access clock in the low 24 bits; inline length in the high 8 (0xff: the u32 before the value is it)
//          8   [u32 key length][i64 expiry, unix ms][key][u32 inline length][value]      what is in [] may be missing
//
// The value is inline (short strings, integers in 1, 2, 4 or 8 bytes, packed collections) or the 8-byte address of a
// BigObject. An entry is allocated with size_class() of its size. Numbers are little-endian and unaligned.
//
// The clock is Redis's: with LRU, seconds modulo 2^24; with LFU, 16 bits of minutes and an 8-bit logarithmic counter.
// It is not part of the replicated state.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/coding.h"
#include "engine/kv/size_class.h"

namespace keelson::kv {

class BigObject;

// The numbers stand in checkpoints.
enum class Type : uint8_t { kString = 0, kList = 1, kSet = 2, kSortedSet = 3, kHash = 4 };

enum class Encoding : uint8_t {
  kInteger = 0,   // string: an int64 in 1, 2, 4 or 8 bytes
  kInline = 1,    // string: its bytes
  kPacked = 2,    // collection: packed.h
  kIntegers = 3,  // set: int_array.h
  kObject = 4,    // address of a BigObject
};

class Entry {
 public:
  enum Flag : uint8_t {
    kHasExpiry = 1,
    kIsRaw = 2,  // a string that was changed in place: OBJECT ENCODING says "raw", as Redis does
  };
  static constexpr size_t kHeaderBytes = 8;

  // The memory is the caller's to give to destroy(). The value's bytes are not set.
  static Entry* create(Type type, Encoding encoding, std::string_view key, int64_t expires_at_ms, uint8_t flags,
                       size_t inline_bytes);
  // Frees the entry, not the object that it may point to.
  static void destroy(Entry* entry);

  [[nodiscard]] Type type() const { return static_cast<Type>(type_encoding_ & 15); }
  [[nodiscard]] Encoding encoding() const { return static_cast<Encoding>(type_encoding_ >> 4); }
  [[nodiscard]] bool is_object() const { return encoding() == Encoding::kObject; }
  [[nodiscard]] bool has_expiry() const { return (flags_ & kHasExpiry) != 0; }
  [[nodiscard]] bool is_raw() const { return (flags_ & kIsRaw) != 0; }
  [[nodiscard]] uint8_t flags() const { return flags_; }
  void set_raw(bool is_raw) { flags_ = static_cast<uint8_t>(is_raw ? flags_ | kIsRaw : flags_ & ~kIsRaw); }

  [[nodiscard]] std::string_view key() const { return {bytes() + key_offset(), key_length()}; }
  // Only if has_expiry().
  [[nodiscard]] int64_t expires_at_ms() const {
    return static_cast<int64_t>(get_u64(bytes() + kHeaderBytes + long_key_bytes()));
  }
  void set_expires_at_ms(int64_t at_ms) {
    put_u64(bytes() + kHeaderBytes + long_key_bytes(), static_cast<uint64_t>(at_ms));
  }

  // The inline value, of any encoding but kObject.
  [[nodiscard]] std::string_view inline_value() const {
    const char* end = bytes() + key_offset() + key_length();
    if (short_length() != kLongInline) [[likely]]
      return {end, short_length()};
    return {end + 4, get_u32(end)};
  }
  [[nodiscard]] char* inline_data() { return const_cast<char*>(inline_value().data()); }
  // Only if is_object().
  [[nodiscard]] BigObject* object() const {
    BigObject* result;
    std::memcpy(&result, bytes() + key_offset() + key_length(), sizeof(result));
    return result;
  }

  [[nodiscard]] uint32_t clock() const { return clock_length_ & kClockMask; }
  void set_clock(uint32_t clock) { clock_length_ = (clock_length_ & ~kClockMask) | (clock & kClockMask); }

  // What the entry takes, the object not counted; the allocation is size_class() of it.
  [[nodiscard]] size_t bytes_used() const;
  [[nodiscard]] static size_t bytes_needed(size_t key_bytes, bool has_expiry, size_t inline_bytes) {
    return kHeaderBytes + (key_bytes >= kLongKey ? 4 : 0) + (has_expiry ? 8 : 0) + key_bytes +
           (inline_bytes >= kLongInline ? 4 : 0) + inline_bytes;
  }

  // Are these the bytes of an entry, as far as lengths tell? The value is not looked at.
  [[nodiscard]] static bool is_well_formed(std::string_view bytes);

  // Changes encoding and inline length; the entry stays in place if that keeps its size class, else it is moved: the
  // result is where it is now. The first bytes of the old value are kept as far as they fit.
  static Entry* resize(Entry* entry, Encoding encoding, size_t inline_bytes);
  // Adds, changes or removes (kNoExpiry) the expiry; may move the entry.
  static Entry* with_expiry(Entry* entry, int64_t expires_at_ms);
  static Entry* with_object(Entry* entry, BigObject* object);

 private:
  static constexpr uint32_t kClockMask = 0xffffff;
  static constexpr uint32_t kLongInline = 0xff;
  static constexpr uint32_t kLongKey = 0xffff;

  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this); }
  [[nodiscard]] char* bytes() { return reinterpret_cast<char*>(this); }
  [[nodiscard]] uint32_t short_length() const { return clock_length_ >> 24; }
  [[nodiscard]] size_t long_key_bytes() const { return short_key_length_ == kLongKey ? 4 : 0; }
  [[nodiscard]] size_t key_offset() const { return kHeaderBytes + long_key_bytes() + (has_expiry() ? 8 : 0); }
  [[nodiscard]] size_t key_length() const {
    return short_key_length_ != kLongKey ? short_key_length_ : get_u32(bytes() + kHeaderBytes);
  }
  void set_inline_length(size_t inline_bytes);

  uint8_t type_encoding_ = 0;
  uint8_t flags_ = 0;
  uint16_t short_key_length_ = 0;
  uint32_t clock_length_ = 0;
};

static_assert(sizeof(Entry) == Entry::kHeaderBytes);

}  // namespace keelson::kv
