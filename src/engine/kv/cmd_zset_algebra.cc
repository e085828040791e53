// Sorted sets (and plain sets, whose members count with score 1), several keys: ZUNION, ZINTER, ZDIFF, their STORE
// forms, ZINTERCARD.
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/zset_result.h"

namespace keelson::kv {

namespace {

enum class Operation : uint8_t { kUnion, kIntersection, kDifference };
enum class Aggregate : uint8_t { kSum, kMin, kMax };

// One input: a sorted set, a set, or nothing.
class Source {
 public:
  explicit Source(const Value& value) : is_there_(static_cast<bool>(value)) {
    if (!value) return;
    is_set_ = value.type() == Type::kSet;
    if (is_set_) {
      set_ = SetValue(value);
    } else {
      zset_ = SortedSetValue(value);
    }
    size_ = is_set_ ? set_.size() : zset_.size();
  }

  double weight = 1;

  [[nodiscard]] bool is_there() const { return is_there_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] std::optional<double> score(std::string_view member) const {
    if (!is_there_) return std::nullopt;
    if (!is_set_) return zset_.score(member);
    return set_.contains(member) ? std::optional<double>(1) : std::nullopt;
  }
  // Until `visit` returns false.
  void for_each_while(FunctionRef<bool(std::string_view member, double score)> visit) const {
    if (!is_there_) return;
    if (is_set_) return set_.for_each_while([&](std::string_view member) { return visit(member, 1); });
    zset_.for_range(0, size_, visit);
  }
  // 0 for infinity times nothing, as Redis has it.
  [[nodiscard]] double weighted(double score) const {
    const double value = weight * score;
    return std::isnan(value) ? 0 : value;
  }

 private:
  bool is_there_ = false;
  bool is_set_ = false;
  SetValue set_;
  SortedSetValue zset_;
  size_t size_ = 0;
};

struct Request {
  Operation operation = Operation::kUnion;
  bool is_store = false;
  bool only_count = false;  // ZINTERCARD
  std::vector<Source> sources = {};
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  int64_t limit = 0;
};

double aggregated(Aggregate how, double one, double other) {
  switch (how) {
    case Aggregate::kMin:
      return other < one ? other : one;
    case Aggregate::kMax:
      return other > one ? other : one;
    case Aggregate::kSum:
      break;
  }
  // Plus and minus infinity make nothing.
  const double sum = one + other;
  return std::isnan(sum) ? 0 : sum;
}

// Finds the inputs, whose count stands at args[at]; answers and returns false on an error.
bool source_args(CommandContext& context, size_t at, std::string_view command, Request& request) {
  int64_t count = 0;
  if (!int_arg(context, at, count)) return false;
  if (count < 1) {
    context.out.error("ERR at least 1 input key is needed for '" + std::string(command) + "' command");
    return false;
  }
  if (static_cast<uint64_t>(count) > context.argc() - at - 1) {
    context.out.error(kErrSyntax);
    return false;
  }
  for (size_t i = at + 1; i <= at + static_cast<size_t>(count); ++i) {
    const Value value = find_across(context, context.arg(i));
    if (value && value.type() != Type::kSortedSet && value.type() != Type::kSet) {
      context.out.error(kErrWrongType);
      return false;
    }
    request.sources.emplace_back(value);
  }
  return true;
}

bool aggregate_arg(std::string_view word, Aggregate& aggregate) {
  if (is_option(word, "SUM")) {
    aggregate = Aggregate::kSum;
  } else if (is_option(word, "MIN")) {
    aggregate = Aggregate::kMin;
  } else if (is_option(word, "MAX")) {
    aggregate = Aggregate::kMax;
  } else {
    return false;
  }
  return true;
}

// Reads the options from args[at] on; answers and returns false on an error.
bool option_args(CommandContext& context, size_t at, Request& request) {
  const bool is_weighted = request.operation != Operation::kDifference && !request.only_count;
  while (at < context.argc()) {
    const size_t rest = context.argc() - at;
    const std::string_view word = context.arg(at);
    if (is_weighted && rest > request.sources.size() && is_option(word, "WEIGHTS")) {
      ++at;
      for (Source& source : request.sources) {
        if (!double_arg(context, at++, source.weight, "ERR weight value is not a float")) return false;
      }
    } else if (is_weighted && rest >= 2 && is_option(word, "AGGREGATE") &&
               aggregate_arg(context.arg(at + 1), request.aggregate)) {
      at += 2;
    } else if (!request.is_store && !request.only_count && is_option(word, "WITHSCORES")) {
      request.with_scores = true;
      ++at;
    } else if (request.only_count && rest >= 2 && is_option(word, "LIMIT")) {
      if (!int_arg_in(context, at + 1, 0, INT64_MAX, request.limit, "ERR LIMIT can't be negative")) return false;
      at += 2;
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  return true;
}

// Smallest first, equal ones in the order of the command: the order in which Redis adds scores up.
std::vector<const Source*> by_size(const std::vector<Source>& sources) {
  std::vector<const Source*> order;
  for (const Source& source : sources) order.push_back(&source);
  std::sort(order.begin(), order.end(),
            [](const Source* a, const Source* b) { return a->size() != b->size() ? a->size() < b->size() : a < b; });
  return order;
}

// Visits what all inputs share, with the combined score, until `visit` returns false.
template <class Visit>
void intersect(const Request& request, Visit visit) {
  const std::vector<const Source*> sources = by_size(request.sources);
  if (sources[0]->size() == 0) return;
  sources[0]->for_each_while([&](std::string_view member, double first_score) {
    double score = sources[0]->weighted(first_score);
    for (size_t i = 1; i < sources.size(); ++i) {
      const std::optional<double> other = sources[i]->score(member);
      if (!other) return true;
      score = aggregated(request.aggregate, score, sources[i]->weight * *other);
    }
    return visit(member, score);
  });
}

void unite(const Request& request, uint64_t hash_seed, ScoredMembers& result) {
  // First copies of all, so that views of them stay; then one entry for each member.
  ScoredMembers all;
  for (const Source* source : by_size(request.sources)) {
    source->for_each_while([&](std::string_view member, double score) {
      all.add(member, source->weighted(score));
      return true;
    });
  }
  if (request.sources.size() == 1) {
    result = std::move(all);
    return;
  }
  struct Sum {
    size_t first_at;
    double score;
  };
  std::vector<Sum> sums;
  boost::unordered_flat_map<std::string_view, size_t, SeededStringHash> known(all.size(), SeededStringHash{hash_seed});
  for (size_t i = 0; i < all.size(); ++i) {
    const auto [at, is_new] = known.try_emplace(all.member(i), sums.size());
    if (is_new) {
      sums.push_back({i, all.score(i)});
    } else {
      double& score = sums[at->second].score;
      score = aggregated(request.aggregate, score, all.score(i));
    }
  }
  for (const Sum& sum : sums) result.add(all.member(sum.first_at), sum.score);
}

void subtract(const Request& request, ScoredMembers& result) {
  const std::vector<Source>& sources = request.sources;
  sources[0].for_each_while([&](std::string_view member, double score) {
    const auto has = [&](const Source& source) { return source.score(member).has_value(); };
    if (std::none_of(sources.begin() + 1, sources.end(), has)) result.add(member, score);
    return true;
  });
}

// Answers in the order of a sorted set.
void reply_sorted(CommandContext& context, const ScoredMembers& result, bool with_scores) {
  std::vector<uint32_t> order(result.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (result.score(a) != result.score(b)) return result.score(a) < result.score(b);
    return result.member(a) < result.member(b);
  });
  const MemberReply reply{context.out, with_scores};
  reply.begin(result.size());
  for (const uint32_t index : order) reply.member(result.member(index), result.score(index));
}

void combine(CommandContext& context, Operation operation, bool is_store, std::string_view command) {
  Request request{.operation = operation, .is_store = is_store};
  const size_t count_at = is_store ? 2 : 1;
  if (!source_args(context, count_at, command, request)) return;
  if (!option_args(context, count_at + 1 + request.sources.size(), request)) return;
  ScoredMembers result;
  switch (operation) {
    case Operation::kUnion:
      unite(request, context.at(context.arg(count_at + 1)).options().hash_secret, result);
      break;
    case Operation::kIntersection:
      intersect(request, [&](std::string_view member, double score) {
        result.add(member, score);
        return true;
      });
      break;
    case Operation::kDifference:
      subtract(request, result);
      break;
  }
  if (is_store) return store_result(context, result, command);
  reply_sorted(context, result, request.with_scores);
}

}  // namespace

// The STORE forms send events of their own names.
void cmd_zunion(CommandContext& context) { combine(context, Operation::kUnion, false, "zunion"); }
void cmd_zinter(CommandContext& context) { combine(context, Operation::kIntersection, false, "zinter"); }
void cmd_zdiff(CommandContext& context) { combine(context, Operation::kDifference, false, "zdiff"); }
void cmd_zunionstore(CommandContext& context) { combine(context, Operation::kUnion, true, "zunionstore"); }
void cmd_zinterstore(CommandContext& context) { combine(context, Operation::kIntersection, true, "zinterstore"); }
void cmd_zdiffstore(CommandContext& context) { combine(context, Operation::kDifference, true, "zdiffstore"); }

void cmd_zintercard(CommandContext& context) {
  Request request{.operation = Operation::kIntersection, .only_count = true};
  if (!source_args(context, 1, "zintercard", request)) return;
  if (!option_args(context, 2 + request.sources.size(), request)) return;
  int64_t found = 0;
  intersect(request, [&](std::string_view, double) { return ++found != request.limit; });
  context.out.integer(found);
}

}  // namespace keelson::kv
