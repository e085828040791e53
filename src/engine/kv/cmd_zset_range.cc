// Sorted sets, ranges by rank, score or name: the ZRANGE family, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY...
//
// Every range becomes a run of ranks first (zset_args.h); the rest is the same for all kinds.
#include <algorithm>
#include <optional>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/zset_args.h"
#include "engine/kv/zset_result.h"

namespace keelson::kv {

namespace {

// What a command's name has fixed of its range; ZRANGE leaves all to its options.
struct RangeForm {
  bool is_store = false;
  std::optional<RangeKind> kind = {};
  std::optional<bool> is_reverse = {};
};

struct RangeRequest {
  RangeBounds bounds;
  bool has_limit = false;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: all
};

// Reads the options behind args[first + 2], then the bounds at `first`; answers and returns false if they are wrong.
bool range_args(CommandContext& context, const RangeForm& form, size_t first, RangeRequest& request) {
  std::optional<RangeKind> kind = form.kind;
  std::optional<bool> is_reverse = form.is_reverse;
  for (size_t i = first + 2; i < context.argc(); ++i) {
    const std::string_view word = context.arg(i);
    if (!form.is_store && is_option(word, "WITHSCORES")) {
      request.with_scores = true;
    } else if (is_option(word, "LIMIT") && i + 2 < context.argc()) {
      if (!int_arg(context, i + 1, request.offset) || !int_arg(context, i + 2, request.limit)) return false;
      i += 2;
    } else if (!is_reverse && is_option(word, "REV")) {
      is_reverse = true;
    } else if (!kind && is_option(word, "BYLEX")) {
      kind = RangeKind::kLex;
    } else if (!kind && is_option(word, "BYSCORE")) {
      kind = RangeKind::kScore;
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  const RangeKind by = kind.value_or(RangeKind::kRank);
  // As in Redis, a limit of -1 counts as none given.
  if (request.limit != -1 && by == RangeKind::kRank) {
    context.out.error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (request.with_scores && by == RangeKind::kLex) {
    context.out.error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  request.bounds.is_reverse = is_reverse.value_or(false);
  const bool is_max_first = request.bounds.is_reverse && by != RangeKind::kRank;
  return bounds_arg(context, by, is_max_first ? first + 1 : first, is_max_first ? first : first + 1, request.bounds);
}

// The part of the range that LIMIT leaves, still in ascending ranks.
RankRange limited(const RangeRequest& request, RankRange range) {
  if (request.bounds.kind == RangeKind::kRank) return range;
  const size_t count = range.count();
  // A negative offset skips everything, as in Redis.
  if (request.offset < 0 || static_cast<uint64_t>(request.offset) >= count) return {};
  const auto offset = static_cast<size_t>(request.offset);
  const size_t rest = count - offset;
  const size_t wanted = request.limit < 0 ? rest : std::min<size_t>(rest, static_cast<size_t>(request.limit));
  if (!request.bounds.is_reverse) return {range.first + offset, range.first + offset + wanted};
  return {range.end - offset - wanted, range.end - offset};
}

template <class Visit>
void visit_range(const SortedSetValue& zset, const RankRange& range, bool is_reverse, Visit visit) {
  if (range.count() == 0) return;
  const auto each = [&](std::string_view member, double score) {
    visit(member, score);
    return true;
  };
  if (is_reverse) {
    zset.for_range_reverse(range.end - 1, range.count(), each);
  } else {
    zset.for_range(range.first, range.count(), each);
  }
}

void range(CommandContext& context, const RangeForm& form) {
  RangeRequest request;
  if (!range_args(context, form, 2, request)) return;
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing()) return context.out.array(0);
  const RankRange ranks = limited(request, request.bounds.in(*zset));
  const MemberReply reply{context.out, request.with_scores};
  reply.begin(ranks.count());
  visit_range(*zset, ranks, request.bounds.is_reverse,
              [&](std::string_view member, double score) { reply.member(member, score); });
}

}  // namespace

void cmd_zrange(CommandContext& context) { range(context, {}); }
void cmd_zrevrange(CommandContext& context) { range(context, {.kind = RangeKind::kRank, .is_reverse = true}); }
void cmd_zrangebyscore(CommandContext& context) { range(context, {.kind = RangeKind::kScore, .is_reverse = false}); }
void cmd_zrevrangebyscore(CommandContext& context) { range(context, {.kind = RangeKind::kScore, .is_reverse = true}); }
void cmd_zrangebylex(CommandContext& context) { range(context, {.kind = RangeKind::kLex, .is_reverse = false}); }
void cmd_zrevrangebylex(CommandContext& context) { range(context, {.kind = RangeKind::kLex, .is_reverse = true}); }

void cmd_zrangestore(CommandContext& context) {
  RangeRequest request;
  if (!range_args(context, {.is_store = true}, 3, request)) return;
  const Found<SortedSetValue> zset = find_across_as<SortedSetValue>(context, context.arg(2));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  // Copies first: the destination may be the source.
  ScoredMembers result;
  if (!zset.missing()) {
    visit_range(*zset, limited(request, request.bounds.in(*zset)), false,
                [&](std::string_view member, double score) { result.add(member, score); });
  }
  store_result(context, result, "zrangestore");
}

namespace {

void count(CommandContext& context, RangeKind kind) {
  RangeBounds bounds;
  if (!bounds_arg(context, kind, 2, 3, bounds)) return;
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(zset ? static_cast<int64_t>(bounds.in(*zset).count()) : 0);
}

void remove_range(CommandContext& context, RangeKind kind, std::string_view event) {
  RangeBounds bounds;
  if (!bounds_arg(context, kind, 2, 3, bounds)) return;
  const std::string_view key = context.arg(1);
  Found<SortedSetValue> zset = find_as<SortedSetValue>(context, key);
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing()) return context.out.integer(0);
  const RankRange ranks = bounds.in(*zset);
  if (ranks.count() > 0) {
    zset->erase_range(ranks.first, ranks.count());
    Keyspace& keyspace = zset->keyspace();
    keyspace.changed(context.database, key, EventClass::kSortedSet, event);
    if (keyspace.erase_if_empty(*zset)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
  }
  context.out.integer(static_cast<int64_t>(ranks.count()));
}

}  // namespace

void cmd_zcount(CommandContext& context) { count(context, RangeKind::kScore); }
void cmd_zlexcount(CommandContext& context) { count(context, RangeKind::kLex); }
void cmd_zremrangebyrank(CommandContext& context) { remove_range(context, RangeKind::kRank, "zremrangebyrank"); }
void cmd_zremrangebyscore(CommandContext& context) { remove_range(context, RangeKind::kScore, "zremrangebyscore"); }
void cmd_zremrangebylex(CommandContext& context) { remove_range(context, RangeKind::kLex, "zremrangebylex"); }

}  // namespace keelson::kv
