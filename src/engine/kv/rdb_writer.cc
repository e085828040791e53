#include <algorithm>
#include <cstring>

#include "base/coding.h"
#include "base/crc64.h"
#include "base/numbers.h"
#include "engine/kv/listpack.h"
#include "engine/kv/rdb.h"
#include "engine/kv/rdb_types.h"

namespace keelson::kv {
namespace {

// Nodes of a list are about as large as Redis makes them.
constexpr size_t kListNodeBytes = 8192;

void append_length(Buffer& out, uint64_t length) {
  if (length < 64) {
    append_u8(out, static_cast<uint8_t>(length));
  } else if (length < 16384) {
    append_u8(out, static_cast<uint8_t>(kRdbLength14 << 6 | length >> 8));
    append_u8(out, static_cast<uint8_t>(length));
  } else if (length <= UINT32_MAX) {
    append_u8(out, 0x80);
    append_u32(out, __builtin_bswap32(static_cast<uint32_t>(length)));
  } else {
    append_u8(out, 0x81);
    append_u64(out, __builtin_bswap64(length));
  }
}

void append_rdb_string(Buffer& out, std::string_view bytes) {
  constexpr size_t kInt32TextMax = 11;
  const auto number = bytes.size() <= kInt32TextMax ? parse_int64(bytes) : std::nullopt;
  if (number && *number == static_cast<int8_t>(*number)) {
    append_u8(out, kRdbSpecial << 6 | kRdbInt8);
    append_u8(out, static_cast<uint8_t>(*number));
  } else if (number && *number == static_cast<int16_t>(*number)) {
    append_u8(out, kRdbSpecial << 6 | kRdbInt16);
    append_u16(out, static_cast<uint16_t>(*number));
  } else if (number && *number == static_cast<int32_t>(*number)) {
    append_u8(out, kRdbSpecial << 6 | kRdbInt32);
    append_u32(out, static_cast<uint32_t>(*number));
  } else {
    append_length(out, bytes.size());
    out.append(bytes);
  }
}

void append_type(Buffer& out, RdbType type) { append_u8(out, static_cast<uint8_t>(type)); }

void dump_list(const ListValue& list, Buffer& out) {
  append_type(out, RdbType::kListQuicklist2);
  std::vector<std::string> nodes;
  ListpackWriter node;
  list.for_range(0, list.size(), [&](size_t, std::string_view element) {
    if (node.count() > 0 && node.size() + element.size() > kListNodeBytes) nodes.push_back(node.finish());
    node.add(element);
    return true;
  });
  nodes.push_back(node.finish());
  append_length(out, nodes.size());
  for (const std::string& bytes : nodes) {
    append_length(out, kQuicklistPacked);
    append_rdb_string(out, bytes);
  }
}

void dump_set(const SetValue& set, Buffer& out) {
  if (set.entry()->encoding() == Encoding::kIntegers) {
    std::vector<int64_t> sorted;
    set.for_each([&sorted](std::string_view member) { sorted.push_back(parse_int64(member).value_or(0)); });
    std::sort(sorted.begin(), sorted.end());
    append_type(out, RdbType::kSetIntset);
    return append_rdb_string(out, write_intset(sorted));
  }
  append_type(out, RdbType::kSet);
  append_length(out, set.size());
  set.for_each([&out](std::string_view member) { append_rdb_string(out, member); });
}

void dump_sorted_set(const SortedSetValue& sorted_set, Buffer& out) {
  if (!sorted_set.entry()->is_object()) {
    ListpackWriter listpack;
    sorted_set.for_range(0, sorted_set.size(), [&listpack](std::string_view member, double score) {
      listpack.add(member);
      listpack.add(format_double(score).view());
      return true;
    });
    append_type(out, RdbType::kSortedSetListpack);
    return append_rdb_string(out, listpack.finish());
  }
  append_type(out, RdbType::kSortedSet2);
  append_length(out, sorted_set.size());
  // From the highest on, as Redis does, so that a skip list is quickly built.
  sorted_set.for_range_reverse(sorted_set.size() - 1, sorted_set.size(), [&out](std::string_view member, double score) {
    append_rdb_string(out, member);
    uint64_t bits = 0;
    std::memcpy(&bits, &score, sizeof(bits));
    append_u64(out, bits);
    return true;
  });
}

void dump_hash(const HashValue& hash, Buffer& out) {
  if (!hash.entry()->is_object()) {
    ListpackWriter listpack;
    hash.for_each([&listpack](std::string_view field, std::string_view value) {
      listpack.add(field);
      listpack.add(value);
    });
    append_type(out, RdbType::kHashListpack);
    return append_rdb_string(out, listpack.finish());
  }
  append_type(out, RdbType::kHash);
  append_length(out, hash.size());
  hash.for_each([&out](std::string_view field, std::string_view value) {
    append_rdb_string(out, field);
    append_rdb_string(out, value);
  });
}

}  // namespace

void dump_value(const Value& value, Buffer& out) {
  const size_t begin = out.size();
  switch (value.type()) {
    case Type::kString:
      append_type(out, RdbType::kString);
      append_rdb_string(out, StringValue(value).bytes());
      break;
    case Type::kList:
      dump_list(ListValue(value), out);
      break;
    case Type::kSet:
      dump_set(SetValue(value), out);
      break;
    case Type::kSortedSet:
      dump_sorted_set(SortedSetValue(value), out);
      break;
    case Type::kHash:
      dump_hash(HashValue(value), out);
      break;
  }
  append_u16(out, kRdbVersion);
  append_u64(out, crc64(0, out.view().substr(begin)));
}

std::string dump_value(const Value& value) {
  Buffer out;
  dump_value(value, out);
  return std::string(out.view());
}

}  // namespace keelson::kv
