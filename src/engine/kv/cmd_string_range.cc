// Strings by their parts: APPEND, STRLEN, GETRANGE, SETRANGE, LCS.
#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lcs.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

// Answers and returns false if offset + bytes would be too long.
bool check_length(CommandContext& context, uint64_t offset, uint64_t bytes) {
  if (offset <= kStringBytesMax && bytes <= kStringBytesMax - offset) return true;
  context.out.error(kErrStringTooLong);
  return false;
}

struct LcsOptions {
  bool with_indexes = false;
  bool only_length = false;
  bool with_match_length = false;
  int64_t match_length_min = 0;
};

// Answers and returns false if the options are wrong.
bool take_lcs_options(CommandContext& context, LcsOptions& options) {
  for (size_t i = 3; i < context.argc(); ++i) {
    const std::string_view option = context.arg(i);
    if (is_option(option, "IDX")) {
      options.with_indexes = true;
    } else if (is_option(option, "LEN")) {
      options.only_length = true;
    } else if (is_option(option, "WITHMATCHLEN")) {
      options.with_match_length = true;
    } else if (is_option(option, "MINMATCHLEN") && i + 1 < context.argc()) {
      if (!int_arg(context, ++i, options.match_length_min)) return false;
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  if (options.with_indexes && options.only_length) {
    context.out.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

void reply_matches(CommandContext& context, const LcsResult& result, const LcsOptions& options) {
  std::vector<LcsMatch> matches = result.matches;
  std::erase_if(matches, [&](const LcsMatch& match) { return int64_t{match.length()} < options.match_length_min; });
  ReplySink& out = context.out;
  out.map(2);
  out.bulk("matches");
  out.array(matches.size());
  for (const LcsMatch& match : matches) {
    out.array(options.with_match_length ? 3 : 2);
    out.array(2);
    out.integer(match.a_first);
    out.integer(match.a_last);
    out.array(2);
    out.integer(match.b_first);
    out.integer(match.b_last);
    if (options.with_match_length) out.integer(match.length());
  }
  out.bulk("len");
  out.integer(static_cast<int64_t>(result.text.size()));
}

}  // namespace

void cmd_append(CommandContext& context) {
  const std::string_view key = context.arg(1);
  const std::string_view bytes = context.arg(2);
  Found<StringValue> found = find_as<StringValue>(context, key);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  Keyspace& keyspace = context.at(key);
  size_t size = bytes.size();
  if (found.missing()) {
    keyspace.set_string(context.database, key, bytes);
  } else {
    size += found->size();
    if (!check_length(context, found->size(), bytes.size())) return;
    found->append(bytes);
  }
  keyspace.changed(context.database, key, EventClass::kString, "append");
  context.out.integer(static_cast<int64_t>(size));
}

void cmd_strlen(CommandContext& context) {
  Found<StringValue> found = find_as<StringValue>(context, context.arg(1));
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(found.missing() ? 0 : static_cast<int64_t>(found->size()));
}

void cmd_getrange(CommandContext& context) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!int_arg(context, 2, start) || !int_arg(context, 3, stop)) return;
  Found<StringValue> found = find_as<StringValue>(context, context.arg(1));
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  if (found.missing() || (start < 0 && stop < 0 && start > stop)) return context.out.bulk({});
  const std::string_view bytes = found->bytes();
  const auto size = static_cast<int64_t>(bytes.size());
  // Redis takes a stop in front of the string for its first byte.
  if (stop < 0) stop = std::max<int64_t>(stop + size, 0);
  if (!clamp_range(start, stop, size)) return context.out.bulk({});
  context.out.bulk(bytes.substr(static_cast<size_t>(start), static_cast<size_t>(stop - start + 1)));
}

void cmd_substr(CommandContext& context) { cmd_getrange(context); }

void cmd_setrange(CommandContext& context) {
  int64_t offset = 0;
  if (!int_arg(context, 2, offset)) return;
  if (offset < 0) return context.out.error("ERR offset is out of range");
  const std::string_view key = context.arg(1);
  const std::string_view bytes = context.arg(3);
  Found<StringValue> found = find_as<StringValue>(context, key);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  const size_t old_size = found.missing() ? 0 : found->size();
  if (bytes.empty()) return context.out.integer(static_cast<int64_t>(old_size));
  if (!check_length(context, static_cast<uint64_t>(offset), bytes.size())) return;
  Keyspace& keyspace = context.at(key);
  StringValue string = found.missing() ? StringValue(keyspace.set_string(context.database, key, {})) : *found;
  std::memcpy(string.writable(static_cast<size_t>(offset), bytes.size()), bytes.data(), bytes.size());
  keyspace.changed(context.database, key, EventClass::kString, "setrange");
  context.out.integer(static_cast<int64_t>(std::max(old_size, static_cast<size_t>(offset) + bytes.size())));
}

void cmd_lcs(CommandContext& context) {
  Found<StringValue> a = find_across_as<StringValue>(context, context.arg(1));
  Found<StringValue> b = find_across_as<StringValue>(context, context.arg(2));
  if (a.wrong_type() || b.wrong_type()) {
    return context.out.error("ERR The specified keys must contain string values");
  }
  LcsOptions options;
  if (!take_lcs_options(context, options)) return;
  const std::string_view a_bytes = a.missing() ? std::string_view() : a->bytes();
  const std::string_view b_bytes = b.missing() ? std::string_view() : b->bytes();
  constexpr size_t kLengthMax = std::numeric_limits<uint32_t>::max() - 1;
  if (a_bytes.size() >= kLengthMax || b_bytes.size() >= kLengthMax) {
    return context.out.error("ERR String too long for LCS");
  }
  if (lcs_table_bytes(a_bytes, b_bytes) > kStringBytesMax) {
    return context.out.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  const LcsResult result = longest_common(a_bytes, b_bytes);
  if (options.with_indexes) {
    reply_matches(context, result, options);
  } else if (options.only_length) {
    context.out.integer(static_cast<int64_t>(result.text.size()));
  } else {
    context.out.bulk(result.text);
  }
}

}  // namespace keelson::kv
