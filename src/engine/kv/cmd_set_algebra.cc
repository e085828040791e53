// Sets, several keys: SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD.
//
// A result is gathered as copies before anything changes, since the destination may be one of the sources. Members come
// in the order in which the first set (for SINTER: the smallest) has them: deterministic, so that a stored set is the
// same on every replica.
#include <algorithm>

#include "base/check.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

namespace {

using Sources = std::vector<Found<SetValue>>;

// The sets under `count` keys from args[first] on; answers and returns false if one has another type.
bool find_sources(CommandContext& context, size_t first, size_t count, Sources& sources) {
  sources.reserve(count);
  for (size_t i = first; i < first + count; ++i) {
    sources.push_back(find_across_as<SetValue>(context, context.arg(i)));
    if (!sources.back().wrong_type()) continue;
    context.out.error(kErrWrongType);
    return false;
  }
  return true;
}

// The sets that are there, smallest first; equal ones in the order of the command.
std::vector<const SetValue*> by_size(const Sources& sources, size_t first) {
  std::vector<const SetValue*> sets;
  for (size_t i = first; i < sources.size(); ++i) {
    if (!sources[i].missing()) sets.push_back(&*sources[i]);
  }
  // The addresses are in the order of the command: they stand in one vector.
  std::sort(sets.begin(), sets.end(), [](const SetValue* a, const SetValue* b) {
    return a->size() != b->size() ? a->size() < b->size() : a < b;
  });
  return sets;
}

// Visits what all sets share until `visit` returns false: walks the smallest, asks the others, the smaller ones first.
template <class Visit>
void intersect(const Sources& sources, Visit visit) {
  const std::vector<const SetValue*> sets = by_size(sources, 0);
  if (sets.size() < sources.size()) return;
  sets[0]->for_each_while([&](std::string_view member) {
    for (size_t i = 1; i < sets.size(); ++i) {
      if (!sets[i]->contains(member)) return true;
    }
    return visit(member);
  });
}

void intersection(const Sources& sources, MemberList& result) {
  intersect(sources, [&](std::string_view member) {
    result.add(member);
    return true;
  });
}

// What the first set has and no other. Asks the larger sets first: they are the likelier to have a member.
void difference(const Sources& sources, MemberList& result) {
  if (sources[0].missing()) return;
  std::vector<const SetValue*> others = by_size(sources, 1);
  std::reverse(others.begin(), others.end());
  sources[0]->for_each([&](std::string_view member) {
    if (std::none_of(others.begin(), others.end(), [&](const SetValue* set) { return set->contains(member); })) {
      result.add(member);
    }
  });
}

// From this many sets on it is cheaper to remember what was seen than to ask every set before.
constexpr size_t kAskedSetsMax = 4;

// The first set's members, then those of the second that are new, and so on.
void unite(const Sources& sources, MemberList& result) {
  if (sources.size() > kAskedSetsMax) {
    MemberList all;
    for (const auto& set : sources) {
      if (!set.missing()) set->for_each([&](std::string_view member) { all.add(member); });
    }
    const auto there = std::find_if(sources.begin(), sources.end(), [](const auto& set) { return !set.missing(); });
    if (there == sources.end()) return;
    MemberViews seen(all.size(), SeededStringHash{(*there)->keyspace().options().hash_secret});
    for (size_t i = 0; i < all.size(); ++i) {
      if (seen.insert(all[i]).second) result.add(all[i]);
    }
    return;
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].missing()) continue;
    const auto was_before = [&](std::string_view member) {
      for (size_t earlier = 0; earlier < i; ++earlier) {
        if (!sources[earlier].missing() && sources[earlier]->contains(member)) return true;
      }
      return false;
    };
    sources[i]->for_each([&](std::string_view member) {
      if (!was_before(member)) result.add(member);
    });
  }
}

using Operation = void (*)(const Sources&, MemberList&);

void answer(CommandContext& context, Operation operation) {
  Sources sources;
  if (!find_sources(context, 1, context.argc() - 1, sources)) return;
  MemberList result;
  operation(sources, result);
  context.out.set(result.size());
  for (size_t i = 0; i < result.size(); ++i) context.out.bulk(result[i]);
}

// When shards log the result as a payload, a replay makes the set from that payload, and its order is the one that the
// payload has. So does the set here.
void log_set(CommandContext& context, SetValue& set) {
  if (context.effects == nullptr) return;
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = set.keyspace();
  const std::string payload = dump_value(set);
  keyspace.erase(set);
  Value restored;
  const RestoreError error = restore_value(keyspace, context.database, key, payload, restored);
  KEELSON_CHECK(error == RestoreError::kOk, "a payload that was just made cannot be read");
  log_put(context, restored);
}

void store(CommandContext& context, Operation operation, std::string_view event) {
  Sources sources;
  if (!find_sources(context, 2, context.argc() - 2, sources)) return;
  MemberList result;
  operation(sources, result);
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Value old = find_across(context, key);
  const bool existed = static_cast<bool>(old);
  if (existed) keyspace.erase(old);
  if (result.empty()) {
    if (existed) {
      keyspace.changed(context.database, key, EventClass::kGeneric, "del");
      log_del(context, key);
    }
    return context.out.integer(0);
  }
  auto set = keyspace.create<SetValue>(context.database, key);
  for (size_t i = 0; i < result.size(); ++i) set.add(result[i]);
  keyspace.changed(context.database, key, EventClass::kSet, event);
  log_set(context, set);
  context.out.integer(static_cast<int64_t>(result.size()));
}

}  // namespace

void cmd_sinter(CommandContext& context) { answer(context, intersection); }
void cmd_sunion(CommandContext& context) { answer(context, unite); }
void cmd_sdiff(CommandContext& context) { answer(context, difference); }
void cmd_sinterstore(CommandContext& context) { store(context, intersection, "sinterstore"); }
void cmd_sunionstore(CommandContext& context) { store(context, unite, "sunionstore"); }
void cmd_sdiffstore(CommandContext& context) { store(context, difference, "sdiffstore"); }

void cmd_sintercard(CommandContext& context) {
  int64_t count = 0;
  if (!int_arg_in(context, 1, 1, INT64_MAX, count, "ERR numkeys should be greater than 0")) return;
  if (static_cast<uint64_t>(count) > context.argc() - 2) {
    return context.out.error("ERR Number of keys can't be greater than number of args");
  }
  int64_t limit = 0;
  for (size_t i = 2 + static_cast<size_t>(count); i < context.argc(); ++i) {
    if (!is_option(context.arg(i), "LIMIT") || i + 1 == context.argc()) return context.out.error(kErrSyntax);
    if (!int_arg_in(context, ++i, 0, INT64_MAX, limit, "ERR LIMIT can't be negative")) return;
  }
  Sources sources;
  if (!find_sources(context, 2, static_cast<size_t>(count), sources)) return;
  int64_t found = 0;
  intersect(sources, [&](std::string_view) { return ++found != limit; });
  context.out.integer(found);
}

}  // namespace keelson::kv
