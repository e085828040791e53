#include "engine/kv/entry.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "engine/kv/keyspace_options.h"

namespace keelson::kv {

Entry* Entry::create(Type type, Encoding encoding, std::string_view key, int64_t expires_at_ms, uint8_t flags,
                     size_t inline_bytes) {
  KEELSON_CHECK(key.size() <= kKeyBytesMax, "a key is too long");
  const bool has_expiry = expires_at_ms >= 0;
  const size_t bytes = bytes_needed(key.size(), has_expiry, inline_bytes);
  auto* entry = static_cast<Entry*>(::operator new(size_class(bytes)));
  entry->type_encoding_ = static_cast<uint8_t>(static_cast<unsigned>(type) | static_cast<unsigned>(encoding) << 4);
  entry->flags_ = static_cast<uint8_t>((flags & ~kHasExpiry) | (has_expiry ? kHasExpiry : 0));
  entry->clock_length_ = 0;
  char* at = entry->bytes() + kHeaderBytes;
  if (key.size() < kLongKey) {
    entry->short_key_length_ = static_cast<uint16_t>(key.size());
  } else {
    entry->short_key_length_ = kLongKey;
    put_u32(at, static_cast<uint32_t>(key.size()));
    at += 4;
  }
  if (has_expiry) {
    put_u64(at, static_cast<uint64_t>(expires_at_ms));
    at += 8;
  }
  std::copy_n(key.data(), key.size(), at);
  entry->set_inline_length(inline_bytes);
  return entry;
}

void Entry::destroy(Entry* entry) { ::operator delete(entry, size_class(entry->bytes_used())); }

size_t Entry::bytes_used() const { return bytes_needed(key_length(), has_expiry(), inline_value().size()); }

bool Entry::is_well_formed(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  Entry header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), kHeaderBytes);
  if ((header.type_encoding_ & 15) > static_cast<uint8_t>(Type::kHash)) return false;
  if (header.type_encoding_ >> 4 > static_cast<uint8_t>(Encoding::kObject)) return false;
  if ((header.flags_ & ~(kHasExpiry | kIsRaw)) != 0) return false;
  const size_t key_at = header.key_offset();
  size_t key_bytes = header.short_key_length_;
  if (key_bytes == kLongKey) {
    if (bytes.size() < kHeaderBytes + 4) return false;
    key_bytes = get_u32(bytes.data() + kHeaderBytes);
    if (key_bytes < kLongKey || key_bytes > kKeyBytesMax) return false;
  }
  if (header.has_expiry() && (bytes.size() < key_at || static_cast<int64_t>(get_u64(bytes.data() + key_at - 8)) < 0)) {
    return false;
  }
  size_t value_at = key_at + key_bytes;
  size_t value_bytes = header.short_length();
  if (value_bytes == kLongInline) {
    if (bytes.size() < value_at + 4) return false;
    value_bytes = get_u32(bytes.data() + value_at);
    value_at += 4;
    if (value_bytes < kLongInline) return false;
  }
  return bytes.size() == value_at + value_bytes;
}

void Entry::set_inline_length(size_t inline_bytes) {
  const bool is_long = inline_bytes >= kLongInline;
  clock_length_ = clock() | (is_long ? kLongInline : static_cast<uint32_t>(inline_bytes)) << 24;
  if (is_long) put_u32(bytes() + key_offset() + key_length(), static_cast<uint32_t>(inline_bytes));
}

Entry* Entry::resize(Entry* entry, Encoding encoding, size_t inline_bytes) {
  const std::string_view old = entry->inline_value();
  const size_t kept = std::min(old.size(), inline_bytes);
  const size_t old_class = size_class(entry->bytes_used());
  const size_t new_class = size_class(bytes_needed(entry->key_length(), entry->has_expiry(), inline_bytes));
  if (old_class == new_class) {
    const bool was_long = old.size() >= kLongInline;
    const bool is_long = inline_bytes >= kLongInline;
    char* from = entry->inline_data();
    if (was_long != is_long) std::memmove(is_long ? from + 4 : from - 4, from, kept);
    entry->type_encoding_ = static_cast<uint8_t>((entry->type_encoding_ & 15) | static_cast<unsigned>(encoding) << 4);
    entry->set_inline_length(inline_bytes);
    return entry;
  }
  Entry* moved = create(entry->type(), encoding, entry->key(), entry->has_expiry() ? entry->expires_at_ms() : -1,
                        entry->flags_, inline_bytes);
  moved->set_clock(entry->clock());
  std::copy_n(old.data(), kept, moved->inline_data());
  destroy(entry);
  return moved;
}

Entry* Entry::with_expiry(Entry* entry, int64_t expires_at_ms) {
  if (entry->has_expiry() && expires_at_ms >= 0) {
    entry->set_expires_at_ms(expires_at_ms);
    return entry;
  }
  if (entry->has_expiry() == (expires_at_ms >= 0)) return entry;
  const std::string_view value = entry->inline_value();
  Entry* moved = create(entry->type(), entry->encoding(), entry->key(), expires_at_ms, entry->flags_, value.size());
  moved->set_clock(entry->clock());
  std::copy_n(value.data(), value.size(), moved->inline_data());
  destroy(entry);
  return moved;
}

Entry* Entry::with_object(Entry* entry, BigObject* object) {
  Entry* moved = resize(entry, Encoding::kObject, sizeof(object));
  std::memcpy(moved->inline_data(), &object, sizeof(object));
  return moved;
}

}  // namespace keelson::kv
