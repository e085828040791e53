// Put, DeleteRange, Range, Txn, Compact.
#include <algorithm>
#include <vector>

#include "engine/coord/state.h"

namespace keelson::coord {

namespace {

// ---- What a caller may. A transaction's operations obey the same rules as those that come alone.

CoordErrc check_access(const State& state, const Caller& caller, const Put& put) {
  CoordErrc errc = state.auth.check_range(caller, put.key, {}, Access::kWrite);
  if (errc == CoordErrc::kOk && put.lease != 0) errc = check_lease_puts(state, caller, put.lease);
  if (errc == CoordErrc::kOk && put.prev_kv) errc = state.auth.check_range(caller, put.key, {}, Access::kRead);
  return errc;
}

CoordErrc check_access(const State& state, const Caller& caller, const DeleteRange& range) {
  return state.auth.check_range(caller, range.key, range.range_end,
                                range.prev_kv ? Access::kReadWrite : Access::kWrite);
}

CoordErrc check_access(const State& state, const Caller& caller, const Range& range) {
  return state.auth.check_range(caller, range.key, range.range_end, Access::kRead);
}

CoordErrc check_access(const State& state, const Caller& caller, const Txn& txn) {
  if (!state.auth.is_enabled() || caller.is_internal) return CoordErrc::kOk;
  for (const Compare& compare : txn.compares) {
    const CoordErrc errc = state.auth.check_range(caller, compare.key, compare.range_end, Access::kRead);
    if (errc != CoordErrc::kOk) return errc;
  }
  for (const std::vector<TxnOp>* ops : {&txn.success, &txn.failure}) {
    for (const TxnOp& op : *ops) {
      const CoordErrc errc =
          std::visit([&state, &caller](const auto& body) { return check_access(state, caller, body); }, op.op);
      if (errc != CoordErrc::kOk) return errc;
    }
  }
  return CoordErrc::kOk;
}

bool has_put(const Txn& txn) {
  for (const std::vector<TxnOp>* ops : {&txn.success, &txn.failure}) {
    for (const TxnOp& op : *ops) {
      const auto* const nested = std::get_if<Txn>(&op.op);
      if (std::holds_alternative<Put>(op.op) || (nested != nullptr && has_put(*nested))) return true;
    }
  }
  return false;
}

// ---- Whether an operation can be done, before any is.

CoordErrc check_state(const Store& store, const Put& put) {
  if ((put.ignore_value || put.ignore_lease) && store.latest(put.key) == nullptr) return CoordErrc::kKeyNotFound;
  if (put.lease != 0 && store.leases().find(put.lease) == nullptr) return CoordErrc::kLeaseNotFound;
  return CoordErrc::kOk;
}

CoordErrc check_state(const Store& store, const Range& range) {
  if (range.revision <= 0) return CoordErrc::kOk;
  if (range.revision > store.revision()) return CoordErrc::kFutureRevision;
  return range.revision < store.compact_revision() ? CoordErrc::kCompacted : CoordErrc::kOk;
}

// ---- Doing it.

void do_put(const Call& call, const Put& put) {
  Store& store = call.state.store;
  const bool needs_older = put.prev_kv || put.ignore_value || put.ignore_lease;
  const Version* const older = needs_older ? store.latest(put.key) : nullptr;
  const std::string_view value = put.ignore_value && older != nullptr ? older->value() : put.value;
  const LeaseId lease = put.ignore_lease && older != nullptr ? older->lease() : put.lease;
  store.put(put.key, value, lease);
  if (put.prev_kv && older != nullptr) {
    const KeyValue prev = older->key_value();
    call.sink.put(store.revision_so_far(), &prev);
  } else {
    call.sink.put(store.revision_so_far(), nullptr);
  }
}

void do_delete(const Call& call, const DeleteRange& range) {
  Store& store = call.state.store;
  if (range.prev_kv) {
    store.visit(range.key, range.range_end, store.revision_so_far(), [&call](const Version& version) {
      call.sink.key_value(version.key_value());
      return true;
    });
  }
  const int64_t count = store.erase_range(range.key, range.range_end);
  call.sink.deleted(store.revision_so_far(), count);
}

bool has_bounds(const Range& range) {
  return range.min_mod_revision != 0 || range.max_mod_revision != 0 || range.min_create_revision != 0 ||
         range.max_create_revision != 0;
}

bool is_within(const Range& range, const Version& version) {
  return (range.max_mod_revision == 0 || version.main() <= range.max_mod_revision) &&
         (range.min_mod_revision == 0 || version.main() >= range.min_mod_revision) &&
         (range.max_create_revision == 0 || version.create() <= range.max_create_revision) &&
         (range.min_create_revision == 0 || version.create() >= range.min_create_revision);
}

// By the target, and by key where the targets are equal: etcd leaves the order of those open.
// Below, at or above 0, as a comes before, with or behind b.
int order_of(SortTarget target, const Version& a, const Version& b) {
  const auto order = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  switch (target) {
    case SortTarget::kKey:
      return a.key().compare(b.key());
    case SortTarget::kVersion:
      return order(a.count(), b.count());
    case SortTarget::kCreate:
      return order(a.create(), b.create());
    case SortTarget::kMod:
      return order(a.main(), b.main());
    case SortTarget::kValue:
      return a.value().compare(b.value());
  }
  return 0;
}

// What is equal stays in the order of its keys, descending too: etcd sorts a few of them so, and more of them anyhow.
bool is_sorted_before(const Range& range, const Version& a, const Version& b) {
  const int order = order_of(range.sort_target, a, b);
  if (order != 0) return (order < 0) != (range.sort_order == SortOrder::kDescending);
  return a.key() < b.key();
}

void tell(const Call& call, const Range& range, const Version& version) {
  KeyValue kv = version.key_value();
  if (range.keys_only) kv.value = {};
  call.sink.key_value(kv);
}

// All that match are looked at before the first is told. With a target but no order, etcd sorts what limit + 1 leaves.
void tell_sorted(const Call& call, const Range& range, Revision at, RangeAnswer& answer) {
  const bool cuts_first = range.sort_order == SortOrder::kNone && !has_bounds(range) && range.limit > 0;
  const size_t matches_max = cuts_first ? static_cast<size_t>(range.limit) + 1 : SIZE_MAX;
  std::vector<const Version*> matches;
  call.state.store.visit(range.key, range.range_end, at, [&](const Version& version) {
    ++answer.count;
    if (matches.size() < matches_max && is_within(range, version)) matches.push_back(&version);
    return true;
  });
  size_t told = matches.size();
  if (range.limit > 0 && matches.size() > static_cast<size_t>(range.limit)) {
    told = static_cast<size_t>(range.limit);
    answer.more = true;
  }
  std::ranges::partial_sort(matches, matches.begin() + static_cast<ptrdiff_t>(told),
                            [&range](const Version* a, const Version* b) { return is_sorted_before(range, *a, *b); });
  for (size_t i = 0; i < told; ++i) tell(call, range, *matches[i]);
}

void do_range(const Call& call, const Range& range) {
  const Store& store = call.state.store;
  const Revision so_far = store.revision_so_far();
  const Revision at = range.revision <= 0 ? so_far : range.revision;
  RangeAnswer answer{.revision = so_far};
  const bool is_in_order = range.sort_target == SortTarget::kKey && range.sort_order != SortOrder::kDescending;
  if (range.count_only) {
    answer.count = store.count(range.key, range.range_end, at);
  } else if (!is_in_order || has_bounds(range)) {
    tell_sorted(call, range, at, answer);
  } else {
    const int64_t limit = range.limit > 0 ? range.limit : INT64_MAX;
    store.visit(range.key, range.range_end, at, [&](const Version& version) {
      if (answer.count == limit) {
        answer.more = true;
        return false;
      }
      ++answer.count;
      tell(call, range, version);
      return true;
    });
    if (answer.more) answer.count = store.count(range.key, range.range_end, at);
  }
  call.sink.range(answer);
}

// ---- Transactions. Every comparison, of nested transactions too, is made on the state before; so which branches are
// taken is known before anything is done, and nothing can fail half way.

bool compare_numbers(CompareResult result, int64_t has, int64_t wanted) {
  switch (result) {
    case CompareResult::kEqual:
      return has == wanted;
    case CompareResult::kGreater:
      return has > wanted;
    case CompareResult::kLess:
      return has < wanted;
    case CompareResult::kNotEqual:
      return has != wanted;
  }
  return false;
}

bool holds_for(const Compare& compare, const KeyValue& kv) {
  switch (compare.target) {
    case CompareTarget::kVersion:
      return compare_numbers(compare.result, kv.version, compare.number);
    case CompareTarget::kCreate:
      return compare_numbers(compare.result, kv.create_revision, compare.number);
    case CompareTarget::kMod:
      return compare_numbers(compare.result, kv.mod_revision, compare.number);
    case CompareTarget::kValue:
      return compare_numbers(compare.result, kv.value.compare(compare.value), 0);
    case CompareTarget::kLease:
      return compare_numbers(compare.result, kv.lease, compare.number);
  }
  return false;
}

bool holds(const Store& store, const Compare& compare) {
  bool is_empty = true;
  bool does_hold = true;
  store.visit(compare.key, compare.range_end, store.revision(), [&](const Version& version) {
    is_empty = false;
    does_hold = holds_for(compare, version.key_value());
    return does_hold;
  });
  if (is_empty) return compare.target != CompareTarget::kValue && holds_for(compare, {});
  return does_hold;
}

// The branches taken, the outer transaction's first, each nested one's where it stands.
using Path = std::vector<bool>;

void find_path(const Store& store, const Txn& txn, Path& path) {
  const bool succeeded =
      std::ranges::all_of(txn.compares, [&store](const Compare& compare) { return holds(store, compare); });
  path.push_back(succeeded);
  for (const TxnOp& op : succeeded ? txn.success : txn.failure) {
    if (const auto* const nested = std::get_if<Txn>(&op.op)) find_path(store, *nested, path);
  }
}

template <class Body>
CoordErrc check_branches(const Store& store, const Txn& txn, const Path& path, size_t& at) {
  const bool succeeded = path[at++];
  for (const TxnOp& op : succeeded ? txn.success : txn.failure) {
    CoordErrc errc = CoordErrc::kOk;
    if (const auto* const nested = std::get_if<Txn>(&op.op)) {
      errc = check_branches<Body>(store, *nested, path, at);
    } else if (const auto* const body = std::get_if<Body>(&op.op)) {
      errc = check_state(store, *body);
    }
    if (errc != CoordErrc::kOk) return errc;
  }
  return CoordErrc::kOk;
}

void do_txn(const Call& call, const Txn& txn, const Path& path, size_t& at) {
  const bool succeeded = path[at++];
  const std::vector<TxnOp>& ops = succeeded ? txn.success : txn.failure;
  call.sink.txn_begin(succeeded, ops.size());
  for (const TxnOp& op : ops) {
    if (const auto* const range = std::get_if<Range>(&op.op)) {
      do_range(call, *range);
    } else if (const auto* const put = std::get_if<Put>(&op.op)) {
      do_put(call, *put);
    } else if (const auto* const deletion = std::get_if<DeleteRange>(&op.op)) {
      do_delete(call, *deletion);
    } else {
      do_txn(call, std::get<Txn>(op.op), path, at);
    }
  }
  call.sink.txn_end(call.state.store.revision_so_far());
}

}  // namespace

void run(const Call& call, const Put& put) {
  State& state = call.state;
  if (!call.pass(check(put))) return;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (!call.pass(check_access(state, put.caller, put))) return;
  if (state.has_alarm(AlarmType::kNoSpace)) return call.fail(CoordErrc::kNoSpace);
  // Alone, a put looks at its lease before its key; within a transaction the other way round (etcd's applier).
  if (put.lease != 0 && state.store.leases().find(put.lease) == nullptr) {
    (void)call.pass(CoordErrc::kLeaseNotFound);
    return;
  }
  if (!call.pass(check_state(state.store, put))) return;
  state.store.begin();
  do_put(call, put);
  call.commit();
}

void run(const Call& call, const DeleteRange& range) {
  State& state = call.state;
  if (!call.pass(check(range))) return;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (!call.pass(check_access(state, range.caller, range))) return;
  state.store.begin();
  do_delete(call, range);
  call.commit();
}

void run(const Call& call, const Range& range) {
  State& state = call.state;
  if (!call.pass(check(range))) return;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (!call.pass(check_access(state, range.caller, range))) return;
  if (!call.pass(check_state(state.store, range))) return;
  do_range(call, range);
}

void run(const Call& call, const Txn& txn) {
  State& state = call.state;
  if (!call.pass(check(txn))) return;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (!call.pass(check_access(state, txn.caller, txn))) return;
  if (state.has_alarm(AlarmType::kNoSpace) && has_put(txn)) return call.fail(CoordErrc::kNoSpace);
  Path path;
  find_path(state.store, txn, path);
  size_t at = 0;
  if (!call.pass(check_branches<Put>(state.store, txn, path, at))) return;
  at = 0;
  if (!call.pass(check_branches<Range>(state.store, txn, path, at))) return;
  state.store.begin();
  at = 0;
  do_txn(call, txn, path, at);
  call.commit();
}

void run(const Call& call, const Compact& compact) {
  State& state = call.state;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (compact.revision == 0 && state.store.compact_revision() == 0) return call.done();
  if (compact.revision <= state.store.compact_revision()) return call.fail(CoordErrc::kCompacted);
  if (compact.revision > state.store.revision()) return call.fail(CoordErrc::kFutureRevision);
  state.store.compact(compact.revision);
  if (call.listener != nullptr) call.listener->compacted(compact.revision);
  call.done();
}

}  // namespace keelson::coord
