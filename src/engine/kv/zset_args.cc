#include "engine/kv/zset_args.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "base/numbers.h"
#include "engine/kv/args.h"

namespace keelson::kv {

std::optional<ScoreBound> parse_score_bound(std::string_view text) {
  ScoreBound bound;
  if (text.starts_with('(')) {
    bound.is_exclusive = true;
    text.remove_prefix(1);
  }
  if (const std::optional<double> plain = parse_double(text)) {
    bound.score = *plain;
    return bound;
  }
  // What is left are Redis's oddities; strtod needs a terminating zero.
  const std::string terminated(text);
  char* end = nullptr;
  // tidy: parse, because what strtod takes is the definition here.
  bound.score = std::strtod(terminated.c_str(), &end);
  if (*end != '\0' || std::isnan(bound.score)) return std::nullopt;
  return bound;
}

std::optional<LexBound> parse_lex_bound(std::string_view text) {
  if (text == "-") return LexBound{LexBound::Kind::kMinimum, {}};
  if (text == "+") return LexBound{LexBound::Kind::kMaximum, {}};
  if (text.starts_with('[')) return LexBound{LexBound::Kind::kInclusive, text.substr(1)};
  if (text.starts_with('(')) return LexBound{LexBound::Kind::kExclusive, text.substr(1)};
  return std::nullopt;
}

RankRange RangeBounds::in(const SortedSetValue& zset) const {
  switch (kind) {
    case RangeKind::kScore:
      return {zset.rank_of_start(min_score), zset.rank_of_end(max_score)};
    case RangeKind::kLex:
      return {zset.rank_of_start(min_lex), zset.rank_of_end(max_lex)};
    case RangeKind::kRank:
      break;
  }
  const size_t size = zset.size();
  int64_t from = start;
  int64_t to = stop;
  if (!clamp_range(from, to, static_cast<int64_t>(size))) return {};
  if (is_reverse) return {size - 1 - static_cast<size_t>(to), size - static_cast<size_t>(from)};
  return {static_cast<size_t>(from), static_cast<size_t>(to) + 1};
}

namespace {

template <class Bound>
bool take_both(CommandContext& context, const std::optional<Bound>& min, const std::optional<Bound>& max,
               std::string_view error, Bound& min_into, Bound& max_into) {
  if (!min || !max) {
    context.out.error(error);
    return false;
  }
  min_into = *min;
  max_into = *max;
  return true;
}

}  // namespace

bool bounds_arg(CommandContext& context, RangeKind kind, size_t min_at, size_t max_at, RangeBounds& bounds) {
  bounds.kind = kind;
  const std::string_view min = context.arg(min_at);
  const std::string_view max = context.arg(max_at);
  switch (kind) {
    case RangeKind::kScore:
      return take_both(context, parse_score_bound(min), parse_score_bound(max), kErrScoreRange, bounds.min_score,
                       bounds.max_score);
    case RangeKind::kLex:
      return take_both(context, parse_lex_bound(min), parse_lex_bound(max), kErrLexRange, bounds.min_lex,
                       bounds.max_lex);
    case RangeKind::kRank:
      break;
  }
  return int_arg(context, min_at, bounds.start) && int_arg(context, max_at, bounds.stop);
}

}  // namespace keelson::kv
