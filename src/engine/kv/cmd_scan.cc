// Walks in steps: SSCAN, HSCAN, ZSCAN over one key, and _SCAN over one shard's keys (SCAN itself is the session's: it
// leads from shard to shard).
//
// What is there from the first step to the last is shown at least once, whatever else comes and goes meanwhile. The
// server keeps nothing between two steps: the cursor holds it all.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/glob.h"
#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"

namespace keelson::kv {

namespace {

constexpr int64_t kCountDefault = 10;

struct ScanOptions {
  int64_t count = kCountDefault;
  std::optional<std::string_view> pattern = {};
  std::optional<std::string_view> type = {};

  [[nodiscard]] bool lets_through(std::string_view name) const { return !pattern || glob_match(*pattern, name); }
};

// Answers and returns false if it is no cursor.
bool cursor_arg(CommandContext& context, size_t at, uint64_t& cursor) {
  const std::optional<uint64_t> parsed = parse_cursor(context.arg(at));
  if (!parsed) {
    context.out.error("ERR invalid cursor");
    return false;
  }
  cursor = *parsed;
  return true;
}

// Reads MATCH, COUNT and, for keys, TYPE from args[at] on; answers and returns false on an error.
bool option_args(CommandContext& context, size_t at, bool of_keys, ScanOptions& options) {
  for (; at < context.argc(); at += 2) {
    const std::string_view word = context.arg(at);
    const bool has_value = at + 1 < context.argc();
    if (has_value && is_option(word, "COUNT")) {
      if (!int_arg(context, at + 1, options.count)) return false;
      if (options.count >= 1) continue;
    } else if (has_value && is_option(word, "MATCH")) {
      // All names match a lone star, the empty one too.
      options.pattern.reset();
      if (context.arg(at + 1) != "*") options.pattern = context.arg(at + 1);
      continue;
    } else if (has_value && of_keys && is_option(word, "TYPE")) {
      options.type = context.arg(at + 1);
      continue;
    }
    context.out.error(kErrSyntax);
    return false;
  }
  return true;
}

// The answer of a step: the next cursor, and what was found.
void reply_step(CommandContext& context, uint64_t cursor, const MemberList& found) {
  context.out.array(2);
  context.out.bulk(format_uint64(cursor).view());
  context.out.array(found.size());
  for (size_t i = 0; i < found.size(); ++i) context.out.bulk(found[i]);
}

// A step over the key at args[1]: `step(view, cursor, options, found)` takes it and returns the next cursor.
template <class View, class Step>
void scan_key(CommandContext& context, Step step) {
  uint64_t cursor = 0;
  if (!cursor_arg(context, 2, cursor)) return;
  const Found<View> value = find_as<View>(context, context.arg(1));
  if (value.wrong_type()) return context.out.error(kErrWrongType);
  MemberList found;
  // As in Redis, options of a key that is not there are not looked at.
  if (value.missing()) return reply_step(context, 0, found);
  ScanOptions options;
  if (!option_args(context, 3, false, options)) return;
  const uint64_t next = step(*value, cursor, options, found);
  reply_step(context, next, found);
}

size_t step_size(const ScanOptions& options) { return static_cast<size_t>(options.count); }

bool is_same_type(std::string_view wanted, std::string_view type_name) {
  return std::equal(wanted.begin(), wanted.end(), type_name.begin(), type_name.end(),
                    [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b); });
}

}  // namespace

void cmd_sscan(CommandContext& context) {
  scan_key<SetValue>(context, [](const SetValue& set, uint64_t cursor, const ScanOptions& options, MemberList& found) {
    return set.scan(cursor, step_size(options), [&](std::string_view member) {
      if (options.lets_through(member)) found.add(member);
    });
  });
}

void cmd_hscan(CommandContext& context) {
  scan_key<HashValue>(
      context, [](const HashValue& hash, uint64_t cursor, const ScanOptions& options, MemberList& found) {
        return hash.scan(cursor, step_size(options), [&](std::string_view field, std::string_view value) {
          if (!options.lets_through(field)) return;
          found.add(field);
          found.add(value);
        });
      });
}

namespace {

// The text of a score: as elsewhere, but that Redis keeps whole numbers of small sorted sets as integers and shows them
// without an exponent here.
std::string scan_score(double score, bool is_small) {
  constexpr double kIntegerMax = static_cast<double>(INT64_MAX / 2);
  if (is_small && std::abs(score) <= kIntegerMax && score == std::trunc(score)) {
    return std::string(format_int64(static_cast<int64_t>(score)).view());
  }
  return std::string(format_double(score).view());
}

}  // namespace

void cmd_zscan(CommandContext& context) {
  scan_key<SortedSetValue>(
      context, [](const SortedSetValue& zset, uint64_t cursor, const ScanOptions& options, MemberList& found) {
        const bool is_small = zset.encoding_name() == "listpack";
        return zset.scan(cursor, step_size(options), [&](std::string_view member, double score) {
          if (options.lets_through(member)) {
            found.add(member);
            found.add(scan_score(score, is_small));
          }
          return true;
        });
      });
}

void cmd_scan(CommandContext& context) {
  KEELSON_CHECK(context.only != nullptr, "a step over a shard's keys needs its keyspace");
  uint64_t cursor = 0;
  ScanOptions options;
  if (!cursor_arg(context, 1, cursor) || !option_args(context, 2, true, options)) return;
  MemberList found;
  const uint64_t next = context.only->scan(context.database, cursor, step_size(options), [&](const Value& value) {
    const int64_t expires_at_ms = value.expires_at_ms();
    if (expires_at_ms != kNoExpiry && expires_at_ms <= context.now_ms) return;
    if (context.only->is_hidden(value.key())) return;
    if (options.type && !is_same_type(*options.type, value.type_name())) return;
    if (options.lets_through(value.key())) found.add(value.key());
  });
  reply_step(context, next, found);
}

}  // namespace keelson::kv
