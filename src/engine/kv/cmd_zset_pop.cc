// Sorted sets, taking members out at an end: ZPOPMIN, ZPOPMAX, ZMPOP, and the cores of BZPOPMIN, BZPOPMAX and BZMPOP,
// which answer as inside MULTI: where they would have to wait they answer null at once.
#include <algorithm>
#include <optional>

#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

enum class End : uint8_t { kMin, kMax };

// How members are answered: one flat array, or an array of pairs.
enum class Shape : uint8_t { kFlat, kPairs };

// Takes up to `count` members out and answers each; the key goes if nothing is left. The array has been announced.
void pop(CommandContext& context, SortedSetValue& zset, std::string_view key, End end, size_t count, Shape shape) {
  const auto reply = [&](std::string_view member, double score) {
    if (shape == Shape::kPairs) context.out.array(2);
    context.out.bulk(member);
    context.out.real(score);
    return true;
  };
  const size_t size = zset.size();
  if (count == 1) {
    const size_t rank = end == End::kMin ? 0 : size - 1;
    const auto [member, score] = zset.at(rank);
    reply(member, score);
    zset.erase_range(rank, 1);
  } else if (end == End::kMin) {
    zset.for_range(0, count, reply);
    zset.erase_range(0, count);
  } else {
    zset.for_range_reverse(size - 1, count, reply);
    zset.erase_range(size - count, count);
  }
  Keyspace& keyspace = zset.keyspace();
  keyspace.changed(context.database, key, EventClass::kSortedSet, end == End::kMin ? "zpopmin" : "zpopmax");
  if (keyspace.erase_if_empty(zset)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
}

void pop_command(CommandContext& context, End end) {
  if (context.argc() > 3) return context.out.error(kErrSyntax);
  const bool has_count = context.argc() == 3;
  int64_t count = 1;
  if (has_count && !positive_arg(context, 2, count)) return;
  const std::string_view key = context.arg(1);
  Found<SortedSetValue> zset = find_as<SortedSetValue>(context, key);
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing() || count == 0) return context.out.array(0);
  const size_t taken = std::min<size_t>(static_cast<size_t>(count), zset->size());
  const Shape shape = has_count && context.out.is_resp3() ? Shape::kPairs : Shape::kFlat;
  context.out.array(shape == Shape::kPairs ? taken : taken * 2);
  pop(context, *zset, key, end, taken, shape);
}

// What a shard logs when a pop over several shards took members of one of its keys.
void log_pop(CommandContext& context, std::string_view key, End end, size_t count) {
  static const uint16_t kPopMin = code_of("ZPOPMIN");
  static const uint16_t kPopMax = code_of("ZPOPMAX");
  const IntegerText text = format_uint64(count);
  if (end == End::kMin) {
    context.log_effect(key, kPopMin, {"ZPOPMIN", key, text.view()});
  } else {
    context.log_effect(key, kPopMax, {"ZPOPMAX", key, text.view()});
  }
}

struct Candidate {
  std::string_view key;
  Found<SortedSetValue> zset;
};

// The first of `count` keys from args[first] on that exists; answers and returns nothing if it has another type, or if
// there is none.
std::optional<Candidate> first_there(CommandContext& context, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    Candidate candidate{context.arg(i), find_across_as<SortedSetValue>(context, context.arg(i))};
    if (candidate.zset.wrong_type()) {
      context.out.error(kErrWrongType);
      return std::nullopt;
    }
    if (!candidate.zset.missing()) return candidate;
  }
  context.out.null_array();
  return std::nullopt;
}

// The timeout is checked, though nobody waits here.
void blocking_pop(CommandContext& context, End end) {
  if (!timeout_arg(context, context.argc() - 1)) return;
  std::optional<Candidate> found = first_there(context, 1, context.argc() - 2);
  if (!found) return;
  context.out.array(3);
  context.out.bulk(found->key);
  pop(context, *found->zset, found->key, end, 1, Shape::kFlat);
  log_pop(context, found->key, end, 1);
}

struct MultiPop {
  size_t first_key = 0;
  size_t keys = 0;
  End end = End::kMin;
  int64_t count = 1;
};

// numkeys key ... MIN|MAX [COUNT count], from args[at] on; answers and returns false on an error.
bool multi_pop_args(CommandContext& context, size_t at, MultiPop& request) {
  int64_t keys = 0;
  if (!int_arg_in(context, at, 1, INT64_MAX, keys, "ERR numkeys should be greater than 0")) return false;
  const auto fail = [&] {
    context.out.error(kErrSyntax);
    return false;
  };
  if (static_cast<uint64_t>(keys) >= context.argc() - at - 1) return fail();
  request.first_key = at + 1;
  request.keys = static_cast<size_t>(keys);
  size_t next = request.first_key + request.keys;
  if (is_option(context.arg(next), "MAX")) {
    request.end = End::kMax;
  } else if (!is_option(context.arg(next), "MIN")) {
    return fail();
  }
  if (++next == context.argc()) return true;
  if (!is_option(context.arg(next), "COUNT") || next + 1 == context.argc()) return fail();
  if (!int_arg_in(context, next + 1, 1, INT64_MAX, request.count, "ERR count should be greater than 0")) return false;
  return next + 2 == context.argc() || fail();
}

void multi_pop(CommandContext& context, const MultiPop& request) {
  std::optional<Candidate> found = first_there(context, request.first_key, request.keys);
  if (!found) return;
  const size_t taken = std::min<size_t>(static_cast<size_t>(request.count), found->zset->size());
  context.out.array(2);
  context.out.bulk(found->key);
  context.out.array(taken);
  pop(context, *found->zset, found->key, request.end, taken, Shape::kPairs);
  log_pop(context, found->key, request.end, taken);
}

}  // namespace

void cmd_zpopmin(CommandContext& context) { pop_command(context, End::kMin); }
void cmd_zpopmax(CommandContext& context) { pop_command(context, End::kMax); }
void cmd_bzpopmin(CommandContext& context) { blocking_pop(context, End::kMin); }
void cmd_bzpopmax(CommandContext& context) { blocking_pop(context, End::kMax); }

void cmd_zmpop(CommandContext& context) {
  MultiPop request;
  if (multi_pop_args(context, 1, request)) multi_pop(context, request);
}

void cmd_bzmpop(CommandContext& context) {
  MultiPop request;
  if (multi_pop_args(context, 2, request) && timeout_arg(context, 1)) multi_pop(context, request);
}

}  // namespace keelson::kv
