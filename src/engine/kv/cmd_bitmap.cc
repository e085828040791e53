// Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/kv/args.h"
#include "engine/kv/bits.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

// Answers and returns false if it is no position of a bit that a string can have.
bool bit_offset_arg(CommandContext& context, size_t index, uint64_t& position) {
  int64_t value = 0;
  if (!int_arg_in(context, index, 0, static_cast<int64_t>(kStringBytesMax * 8) - 1, value,
                  "ERR bit offset is not an integer or out of range")) {
    return false;
  }
  position = static_cast<uint64_t>(value);
  return true;
}

// A range of BITCOUNT and BITPOS, in bits of a string of `size` bytes.
struct BitRange {
  bool is_empty = false;
  uint64_t first = 0;
  uint64_t last = 0;
};

// BYTE or BIT at `index`. Answers and returns false if it is something else.
bool unit_arg(CommandContext& context, size_t index, bool& is_bits) {
  is_bits = is_option(context.arg(index), "BIT");
  if (is_bits || is_option(context.arg(index), "BYTE")) return true;
  context.out.error(kErrSyntax);
  return false;
}

BitRange bit_range(int64_t start, int64_t stop, bool is_bits, size_t size) {
  const auto total = static_cast<int64_t>(is_bits ? size * 8 : size);
  if (start < 0) start = std::max<int64_t>(start + total, 0);
  if (stop < 0) stop = std::max<int64_t>(stop + total, 0);
  if (stop >= total) stop = total - 1;
  if (start > stop) return {.is_empty = true};
  if (is_bits) return {false, static_cast<uint64_t>(start), static_cast<uint64_t>(stop)};
  return {false, static_cast<uint64_t>(start) * 8, static_cast<uint64_t>(stop) * 8 + 7};
}

bool bit_operation(std::string_view name, BitOperation& operation) {
  if (is_option(name, "AND")) {
    operation = BitOperation::kAnd;
  } else if (is_option(name, "OR")) {
    operation = BitOperation::kOr;
  } else if (is_option(name, "XOR")) {
    operation = BitOperation::kXor;
  } else if (is_option(name, "NOT")) {
    operation = BitOperation::kNot;
  } else {
    return false;
  }
  return true;
}

}  // namespace

void cmd_setbit(CommandContext& context) {
  uint64_t position = 0;
  int64_t bit = 0;
  if (!bit_offset_arg(context, 2, position)) return;
  if (!int_arg_in(context, 3, 0, 1, bit, "ERR bit is not an integer or out of range")) return;
  const std::string_view key = context.arg(1);
  Found<StringValue> found = find_as<StringValue>(context, key);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  Keyspace& keyspace = context.at(key);
  const size_t at = position >> 3;
  const bool grows = found.missing() || found->size() <= at;
  const bool old = !found.missing() && bit_at(found->bytes(), position);
  context.out.integer(old ? 1 : 0);
  if (!grows && old == (bit == 1)) return;
  StringValue string = found.missing() ? StringValue(keyspace.set_string(context.database, key, {})) : *found;
  char* byte = string.writable(at, 1);
  const unsigned mask = 1U << (7 - (position & 7));
  *byte = static_cast<char>(bit == 1 ? static_cast<unsigned char>(*byte) | mask
                                     : static_cast<unsigned char>(*byte) & ~mask);
  keyspace.changed(context.database, key, EventClass::kString, "setbit");
}

void cmd_getbit(CommandContext& context) {
  uint64_t position = 0;
  if (!bit_offset_arg(context, 2, position)) return;
  Found<StringValue> found = find_as<StringValue>(context, context.arg(1));
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(!found.missing() && bit_at(found->bytes(), position) ? 1 : 0);
}

void cmd_bitcount(CommandContext& context) {
  Found<StringValue> found = find_as<StringValue>(context, context.arg(1));
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  if (found.missing()) return context.out.integer(0);
  int64_t start = 0;
  int64_t stop = -1;
  bool is_bits = false;
  if (context.argc() == 4 || context.argc() == 5) {
    if (!int_arg(context, 2, start) || !int_arg(context, 3, stop)) return;
    if (start < 0 && stop < 0 && start > stop) return context.out.integer(0);
    if (context.argc() == 5 && !unit_arg(context, 4, is_bits)) return;
  } else if (context.argc() != 2) {
    return context.out.error(kErrSyntax);
  }
  const std::string_view bytes = found->bytes();
  const BitRange range = bit_range(start, stop, is_bits, bytes.size());
  context.out.integer(range.is_empty ? 0 : static_cast<int64_t>(count_ones(bytes, range.first, range.last)));
}

void cmd_bitpos(CommandContext& context) {
  int64_t bit = 0;
  if (!int_arg(context, 2, bit)) return;
  if (bit != 0 && bit != 1) return context.out.error("ERR The bit argument must be 1 or 0.");
  Found<StringValue> found = find_as<StringValue>(context, context.arg(1));
  // A missing key is an endless string of zeros.
  if (found.missing()) return context.out.integer(bit == 1 ? -1 : 0);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  if (context.argc() > 6) return context.out.error(kErrSyntax);
  int64_t start = 0;
  int64_t stop = -1;
  bool is_bits = false;
  if (context.argc() > 3 && !int_arg(context, 3, start)) return;
  if (context.argc() > 5 && !unit_arg(context, 5, is_bits)) return;
  if (context.argc() > 4 && !int_arg(context, 4, stop)) return;
  const std::string_view bytes = found->bytes();
  const BitRange range = bit_range(start, stop, is_bits, bytes.size());
  if (range.is_empty) return context.out.integer(-1);
  const int64_t position = find_bit(bytes, bit == 1, range.first, range.last);
  // Without an end the string goes on with zeros.
  const bool is_open = bit == 0 && context.argc() < 5;
  context.out.integer(position == -1 && is_open ? static_cast<int64_t>(bytes.size() * 8) : position);
}

void cmd_bitop(CommandContext& context) {
  BitOperation operation = BitOperation::kAnd;
  if (!bit_operation(context.arg(1), operation)) return context.out.error(kErrSyntax);
  if (operation == BitOperation::kNot && context.argc() != 4) {
    return context.out.error("ERR BITOP NOT must be called with a single source key.");
  }
  const std::string_view destination = context.arg(2);
  std::vector<Found<StringValue>> strings;
  strings.reserve(context.argc() - 3);
  std::vector<std::string_view> sources;
  for (const std::string_view key : context.args.subspan(3)) {
    Found<StringValue> found = find_across_as<StringValue>(context, key);
    if (found.wrong_type()) return context.out.error(kErrWrongType);
    strings.push_back(found);
    sources.push_back(found.missing() ? std::string_view() : strings.back()->bytes());
  }
  const std::string result = combine_bits(operation, sources);
  Keyspace& keyspace = context.at(destination);
  if (!result.empty()) {
    static const uint16_t kSet = code_of("SET");
    keyspace.tick(context.now_ms);
    keyspace.set_string(context.database, destination, result);
    keyspace.changed(context.database, destination, EventClass::kString, "set");
    context.log_effect(destination, kSet, {"SET", destination, result});
  } else if (Value old = find_across(context, destination)) {
    keyspace.erase(old);
    keyspace.changed(context.database, destination, EventClass::kGeneric, "del");
    log_del(context, destination);
  }
  context.out.integer(static_cast<int64_t>(result.size()));
}

}  // namespace keelson::kv
