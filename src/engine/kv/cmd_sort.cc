// SORT and SORT_RO: the elements of a list, set or sorted set, ordered by themselves or by what other keys hold, shown
// or stored as they are or replaced by what other keys hold.
//
// The names of those other keys come from patterns and elements, so they may lie on any shard: the command runs with
// all of them. Where two elements compare equal they keep the order in which they were found, so the outcome is the
// same on every replica.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"

namespace keelson::kv {

namespace {

struct SortRequest {
  bool is_descending = false;
  bool is_alpha = false;
  bool is_unsorted = false;                 // BY without a star: as they come
  std::optional<std::string_view> by = {};  // with a star
  std::vector<std::string_view> gets = {};
  std::optional<std::string_view> store = {};
  int64_t limit_start = 0;
  int64_t limit_count = -1;
};

// Reads the words from args[2] on; answers and returns false on an error.
bool sort_args(CommandContext& context, bool may_store, SortRequest& request) {
  for (size_t i = 2; i < context.argc(); ++i) {
    const std::string_view word = context.arg(i);
    const size_t rest = context.argc() - i - 1;
    if (is_option(word, "ASC")) {
      request.is_descending = false;
    } else if (is_option(word, "DESC")) {
      request.is_descending = true;
    } else if (is_option(word, "ALPHA")) {
      request.is_alpha = true;
    } else if (is_option(word, "LIMIT") && rest >= 2) {
      if (!int_arg(context, i + 1, request.limit_start) || !int_arg(context, i + 2, request.limit_count)) return false;
      i += 2;
    } else if (may_store && is_option(word, "STORE") && rest >= 1) {
      request.store = context.arg(++i);
    } else if (is_option(word, "BY") && rest >= 1) {
      const std::string_view pattern = context.arg(++i);
      request.by = pattern;
      if (pattern.find('*') == std::string_view::npos) request.is_unsorted = true;
    } else if (is_option(word, "GET") && rest >= 1) {
      request.gets.push_back(context.arg(++i));
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  return true;
}

// What LIMIT leaves of `size` elements.
struct Window {
  size_t first = 0;
  size_t count = 0;
};

Window window_of(const SortRequest& request, size_t size) {
  const size_t first = std::min<size_t>(static_cast<size_t>(std::max<int64_t>(request.limit_start, 0)), size);
  const size_t rest = size - first;
  if (request.limit_count < 0) return {first, rest};
  return {first, std::min<size_t>(rest, static_cast<size_t>(request.limit_count))};
}

// The value that a pattern names for an element: "#" the element itself; "weight_*" a string key; "object_*->field" a
// field of a hash. Nothing if there is no such thing.
std::optional<std::string> value_for(const CommandContext& context, std::string_view pattern,
                                     std::string_view element) {
  if (pattern == "#") return std::string(element);
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::nullopt;
  std::string_view behind = pattern.substr(star + 1);
  std::string_view field;
  if (const size_t arrow = behind.find("->"); arrow != std::string_view::npos && arrow + 2 < behind.size()) {
    field = behind.substr(arrow + 2);
    behind = behind.substr(0, arrow);
  }
  std::string key(pattern.substr(0, star));
  key.append(element).append(behind);
  const Value value = context.at(key).find(context.database, key, context.now_ms);
  if (field.empty()) {
    const Found<StringValue> string(value);
    if (!string) return std::nullopt;
    return std::string(string->bytes());
  }
  const Found<HashValue> hash(value);
  if (!hash) return std::nullopt;
  const std::optional<std::string_view> found = hash->get(field);
  if (!found) return std::nullopt;
  return std::string(*found);
}

// What Redis's SORT takes for a number: all that strtod takes, blanks in front and an empty text included; no NaN, no
// overflow.
std::optional<double> parse_weight(const std::string& text) {
  if (const std::optional<double> plain = parse_double(text)) return plain;
  errno = 0;
  char* end = nullptr;
  // tidy: parse, because what strtod takes is the definition here.
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(value)) return std::nullopt;
  return value;
}

// One element on its way: its index in the order found, and what it is compared by.
struct Item {
  uint32_t index = 0;
  double weight = 0;
  std::optional<std::string> text = {};  // ALPHA with BY
};

class Sorter {
 public:
  Sorter(const CommandContext& context, const SortRequest& request, const MemberList& elements)
      : context_(context), request_(request), elements_(elements) {}

  // The indexes of the elements in order; nothing if a weight is no number.
  std::optional<std::vector<uint32_t>> sorted() {
    std::vector<Item> items(elements_.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].index = static_cast<uint32_t>(i);
      if (!weigh(items[i])) return std::nullopt;
    }
    std::sort(items.begin(), items.end(), [this](const Item& a, const Item& b) {
      const int order = request_.is_descending ? compare(b, a) : compare(a, b);
      return order != 0 ? order < 0 : a.index < b.index;
    });
    std::vector<uint32_t> order;
    order.reserve(items.size());
    for (const Item& item : items) order.push_back(item.index);
    return order;
  }

 private:
  // False if the element's weight is no number.
  bool weigh(Item& item) const {
    if (request_.is_alpha && !request_.by) return true;
    const std::string_view element = elements_[item.index];
    std::optional<std::string> value = request_.by ? value_for(context_, *request_.by, element) : std::string(element);
    if (request_.is_alpha) {
      item.text = std::move(value);
      return true;
    }
    // Without a value an element weighs nothing.
    if (!value) return true;
    const std::optional<double> weight = parse_weight(*value);
    if (weight) item.weight = *weight;
    return weight.has_value();
  }

  [[nodiscard]] int compare(const Item& a, const Item& b) const {
    if (!request_.is_alpha) {
      if (a.weight != b.weight) return a.weight < b.weight ? -1 : 1;
      return elements_[a.index].compare(elements_[b.index]);
    }
    if (!request_.by) return elements_[a.index].compare(elements_[b.index]);
    if (a.text && b.text) return a.text->compare(*b.text);
    return static_cast<int>(a.text.has_value()) - static_cast<int>(b.text.has_value());
  }

  const CommandContext& context_;
  const SortRequest& request_;
  const MemberList& elements_;
};

// All elements as they come.
MemberList elements_of(const Value& value) {
  MemberList elements;
  if (value.type() == Type::kSet) {
    SetValue(value).for_each([&](std::string_view element) { elements.add(element); });
  } else if (value.type() == Type::kList) {
    const ListValue list(value);
    list.for_range(0, list.size(), [&](size_t, std::string_view element) {
      elements.add(element);
      return true;
    });
  } else {
    const SortedSetValue zset(value);
    zset.for_range(0, zset.size(), [&](std::string_view member, double) {
      elements.add(member);
      return true;
    });
  }
  return elements;
}

// A window of the elements of a list or sorted set in the value's own order, or against it.
MemberList window_of(const Value& value, const Window& window, bool is_descending) {
  MemberList elements;
  if (window.count == 0) return elements;
  const auto add = [&](size_t, std::string_view element) {
    elements.add(element);
    return true;
  };
  const auto add_member = [&](std::string_view member, double) { return add(0, member); };
  if (value.type() == Type::kList) {
    const ListValue list(value);
    if (is_descending) {
      list.for_range_reverse(list.size() - 1 - window.first, window.count, add);
    } else {
      list.for_range(window.first, window.count, add);
    }
  } else {
    const SortedSetValue zset(value);
    if (is_descending) {
      zset.for_range_reverse(zset.size() - 1 - window.first, window.count, add_member);
    } else {
      zset.for_range(window.first, window.count, add_member);
    }
  }
  return elements;
}

size_t size_of(const Value& value) {
  if (value.type() == Type::kSet) return SetValue(value).size();
  return value.type() == Type::kList ? ListValue(value).size() : SortedSetValue(value).size();
}

// The elements to show, in order; nothing if it was answered with an error.
std::optional<MemberList> sorted_elements(CommandContext& context, const SortRequest& request, const Value& value) {
  const Window window = window_of(request, size_of(value));
  if (request.is_unsorted && value.type() != Type::kSet) return window_of(value, window, request.is_descending);
  const MemberList all = elements_of(value);
  std::optional<std::vector<uint32_t>> order;
  if (!request.is_unsorted) {
    order = Sorter(context, request, all).sorted();
    if (!order) {
      context.out.error("ERR One or more scores can't be converted into double");
      return std::nullopt;
    }
  }
  MemberList shown;
  for (size_t i = window.first; i < window.first + window.count; ++i) shown.add(all[order ? (*order)[i] : i]);
  return shown;
}

void reply_elements(CommandContext& context, const SortRequest& request, const MemberList& elements) {
  const size_t gets = request.gets.size();
  context.out.array(gets == 0 ? elements.size() : elements.size() * gets);
  for (size_t i = 0; i < elements.size(); ++i) {
    if (gets == 0) context.out.bulk(elements[i]);
    for (const std::string_view pattern : request.gets) {
      if (const std::optional<std::string> value = value_for(context, pattern, elements[i])) {
        context.out.bulk(*value);
      } else {
        context.out.null();
      }
    }
  }
}

void store_elements(CommandContext& context, const SortRequest& request, const MemberList& elements) {
  const std::string_view key = *request.store;
  // Gathered before the destination changes: a pattern may name it.
  MemberList result;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (request.gets.empty()) result.add(elements[i]);
    for (const std::string_view pattern : request.gets) {
      result.add(value_for(context, pattern, elements[i]).value_or(std::string()));
    }
  }
  Keyspace& keyspace = context.at(key);
  Value old = find_across(context, key);
  const bool existed = static_cast<bool>(old);
  if (existed) keyspace.erase(old);
  if (!result.empty()) {
    auto list = keyspace.create<ListValue>(context.database, key);
    for (size_t i = 0; i < result.size(); ++i) list.push(ListEnd::kTail, result[i]);
    keyspace.changed(context.database, key, EventClass::kList, "sortstore");
    log_put(context, list);
  } else if (existed) {
    keyspace.changed(context.database, key, EventClass::kGeneric, "del");
    log_del(context, key);
  }
  context.out.integer(static_cast<int64_t>(result.size()));
}

void sort(CommandContext& context, bool may_store) {
  SortRequest request;
  if (!sort_args(context, may_store, request)) return;
  const std::string_view key = context.arg(1);
  const Value value = context.at(key).find(context.database, key, context.now_ms);
  if (value && value.type() != Type::kSet && value.type() != Type::kList && value.type() != Type::kSortedSet) {
    return context.out.error(kErrWrongType);
  }
  // A stored result may not depend on the order in which a set happens to be kept: it is sorted after all.
  if (request.is_unsorted && request.store && value && value.type() == Type::kSet) {
    request.is_unsorted = false;
    request.is_alpha = true;
    request.by.reset();
  }
  std::optional<MemberList> elements = value ? sorted_elements(context, request, value) : MemberList();
  if (!elements) return;
  if (request.store) return store_elements(context, request, *elements);
  reply_elements(context, request, *elements);
}

}  // namespace

void cmd_sort(CommandContext& context) { sort(context, true); }
void cmd_sort_ro(CommandContext& context) { sort(context, false); }

}  // namespace keelson::kv
