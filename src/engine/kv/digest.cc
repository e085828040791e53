#include "engine/kv/digest.h"

#include <algorithm>
#include <string_view>

#include "base/coding.h"
#include "base/numbers.h"
#include "engine/kv/sha1.h"

namespace keelson::kv {
namespace {

std::string_view view(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

// For what has no order.
void add_unordered(Digest& into, std::string_view bytes) { combine(into, sha1(bytes)); }

// For what has an order.
void add_ordered(Digest& into, std::string_view bytes) {
  add_unordered(into, bytes);
  into = sha1(view(into));
}

void add_number(Digest& into, uint32_t number) {
  const uint32_t network_order = __builtin_bswap32(number);
  add_ordered(into, {reinterpret_cast<const char*>(&network_order), sizeof(network_order)});
}

void add_value(Digest& into, const Value& value) {
  add_number(into, static_cast<uint32_t>(value.type()));
  switch (value.type()) {
    case Type::kString:
      add_ordered(into, StringValue(value).bytes());
      break;
    case Type::kList: {
      const ListValue list(value);
      list.for_range(0, list.size(), [&into](size_t, std::string_view element) {
        add_ordered(into, element);
        return true;
      });
      break;
    }
    case Type::kSet:
      SetValue(value).for_each([&into](std::string_view member) { add_unordered(into, member); });
      break;
    case Type::kSortedSet: {
      const SortedSetValue sorted_set(value);
      sorted_set.for_range(0, sorted_set.size(), [&into](std::string_view member, double score) {
        Digest element{};
        add_ordered(element, member);
        add_ordered(element, format_double(score).view());
        add_unordered(into, view(element));
        return true;
      });
      break;
    }
    case Type::kHash:
      HashValue(value).for_each([&into](std::string_view field, std::string_view content) {
        Digest element{};
        add_ordered(element, field);
        add_ordered(element, content);
        add_unordered(into, view(element));
      });
      break;
  }
  if (value.expires_at_ms() != kNoExpiry) add_unordered(into, "!!expire!!");
}

void for_each_key(Keyspace& keyspace, uint16_t database, FunctionRef<void(const Value&)> visit) {
  uint64_t cursor = 0;
  do {
    cursor = keyspace.scan(database, cursor, 1000, visit);
  } while (cursor != 0);
}

}  // namespace

void combine(Digest& into, const Digest& other) {
  for (size_t i = 0; i < into.size(); ++i) into[i] ^= other[i];
}

std::string to_hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

Digest digest_value(const Value& value) {
  Digest digest{};
  add_value(digest, value);
  return digest;
}

void DatasetDigest::add(Keyspace& keyspace, int64_t now_ms) {
  databases_.resize(std::max<size_t>(databases_.size(), keyspace.options().databases));
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    OneDatabase& database = databases_[i];
    for_each_key(keyspace, static_cast<uint16_t>(i), [&database, now_ms](const Value& value) {
      if (value.expires_at_ms() != kNoExpiry && value.expires_at_ms() <= now_ms) return;
      Digest digest{};
      add_ordered(digest, value.key());
      add_value(digest, value);
      add_unordered(database.keys, view(digest));
      database.has_keys = true;
    });
  }
}

Digest DatasetDigest::finish() const {
  Digest digest{};
  for (size_t i = 0; i < databases_.size(); ++i) {
    if (!databases_[i].has_keys) continue;
    add_number(digest, static_cast<uint32_t>(i));
    combine(digest, databases_[i].keys);
  }
  return digest;
}

Digest digest_keyspace(Keyspace& keyspace, int64_t now_ms) {
  DatasetDigest digest;
  digest.add(keyspace, now_ms);
  return digest.finish();
}

Digest digest_exact(Keyspace& keyspace) {
  Digest digest{};
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    for_each_key(keyspace, static_cast<uint16_t>(i), [&digest, i](const Value& value) {
      Digest key{};
      add_number(key, i);
      add_ordered(key, value.key());
      add_value(key, value);
      const IntegerText expiry = format_int64(value.expires_at_ms());
      add_ordered(key, expiry.view());
      if (value.type() == Type::kSet) {
        SetValue(value).for_each([&key](std::string_view member) { add_ordered(key, member); });
      }
      combine(digest, key);
    });
  }
  return digest;
}

}  // namespace keelson::kv
