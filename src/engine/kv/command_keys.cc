// Which arguments of a command are keys.
//
// Most commands have them at fixed places or in a row, or count them (numkeys). The few with words that name a key
// anywhere (KeySpec::custom) are told apart by name here.
#include <algorithm>
#include <array>
#include <optional>

#include "base/check.h"
#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/command.h"

namespace keelson::kv {

namespace {

struct MemberArgument {
  std::string_view name;
  uint8_t at;
};
constexpr MemberArgument kMemberArguments[] = {
    {"HDEL", 2},  {"HEXISTS", 2},  {"HGET", 2},       {"HINCRBY", 2}, {"HINCRBYFLOAT", 2}, {"HMGET", 2},
    {"HMSET", 2}, {"HSET", 2},     {"HSETNX", 2},     {"HSTRLEN", 2}, {"SADD", 2},         {"SISMEMBER", 2},
    {"SREM", 2},  {"ZADD", 3},     {"SMISMEMBER", 2}, {"ZINCRBY", 3}, {"ZMSCORE", 2},      {"ZRANK", 2},
    {"ZREM", 2},  {"ZREVRANK", 2}, {"ZSCORE", 2},
};

// SORT key ... STORE destination: the last STORE counts, words behind BY, GET and LIMIT are no options.
void sort_keys(Args args, std::vector<uint32_t>& into) {
  into.push_back(1);
  size_t destination = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    if (is_option(args[i], "LIMIT")) {
      i += 2;
    } else if (is_option(args[i], "GET") || is_option(args[i], "BY")) {
      ++i;
    } else if (is_option(args[i], "STORE") && i + 1 < args.size()) {
      destination = ++i;
    }
  }
  if (destination != 0) into.push_back(static_cast<uint32_t>(destination));
}

// GEORADIUS key ... STORE destination, or STOREDIST; the last one counts.
void georadius_keys(Args args, std::vector<uint32_t>& into) {
  into.push_back(1);
  size_t destination = 0;
  for (size_t i = 5; i + 1 < args.size(); ++i) {
    if (is_option(args[i], "STORE") || is_option(args[i], "STOREDIST")) destination = ++i;
  }
  if (destination != 0) into.push_back(static_cast<uint32_t>(destination));
}

// MIGRATE host port key ...: an empty key means that KEYS and the keys stand at the end.
void migrate_keys(Args args, std::vector<uint32_t>& into) {
  if (!args[3].empty()) {
    into.push_back(3);
    return;
  }
  for (size_t i = 6; i < args.size(); ++i) {
    if (is_option(args[i], "AUTH")) {
      ++i;
    } else if (is_option(args[i], "AUTH2")) {
      i += 2;
    } else if (is_option(args[i], "KEYS")) {
      for (size_t key = i + 1; key < args.size(); ++key) into.push_back(static_cast<uint32_t>(key));
      return;
    }
  }
}

// XREAD ... STREAMS key ... id ...: the first half of what follows STREAMS.
bool stream_keys(Args args, std::vector<uint32_t>& into) {
  for (size_t i = 1; i < args.size(); ++i) {
    if (is_option(args[i], "BLOCK") || is_option(args[i], "COUNT")) {
      ++i;
    } else if (is_option(args[i], "GROUP")) {
      i += 2;
    } else if (is_option(args[i], "STREAMS")) {
      const size_t behind = args.size() - i - 1;
      if (behind == 0 || behind % 2 != 0) return false;
      for (size_t key = i + 1; key <= i + behind / 2; ++key) into.push_back(static_cast<uint32_t>(key));
      return true;
    } else if (!is_option(args[i], "NOACK")) {
      return false;
    }
  }
  return false;
}

bool custom_keys(const CommandSpec& spec, Args args, std::vector<uint32_t>& into) {
  if (spec.name == "SORT") {
    sort_keys(args, into);
  } else if (spec.name == "SORT_RO") {
    into.push_back(1);
  } else if (spec.name.starts_with("GEORADIUS")) {
    georadius_keys(args, into);
  } else if (spec.name == "MIGRATE") {
    migrate_keys(args, into);
  } else {
    KEELSON_CHECK(spec.name.starts_with("XREAD"), "a command's keys need a rule of their own, and there is none");
    return stream_keys(args, into);
  }
  return true;
}

}  // namespace

size_t member_argument(const CommandSpec& spec) {
  static const auto by_code = [] {
    std::array<uint8_t, kCommandCodesEnd> places{};
    for (const MemberArgument& row : kMemberArguments) {
      const CommandSpec* found = find_command(row.name);
      KEELSON_CHECK(found != nullptr, "a command with a member is not in the command table");
      places[found->code] = row.at;
    }
    return places;
  }();
  return by_code[spec.code];
}

bool keys_of(const CommandSpec& spec, Args args, std::vector<uint32_t>& into) {
  into.clear();
  if (!arity_fits(spec, args.size())) return false;
  const KeySpec& keys = spec.keys;
  if (keys.custom) return custom_keys(spec, args, into);
  if (keys.numkeys_at != 0) {
    const auto count_at = static_cast<size_t>(keys.numkeys_at);
    const std::optional<int64_t> count = parse_int64(args[count_at]);
    if (!count || *count <= 0 || static_cast<uint64_t>(*count) > args.size() - count_at - 1) return false;
    if (keys.first != 0) into.push_back(static_cast<uint32_t>(keys.first));
    for (size_t i = 1; i <= static_cast<size_t>(*count); ++i) into.push_back(static_cast<uint32_t>(count_at + i));
    return true;
  }
  if (keys.first == 0) return true;
  const auto size = static_cast<int64_t>(args.size());
  const int64_t last = std::min<int64_t>(keys.last < 0 ? size + keys.last : keys.last, size - 1);
  for (int64_t i = keys.first; i <= last; i += keys.step) into.push_back(static_cast<uint32_t>(i));
  return true;
}

namespace {

KeySpecView by_index(std::string_view flags, int index, int last_key, int step) {
  KeySpecView view;
  view.flags = flags;
  view.index = index;
  view.last_key = last_key;
  view.key_step = step;
  return view;
}

KeySpecView by_keyword(std::string_view flags, std::string_view keyword, int start_from, int last_key, int limit) {
  KeySpecView view;
  view.flags = flags;
  view.begin = KeySpecView::Begin::kKeyword;
  view.keyword = keyword;
  view.start_from = start_from;
  view.last_key = last_key;
  view.limit = limit;
  return view;
}

// The second and third specs of commands with rules of their own; the first one is the key at its fixed place.
KeySpecView custom_spec(const CommandSpec& spec, size_t position, std::string_view flags) {
  if (spec.name.starts_with("XREAD")) return by_keyword(flags, "STREAMS", spec.name == "XREAD" ? 1 : 4, -1, 2);
  if (position == 0) return by_index(flags, spec.keys.first, 0, 1);
  if (spec.name == "MIGRATE") return by_keyword(flags, "KEYS", -2, -1, 0);
  if (spec.name.starts_with("GEORADIUS")) {
    return by_keyword(flags, position == 1 ? "STORE" : "STOREDIST", spec.name == "GEORADIUS" ? 6 : 5, 0, 0);
  }
  KeySpecView view;
  view.flags = flags;
  view.begin = KeySpecView::Begin::kUnknown;
  view.find = KeySpecView::Find::kUnknown;
  return view;
}

}  // namespace

size_t key_specs_of(const CommandSpec& spec, std::span<KeySpecView, kKeySpecsMax> into) {
  const KeySpec& keys = spec.keys;
  size_t count = 0;
  std::string_view rest = spec.key_flags;
  while (!rest.empty()) {
    const std::string_view flags = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), flags.size() + 1));
    KEELSON_CHECK(count < kKeySpecsMax, "a command has more key specs than there is room for");
    KeySpecView& view = into[count];
    const bool is_last = rest.empty();
    if (keys.custom) {
      view = custom_spec(spec, count, flags);
    } else if (keys.numkeys_at != 0 && is_last) {
      view = by_index(flags, keys.numkeys_at, 0, 1);
      view.find = KeySpecView::Find::kKeynum;
    } else if (!is_last) {
      view = by_index(flags, keys.first, 0, keys.step);
    } else {
      // The keys from here on: behind those of the spec before, up to the last one, which counts from the begin.
      const int first = keys.first + static_cast<int>(count);
      view = by_index(flags, first, keys.last < 0 ? keys.last : keys.last - first, keys.step);
    }
    ++count;
  }
  return count;
}

}  // namespace keelson::kv
