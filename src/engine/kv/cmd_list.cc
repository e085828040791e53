// Lists, one key at a time. What moves or pops over several keys is in cmd_list_move.cc.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/list_pop.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

// Answers WRONGTYPE and returns false if the key holds something else.
bool check_type(CommandContext& context, const Found<ListValue>& list) {
  if (!list.wrong_type()) return true;
  context.out.error(kErrWrongType);
  return false;
}

void push(CommandContext& context, ListEnd end) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Found<ListValue> list = keyspace.write_or_create<ListValue>(context.database, key, context.now_ms);
  if (!check_type(context, list)) return;
  for (const std::string_view element : context.args.subspan(2)) list->push(end, element);
  keyspace.changed(context.database, key, EventClass::kList, push_event(end));
  context.out.integer(static_cast<int64_t>(list->size()));
}

void push_if_present(CommandContext& context, ListEnd end) {
  const Found<ListValue> list = find_as<ListValue>(context, context.arg(1));
  if (list.missing()) return context.out.integer(0);
  push(context, end);
}

void pop(CommandContext& context, ListEnd end) {
  const std::string_view key = context.arg(1);
  const bool has_count = context.argc() > 2;
  int64_t count = 1;
  if (context.argc() > 3) {
    return context.out.error(end == ListEnd::kHead ? "ERR wrong number of arguments for 'lpop' command"
                                                   : "ERR wrong number of arguments for 'rpop' command");
  }
  if (has_count && !positive_arg(context, 2, count)) return;
  Found<ListValue> list = find_as<ListValue>(context, key);
  if (!check_type(context, list)) return;
  if (list.missing()) return has_count ? context.out.null_array() : context.out.null();
  if (count == 0) return context.out.array(0);
  if (has_count) {
    pop_and_reply(context, key, *list, end, static_cast<size_t>(count));
  } else {
    context.out.bulk(list->pop(end));
    elements_popped(context, key, *list, end);
  }
}

// An index as clients give it, from the tail if negative; false if there is nothing there.
bool resolve_index(int64_t index, size_t size, size_t& at) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || static_cast<uint64_t>(index) >= size) return false;
  at = static_cast<size_t>(index);
  return true;
}

struct PositionOptions {
  int64_t rank = 1;
  std::optional<int64_t> count;
  int64_t length_max = 0;
};

// Answers and returns false if the options are wrong.
bool take_position_options(CommandContext& context, PositionOptions& options) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (size_t i = 3; i < context.argc(); ++i) {
    const std::string_view option = context.arg(i);
    const bool has_next = i + 1 < context.argc();
    if (is_option(option, "RANK") && has_next) {
      if (!int_arg(context, ++i, options.rank)) return false;
      if (options.rank < -kMost) options.rank = -1;  // as Redis's overflow has it
      if (options.rank == 0) {
        context.out.error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to "
            "start from the end of the list");
        return false;
      }
    } else if (is_option(option, "COUNT") && has_next) {
      int64_t count = 0;
      if (!int_arg_in(context, ++i, 0, kMost, count, "ERR COUNT can't be negative")) return false;
      options.count = count;
    } else if (is_option(option, "MAXLEN") && has_next) {
      if (!int_arg_in(context, ++i, 0, kMost, options.length_max, "ERR MAXLEN can't be negative")) return false;
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  return true;
}

// Where the element stands, from the `rank`th match on.
std::vector<size_t> positions(const ListValue& list, std::string_view wanted, const PositionOptions& options) {
  std::vector<size_t> found;
  const uint64_t skip = static_cast<uint64_t>(std::abs(options.rank)) - 1;
  // One without COUNT, all with COUNT 0.
  const int64_t count = options.count.value_or(1);
  const size_t find_max = count == 0 ? kAll : static_cast<size_t>(count);
  uint64_t matches = 0;
  const auto visit = [&](size_t index, std::string_view element) {
    if (element == wanted && matches++ >= skip) found.push_back(index);
    return found.size() < find_max;
  };
  const size_t look_at = options.length_max == 0 ? kAll : static_cast<size_t>(options.length_max);
  if (options.rank > 0) {
    list.for_range(0, look_at, visit);
  } else {
    list.for_range_reverse(list.size() - 1, look_at, visit);
  }
  return found;
}

}  // namespace

void cmd_lpush(CommandContext& context) { push(context, ListEnd::kHead); }

void cmd_rpush(CommandContext& context) { push(context, ListEnd::kTail); }

void cmd_lpushx(CommandContext& context) { push_if_present(context, ListEnd::kHead); }

void cmd_rpushx(CommandContext& context) { push_if_present(context, ListEnd::kTail); }

void cmd_lpop(CommandContext& context) { pop(context, ListEnd::kHead); }

void cmd_rpop(CommandContext& context) { pop(context, ListEnd::kTail); }

void cmd_llen(CommandContext& context) {
  const Found<ListValue> list = find_as<ListValue>(context, context.arg(1));
  if (!check_type(context, list)) return;
  context.out.integer(list.missing() ? 0 : static_cast<int64_t>(list->size()));
}

void cmd_lindex(CommandContext& context) {
  const Found<ListValue> list = find_as<ListValue>(context, context.arg(1));
  if (!check_type(context, list)) return;
  if (list.missing()) return context.out.null();
  int64_t index = 0;
  size_t at = 0;
  if (!int_arg(context, 2, index)) return;
  if (!resolve_index(index, list->size(), at)) return context.out.null();
  context.out.bulk(list->at(at));
}

void cmd_lset(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<ListValue> list = find_as<ListValue>(context, key);
  if (!check_type(context, list)) return;
  if (list.missing()) return context.out.error(kErrNoSuchKey);
  int64_t index = 0;
  size_t at = 0;
  if (!int_arg(context, 2, index)) return;
  if (!resolve_index(index, list->size(), at)) return context.out.error(kErrOutOfRange);
  list->set(at, context.arg(3));
  context.at(key).changed(context.database, key, EventClass::kList, "lset");
  context.out.status(kReplyOk);
}

void cmd_linsert(CommandContext& context) {
  const bool is_after = is_option(context.arg(2), "AFTER");
  if (!is_after && !is_option(context.arg(2), "BEFORE")) return context.out.error(kErrSyntax);
  const std::string_view key = context.arg(1);
  Found<ListValue> list = find_as<ListValue>(context, key);
  if (!check_type(context, list)) return;
  if (list.missing()) return context.out.integer(0);
  std::optional<size_t> pivot;
  list->for_range(0, kAll, [&](size_t index, std::string_view element) {
    if (element == context.arg(3)) pivot = index;
    return !pivot;
  });
  if (!pivot) return context.out.integer(-1);
  list->insert(*pivot + (is_after ? 1 : 0), context.arg(4));
  context.at(key).changed(context.database, key, EventClass::kList, "linsert");
  context.out.integer(static_cast<int64_t>(list->size()));
}

void cmd_lrange(CommandContext& context) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!int_arg(context, 2, start) || !int_arg(context, 3, stop)) return;
  const Found<ListValue> list = find_as<ListValue>(context, context.arg(1));
  if (!check_type(context, list)) return;
  if (list.missing() || !clamp_range(start, stop, static_cast<int64_t>(list->size()))) return context.out.array(0);
  const auto count = static_cast<size_t>(stop - start + 1);
  context.out.array(count);
  list->for_range(static_cast<size_t>(start), count, [&](size_t, std::string_view element) {
    context.out.bulk(element);
    return true;
  });
}

void cmd_ltrim(CommandContext& context) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!int_arg(context, 2, start) || !int_arg(context, 3, stop)) return;
  const std::string_view key = context.arg(1);
  Found<ListValue> list = find_as<ListValue>(context, key);
  if (!check_type(context, list)) return;
  if (list.missing()) return context.out.status(kReplyOk);
  const size_t size = list->size();
  if (clamp_range(start, stop, static_cast<int64_t>(size))) {
    list->erase(static_cast<size_t>(stop) + 1, size - static_cast<size_t>(stop) - 1);
    list->erase(0, static_cast<size_t>(start));
  } else {
    list->erase(0, size);
  }
  Keyspace& keyspace = context.at(key);
  keyspace.changed(context.database, key, EventClass::kList, "ltrim");
  if (keyspace.erase_if_empty(*list)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
  context.out.status(kReplyOk);
}

void cmd_lrem(CommandContext& context) {
  int64_t count = 0;
  if (!int_arg(context, 2, count)) return;
  const std::string_view key = context.arg(1);
  Found<ListValue> list = find_as<ListValue>(context, key);
  if (!check_type(context, list)) return;
  if (list.missing()) return context.out.integer(0);
  const ListEnd from = count < 0 ? ListEnd::kTail : ListEnd::kHead;
  const uint64_t remove_max = count < 0 ? 0 - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  const size_t removed = list->remove_equal(context.arg(3), remove_max, from);
  if (removed != 0) {
    Keyspace& keyspace = context.at(key);
    keyspace.changed(context.database, key, EventClass::kList, "lrem");
    if (keyspace.erase_if_empty(*list)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
  }
  context.out.integer(static_cast<int64_t>(removed));
}

void cmd_lpos(CommandContext& context) {
  PositionOptions options;
  if (!take_position_options(context, options)) return;
  const Found<ListValue> list = find_as<ListValue>(context, context.arg(1));
  if (!check_type(context, list)) return;
  std::vector<size_t> found;
  if (!list.missing()) found = positions(*list, context.arg(2), options);
  if (options.count) {
    context.out.array(found.size());
    for (const size_t index : found) context.out.integer(static_cast<int64_t>(index));
  } else if (found.empty()) {
    context.out.null();
  } else {
    context.out.integer(static_cast<int64_t>(found[0]));
  }
}

}  // namespace keelson::kv
