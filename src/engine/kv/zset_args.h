// Arguments of sorted-set commands: ends of ranges, as Redis reads them.
#pragma once

#include <optional>
#include <string_view>

#include "engine/kv/command.h"
#include "engine/kv/sorted_set_value.h"

namespace keelson::kv {

inline constexpr std::string_view kErrScoreRange = "ERR min or max is not a float";
inline constexpr std::string_view kErrLexRange = "ERR min or max not valid string range item";

// "5", "(5", "-inf". As Redis it takes whatever strtod takes (leading blanks, overflow to infinity, an empty text as
// 0), but no NaN.
[[nodiscard]] std::optional<ScoreBound> parse_score_bound(std::string_view text);
// "-", "+", "[member", "(member"; the member is a view into `text`.
[[nodiscard]] std::optional<LexBound> parse_lex_bound(std::string_view text);

// A run of ranks: empty if last <= first.
struct RankRange {
  size_t first = 0;
  size_t end = 0;
  [[nodiscard]] size_t count() const { return end > first ? end - first : 0; }
};

enum class RangeKind : uint8_t { kRank, kScore, kLex };

// The two ends of a range of any kind, before they meet a sorted set.
struct RangeBounds {
  RangeKind kind = RangeKind::kRank;
  int64_t start = 0, stop = 0;  // kRank
  ScoreBound min_score, max_score;
  LexBound min_lex, max_lex;
  // kRank counts from the highest score down.
  bool is_reverse = false;

  [[nodiscard]] RankRange in(const SortedSetValue& zset) const;
};

// Reads the ends at args[min_at] and args[max_at] (which is before min_at in reverse ranges by score or name); answers
// and returns false if they are malformed.
[[nodiscard]] bool bounds_arg(CommandContext& context, RangeKind kind, size_t min_at, size_t max_at,
                              RangeBounds& bounds);

}  // namespace keelson::kv
