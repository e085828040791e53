// Sorted sets, members and scores: ZADD, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK, ZRANDMEMBER.
#include <cmath>
#include <optional>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"
#include "engine/kv/zset_result.h"

namespace keelson::kv {

namespace {

struct AddOptions {
  bool only_new = false;       // NX
  bool only_existing = false;  // XX
  bool only_greater = false;   // GT
  bool only_less = false;      // LT
  bool count_changed = false;  // CH
  bool increment = false;      // INCR
  [[nodiscard]] bool is_plain() const {
    return !only_new && !only_existing && !only_greater && !only_less && !increment;
  }
};

// Reads the options from args[2] on; the result is the index of the first score.
size_t add_options(const CommandContext& context, AddOptions& options) {
  size_t at = 2;
  for (; at < context.argc(); ++at) {
    const std::string_view word = context.arg(at);
    // Scores begin otherwise: one comparison in the common case.
    if (word.size() > 4 || word.empty() || static_cast<unsigned char>(word[0]) < 'A') break;
    if (is_option(word, "NX")) {
      options.only_new = true;
    } else if (is_option(word, "XX")) {
      options.only_existing = true;
    } else if (is_option(word, "GT")) {
      options.only_greater = true;
    } else if (is_option(word, "LT")) {
      options.only_less = true;
    } else if (is_option(word, "CH")) {
      options.count_changed = true;
    } else if (is_option(word, "INCR")) {
      options.increment = true;
    } else {
      break;
    }
  }
  return at;
}

// The error for options that do not go together, or nothing.
std::string_view conflict_of(const AddOptions& options, size_t pairs) {
  if (options.only_new && options.only_existing) {
    return "ERR XX and NX options at the same time are not compatible";
  }
  if ((options.only_greater && options.only_new) || (options.only_less && options.only_new) ||
      (options.only_greater && options.only_less)) {
    return "ERR GT, LT, and/or NX options at the same time are not compatible";
  }
  if (options.increment && pairs > 1) return "ERR INCR option supports a single increment-element pair";
  return {};
}

enum class AddResult : uint8_t { kRefused, kSame, kAdded, kMoved, kNotANumber };

// One pair of ZADD. `score` becomes the member's score.
AddResult add_one(SortedSetValue& zset, const AddOptions& options, std::string_view member, double& score) {
  const auto change = [&] {
    switch (zset.set(member, score)) {
      case SortedSetValue::Change::kAdded:
        return AddResult::kAdded;
      case SortedSetValue::Change::kMoved:
        return AddResult::kMoved;
      case SortedSetValue::Change::kNone:
        break;
    }
    return AddResult::kSame;
  };
  if (options.is_plain()) return change();
  const std::optional<double> old = zset.score(member);
  if (!old) return options.only_existing ? AddResult::kRefused : change();
  if (options.only_new) return AddResult::kRefused;
  if (options.increment) {
    score += *old;
    if (std::isnan(score)) return AddResult::kNotANumber;
  }
  if ((options.only_less && score >= *old) || (options.only_greater && score <= *old)) return AddResult::kRefused;
  return score == *old ? AddResult::kSame : change();
}

// ZADD and ZINCRBY, which is ZADD with INCR and the same words in the same places.
void add(CommandContext& context, AddOptions options) {
  const size_t first = add_options(context, options);
  const size_t words = context.argc() - first;
  if (words == 0 || words % 2 != 0) return context.out.error(kErrSyntax);
  if (const std::string_view error = conflict_of(options, words / 2); !error.empty()) return context.out.error(error);
  // All scores before any change: all or nothing.
  double score = 0;
  for (size_t i = first; i < context.argc(); i += 2) {
    if (!double_arg(context, i, score)) return;
  }
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Found<SortedSetValue> zset = options.only_existing
                                   ? keyspace.write<SortedSetValue>(context.database, key, context.now_ms)
                                   : keyspace.write_or_create<SortedSetValue>(context.database, key, context.now_ms);
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing()) return options.increment ? context.out.null() : context.out.integer(0);
  int64_t added = 0;
  int64_t moved = 0;
  AddResult result = AddResult::kSame;
  const bool is_single = words == 2;
  for (size_t i = first; i < context.argc(); i += 2) {
    if (!is_single) score = *parse_double(context.arg(i));
    result = add_one(*zset, options, context.arg(i + 1), score);
    added += result == AddResult::kAdded ? 1 : 0;
    moved += result == AddResult::kMoved ? 1 : 0;
  }
  if (added + moved > 0) {
    keyspace.changed(context.database, key, EventClass::kSortedSet, options.increment ? "zincr" : "zadd");
  }
  if (result == AddResult::kNotANumber) return context.out.error("ERR resulting score is not a number (NaN)");
  if (!options.increment) return context.out.integer(options.count_changed ? added + moved : added);
  if (result == AddResult::kRefused) return context.out.null();
  context.out.real(score);
}

}  // namespace

void cmd_zadd(CommandContext& context) { add(context, {}); }
void cmd_zincrby(CommandContext& context) { add(context, {.increment = true}); }

void cmd_zrem(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<SortedSetValue> zset = find_as<SortedSetValue>(context, key);
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing()) return context.out.integer(0);
  int64_t removed = 0;
  for (size_t i = 2; i < context.argc() && zset->size() > 0; ++i) removed += zset->erase(context.arg(i)) ? 1 : 0;
  if (removed > 0) {
    Keyspace& keyspace = zset->keyspace();
    keyspace.changed(context.database, key, EventClass::kSortedSet, "zrem");
    if (keyspace.erase_if_empty(*zset)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
  }
  context.out.integer(removed);
}

namespace {

void reply_score(CommandContext& context, const std::optional<double>& score) {
  if (score) {
    context.out.real(*score);
  } else {
    context.out.null();
  }
}

}  // namespace

void cmd_zscore(CommandContext& context) {
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  reply_score(context, zset ? zset->score(context.arg(2)) : std::nullopt);
}

void cmd_zmscore(CommandContext& context) {
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  context.out.array(context.argc() - 2);
  for (size_t i = 2; i < context.argc(); ++i) reply_score(context, zset ? zset->score(context.arg(i)) : std::nullopt);
}

void cmd_zcard(CommandContext& context) {
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(zset ? static_cast<int64_t>(zset->size()) : 0);
}

namespace {

void rank(CommandContext& context, bool is_reverse) {
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (zset.missing()) return context.out.null();
  const std::optional<size_t> found = zset->rank(context.arg(2));
  if (!found) return context.out.null();
  context.out.integer(static_cast<int64_t>(is_reverse ? zset->size() - 1 - *found : *found));
}

}  // namespace

void cmd_zrank(CommandContext& context) { rank(context, false); }
void cmd_zrevrank(CommandContext& context) { rank(context, true); }

namespace {

void random_members(CommandContext& context, const SortedSetValue& zset, int64_t count, const MemberReply& reply) {
  Chance chance(context.seed);
  const auto show = [&](size_t at_rank) {
    const auto [name, score] = zset.at(at_rank);
    reply.member(name, score);
  };
  if (count < 0) {
    reply.begin(static_cast<size_t>(-count));
    for (; count < 0; ++count) show(chance.below(zset.size()));
  } else if (static_cast<uint64_t>(count) >= zset.size()) {
    // All of them, from the highest down, as Redis walks.
    reply.begin(zset.size());
    zset.for_range_reverse(zset.size() - 1, zset.size(), [&](std::string_view name, double score) {
      reply.member(name, score);
      return true;
    });
  } else {
    reply.begin(static_cast<size_t>(count));
    for (const uint32_t at_rank : pick_indexes(chance, zset.size(), static_cast<size_t>(count))) show(at_rank);
  }
}

}  // namespace

void cmd_zrandmember(CommandContext& context) {
  const bool has_count = context.argc() > 2;
  const bool with_scores = context.argc() == 4 && is_option(context.arg(3), "WITHSCORES");
  int64_t count = 1;
  if (has_count) {
    if (!int_arg_in(context, 2, -INT64_MAX, INT64_MAX, count)) return;
    if (context.argc() > 4 || (context.argc() == 4 && !with_scores)) return context.out.error(kErrSyntax);
    if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
      return context.out.error("ERR value is out of range");
    }
  }
  const Found<SortedSetValue> zset = find_as<SortedSetValue>(context, context.arg(1));
  if (zset.wrong_type()) return context.out.error(kErrWrongType);
  if (!has_count) {
    if (zset.missing()) return context.out.null();
    return context.out.bulk(zset->at(Chance(context.seed).below(zset->size())).first);
  }
  if (zset.missing() || count == 0) return context.out.array(0);
  if (count < -kRepeatedPicksMax) return context.out.error("ERR value is out of range");
  random_members(context, *zset, count, {context.out, with_scores});
}

}  // namespace keelson::kv
