// What the engine answers, for the protocol to think about: keys and values by operation, and how a transaction went.
#pragma once

#include <string>
#include <vector>

#include "engine/coord/answer.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

struct OwnedKeyValue {
  std::string key;
  std::string value;
  coord::Revision create_revision = 0;
  coord::Revision mod_revision = 0;
  int64_t version = 0;
  coord::LeaseId lease = 0;
  [[nodiscard]] coord::KeyValue view() const { return {key, value, create_revision, mod_revision, version, lease}; }
};
[[nodiscard]] inline OwnedKeyValue own(const coord::KeyValue& kv) {
  return {std::string(kv.key), std::string(kv.value), kv.create_revision, kv.mod_revision, kv.version, kv.lease};
}

class KvFacts final : public coord::AnswerSink {
 public:
  explicit KvFacts(const HeaderFacts& /*facts*/) {}
  [[nodiscard]] const coord::Failure& failure() const { return failure_; }
  [[nodiscard]] coord::Revision revision() const { return revision_; }
  [[nodiscard]] bool succeeded() const { return succeeded_; }
  // Of each range, in order.
  [[nodiscard]] const std::vector<std::vector<OwnedKeyValue>>& ranges() const { return ranges_; }
  [[nodiscard]] const coord::LeaseInfo& granted() const { return lease_; }

  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void key_value(const coord::KeyValue& kv) override { present_.push_back(own(kv)); }
  void range(const coord::RangeAnswer& answer) override {
    ranges_.push_back(std::move(present_));
    present_.clear();
    revision_ = answer.revision;
  }
  void put(coord::Revision revision, const coord::KeyValue* /*prev*/) override { revision_ = revision; }
  void deleted(coord::Revision revision, int64_t /*count*/) override { revision_ = revision; }
  void txn_begin(bool succeeded, size_t /*operations*/) override { succeeded_ = succeeded; }
  void txn_end(coord::Revision revision) override { revision_ = revision; }
  void lease_granted(coord::Revision revision, const coord::LeaseInfo& lease) override {
    revision_ = revision;
    lease_ = lease;
  }

 private:
  coord::Failure failure_;
  coord::Revision revision_ = 0;
  bool succeeded_ = false;
  std::vector<OwnedKeyValue> present_;
  std::vector<std::vector<OwnedKeyValue>> ranges_;
  coord::LeaseInfo lease_;
};

}  // namespace keelson::etcd
