#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "base/coding.h"
#include "base/crc64.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "engine/kv/listpack.h"
#include "engine/kv/lzf.h"
#include "engine/kv/rdb.h"
#include "engine/kv/rdb_types.h"

namespace keelson::kv {
namespace {

// A value as it was read: a string is one element; of hashes fields and values in turn; of sorted sets the members,
// with their scores beside them.
struct Decoded {
  Type type = Type::kString;
  Elements elements;
  std::vector<double> scores;
};

bool read_length(std::string_view& from, uint64_t& length) {
  uint8_t first = 0;
  if (!read_u8(from, first)) return false;
  if (first >> 6 == kRdbLength6) {
    length = first & 63;
    return true;
  }
  if (first >> 6 == kRdbLength14) {
    uint8_t low = 0;
    if (!read_u8(from, low)) return false;
    length = (first & 63U) << 8 | low;
    return true;
  }
  if (first == 0x80) {
    uint32_t wide = 0;
    if (!read_u32(from, wide)) return false;
    length = __builtin_bswap32(wide);
    return true;
  }
  if (first != 0x81 || !read_u64(from, length)) return false;
  length = __builtin_bswap64(length);
  return true;
}

bool read_special_string(std::string_view& from, std::string& string) {
  uint8_t first = 0;
  (void)read_u8(from, first);
  int64_t number = 0;
  switch (first & 63) {
    case kRdbInt8: {
      uint8_t raw = 0;
      if (!read_u8(from, raw)) return false;
      number = static_cast<int8_t>(raw);
      break;
    }
    case kRdbInt16: {
      uint16_t raw = 0;
      if (!read_u16(from, raw)) return false;
      number = static_cast<int16_t>(raw);
      break;
    }
    case kRdbInt32: {
      uint32_t raw = 0;
      if (!read_u32(from, raw)) return false;
      number = static_cast<int32_t>(raw);
      break;
    }
    case kRdbLzf: {
      uint64_t compressed = 0;
      uint64_t size = 0;
      if (!read_length(from, compressed) || !read_length(from, size) || compressed > from.size()) return false;
      auto original = lzf_decompress(from.substr(0, compressed), size);
      if (!original) return false;
      from.remove_prefix(compressed);
      string = std::move(*original);
      return true;
    }
    default:
      return false;
  }
  string = format_int64(number).view();
  return true;
}

bool read_rdb_string(std::string_view& from, std::string& string) {
  if (from.empty()) return false;
  if (static_cast<uint8_t>(from[0]) >> 6 == kRdbSpecial) return read_special_string(from, string);
  uint64_t length = 0;
  if (!read_length(from, length) || length > from.size()) return false;
  string.assign(from.substr(0, length));
  from.remove_prefix(length);
  return true;
}

bool read_strings(std::string_view& from, uint64_t count, Elements& elements) {
  for (; count > 0; --count) {
    std::string element;
    if (!read_rdb_string(from, element)) return false;
    elements.push_back(std::move(element));
  }
  return true;
}

// A score as text, with its length in one byte (253 nan, 254 inf, 255 -inf).
bool read_text_score(std::string_view& from, double& score) {
  uint8_t length = 0;
  if (!read_u8(from, length) || length == 253) return false;
  if (length >= 254) {
    score = length == 254 ? INFINITY : -INFINITY;
    return true;
  }
  if (from.size() < length) return false;
  const auto parsed = parse_double(from.substr(0, length));
  from.remove_prefix(length);
  if (!parsed) return false;
  score = *parsed;
  return true;
}

bool read_sorted_set(std::string_view& from, RdbType type, Decoded& decoded) {
  uint64_t count = 0;
  if (!read_length(from, count)) return false;
  for (; count > 0; --count) {
    double score = 0;
    if (!read_strings(from, 1, decoded.elements)) return false;
    if (type == RdbType::kSortedSet) {
      if (!read_text_score(from, score)) return false;
    } else {
      uint64_t bits = 0;
      if (!read_u64(from, bits)) return false;
      std::memcpy(&score, &bits, sizeof(score));
    }
    if (std::isnan(score)) return false;
    decoded.scores.push_back(score);
  }
  return true;
}

// Member and score in turn, as a listpack or ziplist has them.
bool split_scores(Decoded& decoded) {
  if (decoded.elements.size() % 2 != 0) return false;
  Elements members;
  for (size_t i = 0; i < decoded.elements.size(); i += 2) {
    const auto score = parse_double(decoded.elements[i + 1]);
    if (!score) return false;
    members.push_back(std::move(decoded.elements[i]));
    decoded.scores.push_back(*score);
  }
  decoded.elements = std::move(members);
  return true;
}

bool read_quicklist(std::string_view& from, RdbType type, Decoded& decoded) {
  uint64_t nodes = 0;
  if (!read_length(from, nodes)) return false;
  for (; nodes > 0; --nodes) {
    uint64_t container = kQuicklistPacked;
    std::string node;
    if (type == RdbType::kListQuicklist2 && !read_length(from, container)) return false;
    if (!read_rdb_string(from, node)) return false;
    if (type == RdbType::kListQuicklist) {
      if (!read_ziplist(node, decoded.elements)) return false;
    } else if (container == kQuicklistPlain) {
      decoded.elements.push_back(std::move(node));
    } else if (container != kQuicklistPacked || !read_listpack(node, decoded.elements)) {
      return false;
    }
  }
  return true;
}

using BlobReader = bool (*)(std::string_view bytes, Elements& elements);

bool read_blob(std::string_view& from, Type type, BlobReader reader, Decoded& decoded) {
  std::string blob;
  decoded.type = type;
  return read_rdb_string(from, blob) && reader(blob, decoded.elements);
}

bool read_counted(std::string_view& from, Type type, uint64_t strings_each, Decoded& decoded) {
  uint64_t count = 0;
  decoded.type = type;
  if (!read_length(from, count) || count > UINT64_MAX / 2) return false;
  return read_strings(from, count * strings_each, decoded.elements);
}

bool read_value(std::string_view& from, Decoded& decoded) {
  uint8_t type = 0;
  if (!read_u8(from, type)) return false;
  const auto rdb_type = static_cast<RdbType>(type);
  switch (rdb_type) {
    case RdbType::kString:
      decoded.type = Type::kString;
      return read_strings(from, 1, decoded.elements);
    case RdbType::kList:
      return read_counted(from, Type::kList, 1, decoded);
    case RdbType::kSet:
      return read_counted(from, Type::kSet, 1, decoded);
    case RdbType::kHash:
      return read_counted(from, Type::kHash, 2, decoded);
    case RdbType::kSortedSet:
    case RdbType::kSortedSet2:
      decoded.type = Type::kSortedSet;
      return read_sorted_set(from, rdb_type, decoded);
    case RdbType::kHashZipmap:
      return read_blob(from, Type::kHash, read_zipmap, decoded);
    case RdbType::kListZiplist:
      return read_blob(from, Type::kList, read_ziplist, decoded);
    case RdbType::kSetIntset:
      return read_blob(from, Type::kSet, read_intset, decoded);
    case RdbType::kSortedSetZiplist:
      return read_blob(from, Type::kSortedSet, read_ziplist, decoded) && split_scores(decoded);
    case RdbType::kHashZiplist:
      return read_blob(from, Type::kHash, read_ziplist, decoded);
    case RdbType::kHashListpack:
      return read_blob(from, Type::kHash, read_listpack, decoded);
    case RdbType::kSortedSetListpack:
      return read_blob(from, Type::kSortedSet, read_listpack, decoded) && split_scores(decoded);
    case RdbType::kListQuicklist:
    case RdbType::kListQuicklist2:
      decoded.type = Type::kList;
      return read_quicklist(from, rdb_type, decoded);
  }
  return false;
}

// Nothing empty; members and fields once only.
bool is_sound(const Decoded& decoded, uint64_t secret) {
  if (decoded.type == Type::kString) return true;
  if (decoded.elements.empty()) return false;
  if (decoded.type == Type::kList) return true;
  const size_t step = decoded.type == Type::kHash ? 2 : 1;
  if (decoded.elements.size() % step != 0) return false;
  std::unordered_set<std::string_view, SeededStringHash> names(decoded.elements.size(), SeededStringHash{secret});
  for (size_t i = 0; i < decoded.elements.size(); i += step) {
    if (!names.insert(decoded.elements[i]).second) return false;
  }
  return true;
}

Value build(Keyspace& keyspace, uint16_t database, std::string_view key, const Decoded& decoded) {
  switch (decoded.type) {
    case Type::kString:
      return keyspace.set_string(database, key, decoded.elements[0]);
    case Type::kList: {
      auto list = keyspace.create<ListValue>(database, key);
      for (const std::string& element : decoded.elements) list.push(ListEnd::kTail, element);
      return list;
    }
    case Type::kSet: {
      auto set = keyspace.create<SetValue>(database, key);
      for (const std::string& member : decoded.elements) set.add(member);
      return set;
    }
    case Type::kSortedSet: {
      auto sorted_set = keyspace.create<SortedSetValue>(database, key);
      for (size_t i = 0; i < decoded.elements.size(); ++i) sorted_set.set(decoded.elements[i], decoded.scores[i]);
      return sorted_set;
    }
    case Type::kHash: {
      auto hash = keyspace.create<HashValue>(database, key);
      for (size_t i = 0; i < decoded.elements.size(); i += 2) hash.set(decoded.elements[i], decoded.elements[i + 1]);
      return hash;
    }
  }
  return {};
}

}  // namespace

RestoreError restore_value(Keyspace& keyspace, uint16_t database, std::string_view key, std::string_view payload,
                           Value& restored) {
  if (payload.size() < kRdbFooterBytes) return RestoreError::kBadChecksumOrVersion;
  const char* footer = payload.data() + payload.size() - kRdbFooterBytes;
  if (get_u16(footer) > kRdbVersion) return RestoreError::kBadChecksumOrVersion;
  if (get_u64(footer + 2) != crc64(0, payload.substr(0, payload.size() - 8))) {
    return RestoreError::kBadChecksumOrVersion;
  }
  std::string_view from = payload.substr(0, payload.size() - kRdbFooterBytes);
  Decoded decoded;
  if (!read_value(from, decoded) || !from.empty() || !is_sound(decoded, keyspace.options().hash_secret)) {
    return RestoreError::kBadData;
  }
  restored = build(keyspace, database, key, decoded);
  return RestoreError::kOk;
}

}  // namespace keelson::kv
