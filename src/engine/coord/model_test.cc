// The oracle itself (model.h).
#include "engine/coord/model.h"

#include <gtest/gtest.h>

#include <tuple>

namespace keelson::coord {

bool Model::is_in(const std::string& key, std::string_view from, std::string_view range_end) {
  if (range_end.empty()) return key == from;
  return key >= from && (range_end == kFromKeyOn || key < range_end);
}

std::vector<ModelKv> Model::select(const ModelState& state, std::string_view key, std::string_view range_end) const {
  std::vector<ModelKv> selected;
  for (const auto& [name, kv] : state) {
    if (is_in(name, key, range_end)) selected.push_back(kv);
  }
  return selected;
}

std::vector<LeaseId> Model::lease_ids() const {
  std::vector<LeaseId> ids;
  for (const auto& [id, lease] : leases_) ids.push_back(id);
  return ids;
}

std::string Model::failed(CoordErrc code) const {
  TextSink sink;
  sink.failed({.code = code, .revision = revision(), .compact_revision = compact_revision_});
  return sink.text;
}

void Model::begin() {
  states_.push_back(states_.back());
  events_.emplace_back();
  is_changing_ = true;
  changes_ = 0;
}

void Model::end() {
  is_changing_ = false;
  if (changes_ == 0) {
    states_.pop_back();
    events_.pop_back();
  }
}

void Model::remove(const std::string& key) {
  const auto old = before().find(key);
  ModelEvent event{.kv = {.key = key, .mod = revision()}, .has_prev = old != before().end()};
  if (event.has_prev) event.prev = old->second;
  present().erase(key);
  events_.back().push_back(event);
  ++changes_;
}

void Model::do_put(TextSink& sink, const Put& put) {
  const std::string key(put.key);
  const auto at = present().find(key);
  const bool is_there = at != present().end();
  const ModelKv old = is_there ? at->second : ModelKv();
  ModelKv kv{.key = key,
             .value = put.ignore_value ? old.value : std::string(put.value),
             .create = is_there ? old.create : revision(),
             .mod = revision(),
             .version = old.version + 1,
             .lease = put.ignore_lease ? old.lease : put.lease};
  const auto prev = before().find(key);
  ModelEvent event{.kv = kv, .has_prev = prev != before().end()};
  if (event.has_prev) event.prev = prev->second;
  present()[key] = kv;
  events_.back().push_back(event);
  ++changes_;
  const KeyValue view = old.view();
  sink.put(revision(), put.prev_kv && is_there ? &view : nullptr);
}

void Model::do_delete(TextSink& sink, const DeleteRange& range) {
  const std::vector<ModelKv> selected = select(present(), range.key, range.range_end);
  for (const ModelKv& kv : selected) {
    if (range.prev_kv) sink.key_value(kv.view());
    remove(kv.key);
  }
  sink.deleted(so_far(), static_cast<int64_t>(selected.size()));
}

void Model::do_range(TextSink& sink, const Range& range, Revision so_far) const {
  const Revision at = range.revision <= 0 ? so_far : range.revision;
  // Within a change that has done nothing yet, the state of it is that before.
  const ModelState& state = states_[static_cast<size_t>(at)];
  std::vector<ModelKv> kvs = select(state, range.key, range.range_end);
  RangeAnswer answer{.revision = so_far, .count = static_cast<int64_t>(kvs.size())};
  if (range.count_only) return sink.range(answer);
  const bool is_filtered = range.min_mod_revision != 0 || range.max_mod_revision != 0 ||
                           range.min_create_revision != 0 || range.max_create_revision != 0;
  if (range.sort_order == SortOrder::kNone && !is_filtered && range.limit > 0 &&
      kvs.size() > static_cast<size_t>(range.limit) + 1) {
    kvs.resize(static_cast<size_t>(range.limit) + 1);
  }
  std::erase_if(kvs, [&range](const ModelKv& kv) {
    return (range.min_mod_revision != 0 && kv.mod < range.min_mod_revision) ||
           (range.max_mod_revision != 0 && kv.mod > range.max_mod_revision) ||
           (range.min_create_revision != 0 && kv.create < range.min_create_revision) ||
           (range.max_create_revision != 0 && kv.create > range.max_create_revision);
  });
  const auto rank = [&range](const ModelKv& kv) {
    switch (range.sort_target) {
      case SortTarget::kVersion:
        return std::tuple(kv.version, std::string());
      case SortTarget::kCreate:
        return std::tuple(kv.create, std::string());
      case SortTarget::kMod:
        return std::tuple(kv.mod, std::string());
      case SortTarget::kValue:
        return std::tuple(int64_t{0}, kv.value);
      case SortTarget::kKey:
        break;
    }
    return std::tuple(int64_t{0}, kv.key);
  };
  const bool is_descending = range.sort_order == SortOrder::kDescending;
  std::ranges::sort(kvs, [&](const ModelKv& a, const ModelKv& b) {
    if (rank(a) == rank(b)) return a.key < b.key;
    return is_descending ? rank(b) < rank(a) : rank(a) < rank(b);
  });
  if (range.limit > 0 && kvs.size() > static_cast<size_t>(range.limit)) {
    kvs.resize(static_cast<size_t>(range.limit));
    answer.more = true;
  }
  for (ModelKv& kv : kvs) {
    if (range.keys_only) kv.value.clear();
    sink.key_value(kv.view());
  }
  sink.range(answer);
}

CoordErrc Model::check_put(const Put& put) const {
  if ((put.ignore_value || put.ignore_lease) && !states_.back().contains(std::string(put.key))) {
    return CoordErrc::kKeyNotFound;
  }
  if (put.lease != 0 && !leases_.contains(put.lease)) return CoordErrc::kLeaseNotFound;
  return CoordErrc::kOk;
}

CoordErrc Model::check_range(const Range& range) const {
  if (range.revision > revision()) return CoordErrc::kFutureRevision;
  if (range.revision > 0 && range.revision < compact_revision_) return CoordErrc::kCompacted;
  return CoordErrc::kOk;
}

std::string Model::run(const Put& put) {
  if (const CoordErrc errc = check(put); errc != CoordErrc::kOk) return failed(errc);
  if (put.lease != 0 && !leases_.contains(put.lease)) return failed(CoordErrc::kLeaseNotFound);
  if (const CoordErrc errc = check_put(put); errc != CoordErrc::kOk) return failed(errc);
  TextSink sink;
  begin();
  do_put(sink, put);
  end();
  return sink.text;
}

std::string Model::run(const DeleteRange& range) {
  if (const CoordErrc errc = check(range); errc != CoordErrc::kOk) return failed(errc);
  TextSink sink;
  begin();
  do_delete(sink, range);
  end();
  return sink.text;
}

std::string Model::run(const Range& range) const {
  if (const CoordErrc errc = check(range); errc != CoordErrc::kOk) return failed(errc);
  if (const CoordErrc errc = check_range(range); errc != CoordErrc::kOk) return failed(errc);
  TextSink sink;
  do_range(sink, range, revision());
  return sink.text;
}

bool Model::holds(const Compare& compare) const {
  std::vector<ModelKv> kvs = select(before(), compare.key, compare.range_end);
  if (kvs.empty()) {
    if (compare.target == CompareTarget::kValue) return false;
    kvs.emplace_back();
  }
  return std::ranges::all_of(kvs, [&compare](const ModelKv& kv) {
    int64_t has = 0;
    int64_t wanted = compare.number;
    switch (compare.target) {
      case CompareTarget::kVersion:
        has = kv.version;
        break;
      case CompareTarget::kCreate:
        has = kv.create;
        break;
      case CompareTarget::kMod:
        has = kv.mod;
        break;
      case CompareTarget::kLease:
        has = kv.lease;
        break;
      case CompareTarget::kValue:
        has = kv.value < compare.value ? -1 : kv.value > compare.value ? 1 : 0;
        wanted = 0;
        break;
    }
    switch (compare.result) {
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
  });
}

bool Model::succeeds(const Txn& txn) const {
  return std::ranges::all_of(txn.compares, [this](const Compare& compare) { return holds(compare); });
}

CoordErrc Model::check_ops(const Txn& txn, bool of_ranges) const {
  for (const TxnOp& op : succeeds(txn) ? txn.success : txn.failure) {
    CoordErrc errc = CoordErrc::kOk;
    if (const auto* nested = std::get_if<Txn>(&op.op)) errc = check_ops(*nested, of_ranges);
    if (const auto* put = std::get_if<Put>(&op.op); put != nullptr && !of_ranges) errc = check_put(*put);
    if (const auto* range = std::get_if<Range>(&op.op); range != nullptr && of_ranges) errc = check_range(*range);
    if (errc != CoordErrc::kOk) return errc;
  }
  return CoordErrc::kOk;
}

void Model::do_txn(TextSink& sink, const Txn& txn) {
  const bool succeeded = succeeds(txn);
  const std::vector<TxnOp>& ops = succeeded ? txn.success : txn.failure;
  sink.txn_begin(succeeded, ops.size());
  for (const TxnOp& op : ops) {
    if (const auto* range = std::get_if<Range>(&op.op)) do_range(sink, *range, so_far());
    if (const auto* put = std::get_if<Put>(&op.op)) do_put(sink, *put);
    if (const auto* deletion = std::get_if<DeleteRange>(&op.op)) do_delete(sink, *deletion);
    if (const auto* nested = std::get_if<Txn>(&op.op)) do_txn(sink, *nested);
  }
  sink.txn_end(so_far());
}

std::string Model::run(const Txn& txn) {
  if (const CoordErrc errc = check(txn); errc != CoordErrc::kOk) return failed(errc);
  if (const CoordErrc errc = check_ops(txn, false); errc != CoordErrc::kOk) return failed(errc);
  if (const CoordErrc errc = check_ops(txn, true); errc != CoordErrc::kOk) return failed(errc);
  TextSink sink;
  begin();
  do_txn(sink, txn);
  end();
  return sink.text;
}

std::string Model::run(const Compact& compact) {
  if (compact.revision <= compact_revision_ && (compact.revision != 0 || compact_revision_ != 0)) {
    return failed(CoordErrc::kCompacted);
  }
  if (compact.revision > revision()) return failed(CoordErrc::kFutureRevision);
  compact_revision_ = compact.revision;
  TextSink sink;
  sink.done(revision());
  return sink.text;
}

std::string Model::run(const LeaseGrant& grant) {
  if (grant.ttl_s > kLeaseTtlMaxS) return failed(CoordErrc::kLeaseTtlTooLarge);
  if (leases_.contains(grant.id)) return failed(CoordErrc::kLeaseExists);
  const ModelLease lease{.ttl_s = std::max<int64_t>(grant.ttl_s, 2), .grant = next_grant_++};
  leases_[grant.id] = lease;
  TextSink sink;
  sink.lease_granted(revision(), {grant.id, lease.ttl_s, lease.grant});
  return sink.text;
}

void Model::drop_lease(LeaseId id) {
  begin();
  const ModelState state = present();
  for (const auto& [key, kv] : state) {
    if (kv.lease == id) remove(key);
  }
  end();
  leases_.erase(id);
}

std::string Model::run(const LeaseRevoke& revoke) {
  if (!leases_.contains(revoke.id)) return failed(CoordErrc::kLeaseNotFound);
  drop_lease(revoke.id);
  TextSink sink;
  sink.done(revision());
  return sink.text;
}

std::string Model::run(const LeaseReign&) {
  ++lease_reign_;
  TextSink sink;
  sink.done(revision());
  return sink.text;
}

std::string Model::run(const LeaseExpire& expire) {
  if (expire.reign != lease_reign_) return failed(CoordErrc::kReignIsOver);
  for (const LeaseExpire::Item& item : expire.items) {
    if (leases_.contains(item.id) && leases_[item.id].grant == item.grant) drop_lease(item.id);
  }
  TextSink sink;
  sink.done(revision());
  return sink.text;
}

std::string Model::run(const LeaseTimeToLive& which) const {
  if (!leases_.contains(which.id)) return failed(CoordErrc::kLeaseNotFound);
  TextSink sink;
  for (const auto& [key, kv] : states_.back()) {
    if (which.with_keys && kv.lease == which.id) sink.lease_key(key);
  }
  const ModelLease& lease = leases_.at(which.id);
  sink.lease(revision(), {which.id, lease.ttl_s, lease.grant});
  return sink.text;
}

std::string Model::run(const LeaseList& which) const {
  TextSink sink;
  uint32_t count = 0;
  for (const auto& [id, lease] : leases_) {
    if ((which.has_after && id <= which.after) || count == which.count_max) continue;
    ++count;
    sink.lease(revision(), {id, lease.ttl_s, lease.grant});
  }
  sink.done(revision());
  return sink.text;
}

std::string Model::run(const ReadEvents& which) const {
  if (which.from < compact_revision_) return failed(CoordErrc::kCompacted);
  TextSink sink;
  const Revision to = std::min(which.to, revision());
  uint32_t told = 0;
  EventsAnswer answer{revision(), compact_revision_, std::max(which.from, to + 1), 0};
  for (Revision at = which.from; at <= to; ++at) {
    const std::vector<ModelEvent>& events = events_[static_cast<size_t>(at)];
    for (uint32_t sub = at == which.from ? which.from_sub : 0; sub < events.size(); ++sub) {
      // Of what was changed twice in the compacted revision itself, the last is left.
      const auto is_same_key = [&](const ModelEvent& other) { return other.kv.key == events[sub].kv.key; };
      if (at == compact_revision_ && std::any_of(events.begin() + sub + 1, events.end(), is_same_key)) continue;
      if (told == which.events_max) {
        answer.next = at;
        answer.next_sub = sub;
        sink.events(answer);
        return sink.text;
      }
      ++told;
      const ModelEvent& event = events[sub];
      const KeyValue prev = event.prev.view();
      const bool tells_prev = which.prev_kv && event.has_prev && at - 1 >= compact_revision_;
      sink.event({event.kv.view(), tells_prev ? &prev : nullptr, sub, sub + 1 == events.size()});
    }
  }
  sink.events(answer);
  return sink.text;
}

std::string Model::run(const StoreStatus&) const {
  TextSink sink;
  StoreStatusAnswer answer{.revision = revision(),
                           .compact_revision = compact_revision_,
                           .keys = states_.back().size(),
                           .leases = leases_.size()};
  for (const auto& [key, kv] : states_.back()) answer.bytes_in_use += key.size() + kv.value.size();
  sink.store_status(answer);
  return sink.text;
}

std::string Model::scan(Revision to) const {
  std::string text;
  for (Revision at = 0; at <= to; ++at) {
    for (const ModelEvent& event : events_[static_cast<size_t>(at)]) {
      bool is_readable = at > compact_revision_;
      if (at <= compact_revision_) {
        // The latest at the compacted revision, and deletions at it exactly.
        const ModelState& state = states_[static_cast<size_t>(compact_revision_)];
        const auto kv = state.find(event.kv.key);
        is_readable = kv != state.end() ? kv->second.mod == at && event.kv.version != 0
                                        : at == compact_revision_ && event.kv.version == 0;
      }
      if (is_readable) text += text_of(event.kv.view()) + "\n";
    }
  }
  return text;
}

TEST(CoordModel, KeepsEveryRevision) {
  Model model;
  EXPECT_EQ(model.revision(), 1);
  EXPECT_EQ(model.run(Put{.key = "a", .value = "1"}), "put 2 -\n");
  EXPECT_EQ(model.run(Put{.key = "a", .value = "2", .prev_kv = true}), "put 3 a=1@2,2v1\n");
  EXPECT_EQ(model.run(DeleteRange{.key = "b"}), "deleted 3 0\n");
  EXPECT_EQ(model.run(Range{.key = "a", .revision = 2}), "kv a=1@2,2v1\nrange 3 1 all\n");
}

}  // namespace keelson::coord
