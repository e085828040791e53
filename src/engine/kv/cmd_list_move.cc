// Lists over several keys: LMOVE, RPOPLPUSH, LMPOP, and the cores of the blocking commands.
//
// The cores answer as inside MULTI: where the command would have to wait, null. Whoever runs one knows from that answer
// that it has to wait.
#include <algorithm>
#include <limits>
#include <string>

#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/list_pop.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

void elements_popped(CommandContext& context, std::string_view key, ListValue& list, ListEnd end) {
  Keyspace& keyspace = context.at(key);
  keyspace.changed(context.database, key, EventClass::kList, pop_event(end));
  if (keyspace.erase_if_empty(list)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
}

void pop_and_reply(CommandContext& context, std::string_view key, ListValue& list, ListEnd end, size_t count) {
  const size_t size = list.size();
  count = std::min(count, size);
  context.out.array(count);
  const auto visit = [&](size_t, std::string_view element) {
    context.out.bulk(element);
    return true;
  };
  if (end == ListEnd::kHead) {
    list.for_range(0, count, visit);
    list.erase(0, count);
  } else {
    list.for_range_reverse(size - 1, count, visit);
    list.erase(size - count, count);
  }
  elements_popped(context, key, list, end);
}

namespace {

// LEFT or RIGHT. Answers and returns false if it is something else.
bool end_arg(CommandContext& context, size_t index, ListEnd& end) {
  if (is_option(context.arg(index), "LEFT")) {
    end = ListEnd::kHead;
  } else if (is_option(context.arg(index), "RIGHT")) {
    end = ListEnd::kTail;
  } else {
    context.out.error(kErrSyntax);
    return false;
  }
  return true;
}

uint16_t pop_code(ListEnd end) {
  static const uint16_t kHead = code_of("LPOP");
  static const uint16_t kTail = code_of("RPOP");
  return end == ListEnd::kHead ? kHead : kTail;
}

uint16_t push_code(ListEnd end) {
  static const uint16_t kHead = code_of("LPUSH");
  static const uint16_t kTail = code_of("RPUSH");
  return end == ListEnd::kHead ? kHead : kTail;
}

// `list` is what the key `from` holds; a missing `target` is created.
void move_element(CommandContext& context, ListValue& list, ListEnd from_end, Found<ListValue>& target,
                  ListEnd to_end) {
  const std::string_view from = context.arg(1);
  const std::string_view to = context.arg(2);
  const std::string element = list.pop(from_end);
  Keyspace& keyspace = context.at(to);
  if (from == to) {
    // One list has one handle.
    list.push(to_end, element);
  } else {
    ListValue other = target.missing() ? keyspace.create<ListValue>(context.database, to) : *target;
    other.push(to_end, element);
  }
  keyspace.changed(context.database, to, EventClass::kList, push_event(to_end));
  context.out.bulk(element);
  elements_popped(context, from, list, from_end);
  context.log_effect(from, pop_code(from_end), {"POP", from});
  context.log_effect(to, push_code(to_end), {"PUSH", to, element});
}

void move(CommandContext& context, ListEnd from_end, ListEnd to_end) {
  Found<ListValue> list = find_across_as<ListValue>(context, context.arg(1));
  if (list.wrong_type()) return context.out.error(kErrWrongType);
  if (list.missing()) return context.out.null();
  Found<ListValue> target = find_across_as<ListValue>(context, context.arg(2));
  if (target.wrong_type()) return context.out.error(kErrWrongType);
  move_element(context, *list, from_end, target, to_end);
}

// The first of the keys that holds a list; false, and an answer, if there is none or one holds something else.
bool first_list(CommandContext& context, Args keys, std::string_view& key, Found<ListValue>& list) {
  for (const std::string_view candidate : keys) {
    list = find_across_as<ListValue>(context, candidate);
    if (list.missing()) continue;
    if (list.wrong_type()) {
      context.out.error(kErrWrongType);
      return false;
    }
    key = candidate;
    return true;
  }
  context.out.null_array();
  return false;
}

// BLPOP and BRPOP.
void pop_first(CommandContext& context, ListEnd end) {
  if (!timeout_arg(context, context.argc() - 1)) return;
  std::string_view key;
  Found<ListValue> list;
  if (!first_list(context, context.args.subspan(1, context.argc() - 2), key, list)) return;
  context.out.array(2);
  context.out.bulk(key);
  context.out.bulk(list->pop(end));
  elements_popped(context, key, *list, end);
  context.log_effect(key, pop_code(end), {"POP", key});
}

// The arguments of LMPOP and BLMPOP from `numkeys` on.
struct MultiPop {
  Args keys;
  ListEnd end = ListEnd::kHead;
  int64_t count = 1;
};

// Answers and returns false if they are wrong.
bool take_multi_pop(CommandContext& context, size_t numkeys_at, MultiPop& pop) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  int64_t numkeys = 0;
  if (!int_arg_in(context, numkeys_at, 1, kMost, numkeys, "ERR numkeys should be greater than 0")) return false;
  const size_t behind = context.argc() - numkeys_at - 1;
  if (static_cast<uint64_t>(numkeys) >= behind) {
    context.out.error(kErrSyntax);
    return false;
  }
  pop.keys = context.args.subspan(numkeys_at + 1, static_cast<size_t>(numkeys));
  const size_t end_at = numkeys_at + 1 + static_cast<size_t>(numkeys);
  if (!end_arg(context, end_at, pop.end)) return false;
  bool has_count = false;
  for (size_t i = end_at + 1; i < context.argc(); ++i) {
    if (has_count || !is_option(context.arg(i), "COUNT") || i + 1 == context.argc()) {
      context.out.error(kErrSyntax);
      return false;
    }
    if (!int_arg_in(context, ++i, 1, kMost, pop.count, "ERR count should be greater than 0")) return false;
    has_count = true;
  }
  return true;
}

void multi_pop(CommandContext& context, const MultiPop& pop) {
  std::string_view key;
  Found<ListValue> list;
  if (!first_list(context, pop.keys, key, list)) return;
  context.out.array(2);
  context.out.bulk(key);
  pop_and_reply(context, key, *list, pop.end, static_cast<size_t>(pop.count));
  context.log_effect(key, pop_code(pop.end), {"POP", key, format_int64(pop.count).view()});
}

}  // namespace

void cmd_rpoplpush(CommandContext& context) { move(context, ListEnd::kTail, ListEnd::kHead); }

void cmd_lmove(CommandContext& context) {
  ListEnd from_end = ListEnd::kHead;
  ListEnd to_end = ListEnd::kHead;
  if (end_arg(context, 3, from_end) && end_arg(context, 4, to_end)) move(context, from_end, to_end);
}

void cmd_lmpop(CommandContext& context) {
  MultiPop pop;
  if (take_multi_pop(context, 1, pop)) multi_pop(context, pop);
}

void cmd_blpop(CommandContext& context) { pop_first(context, ListEnd::kHead); }

void cmd_brpop(CommandContext& context) { pop_first(context, ListEnd::kTail); }

void cmd_brpoplpush(CommandContext& context) {
  if (timeout_arg(context, 3)) move(context, ListEnd::kTail, ListEnd::kHead);
}

void cmd_blmove(CommandContext& context) {
  ListEnd from_end = ListEnd::kHead;
  ListEnd to_end = ListEnd::kHead;
  if (!end_arg(context, 3, from_end) || !end_arg(context, 4, to_end) || !timeout_arg(context, 5)) return;
  move(context, from_end, to_end);
}

void cmd_blmpop(CommandContext& context) {
  MultiPop pop;
  if (take_multi_pop(context, 2, pop) && timeout_arg(context, 1)) multi_pop(context, pop);
}

}  // namespace keelson::kv
