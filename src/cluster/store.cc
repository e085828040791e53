#include "cluster/store.h"

#include <memory>

#include "cluster/errors.h"
#include "engine/coord/answer.h"
#include "engine/coord/commands.h"

namespace keelson::cluster {

namespace {

// Collects what a range or a transaction says.
class Collect final : public coord::AnswerSink {
 public:
  void failed(const coord::Failure& failure) override { code = failure.code; }
  void key_value(const coord::KeyValue& kv) override {
    found.keys.push_back({std::string(kv.key), std::string(kv.value), kv.mod_revision});
  }
  void range(const coord::RangeAnswer& answer) override { found.revision = answer.revision; }
  void put(coord::Revision, const coord::KeyValue*) override {}
  void txn_begin(bool is_done, size_t) override { succeeded = is_done; }
  void deleted(coord::Revision, int64_t) override {}
  void txn_end(coord::Revision at) override { revision = at; }

  coord::CoordErrc code = coord::CoordErrc::kOk;
  StoredKeys found;
  bool succeeded = false;
  coord::Revision revision = 0;
};

constexpr coord::Caller kHouse{.user = {}, .auth_revision = 0, .is_internal = true};

Status to_status(const coord::Answered<Collect>& answered) {
  switch (answered.outcome) {
    case coord::ServiceErrc::kOk:
      break;
    case coord::ServiceErrc::kNoLeader:
      return fail(ClusterErrc::kNoLeader, "the system shard has no leader now");
    default:
      return fail(ClusterErrc::kFailed, coord::text_of(answered.outcome));
  }
  if (answered.sink->code == coord::CoordErrc::kOk) return {};
  return fail(ClusterErrc::kFailed, std::string(coord::errc_text(answered.sink->code)));
}

}  // namespace

Task<Result<StoredKeys>> Store::read(std::string prefix, std::string prefix_end, bool is_linearizable) {
  const coord::Range range{.caller = kHouse, .key = prefix, .range_end = prefix_end};
  auto answered =
      co_await service_.query(home_, range, std::make_unique<Collect>(),
                              is_linearizable ? coord::Consistency::kLinearizable : coord::Consistency::kSerializable);
  if (Status status = to_status(answered); !status.ok()) co_return forward_error(status);
  co_return std::move(answered.sink->found);
}

Task<Result<StoredKey>> Store::get(std::string key) {
  Result<StoredKeys> found = co_await read(key, {}, true);
  if (!found.ok()) co_return forward_error(found);
  if (found->keys.empty()) co_return StoredKey{.key = std::move(key), .value = {}, .mod_revision = 0};
  co_return std::move(found->keys.front());
}

Task<Result<bool>> Store::change(KeyChange change) {
  Result<int64_t> at = co_await change_at(std::move(change));
  if (!at.ok()) co_return forward_error(at);
  co_return *at != 0;
}

Task<Result<int64_t>> Store::change_at(KeyChange change) {
  coord::Txn txn;
  txn.caller = kHouse;
  for (const auto& [key, revision] : change.unchanged) {
    txn.compares.push_back(
        {.target = coord::CompareTarget::kMod, .result = coord::CompareResult::kEqual, .key = key, .number = revision});
  }
  for (const auto& [key, value] : change.puts) {
    if (change.seen != 0) {
      txn.compares.push_back({.target = coord::CompareTarget::kMod,
                              .result = coord::CompareResult::kLess,
                              .key = key,
                              .number = change.seen + 1});
    }
    txn.success.push_back({coord::Put{.caller = kHouse, .key = key, .value = value}});
  }
  for (const std::string& key : change.deletes) {
    txn.success.push_back({coord::DeleteRange{.caller = kHouse, .key = key}});
  }
  auto answered = co_await service_.write(home_, txn, std::make_unique<Collect>());
  if (Status status = to_status(answered); !status.ok()) co_return forward_error(status);
  co_return answered.sink->succeeded ? answered.sink->revision : 0;
}

}  // namespace keelson::cluster
