// The judge's calls as requests to the coordination service, and its answers as the judge reads them.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/coord/answer.h"
#include "engine/coord/commands.h"
#include "tests/sim/linear_store.h"

namespace keelson::sim_test {

// Views into `call`, which must outlive it.
[[nodiscard]] coord::Txn to_txn(const linear::StoreCall& call);

// Fills a copy of the call with what the transaction was answered.
class CallSink final : public coord::AnswerSink {
 public:
  explicit CallSink(linear::StoreCall call) : call_(std::move(call)) {}

  [[nodiscard]] const std::optional<coord::Failure>& failure() const { return failure_; }
  [[nodiscard]] const linear::StoreCall& call() const { return call_; }
  [[nodiscard]] int64_t granted() const { return lease_; }

  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void done(coord::Revision revision) override { call_.revision = revision; }
  void key_value(const coord::KeyValue& kv) override;
  void range(const coord::RangeAnswer& answer) override;
  void put(coord::Revision revision, const coord::KeyValue* prev) override { ++next_; }
  void deleted(coord::Revision revision, int64_t count) override;
  void txn_begin(bool succeeded, size_t operations) override { call_.has_succeeded = succeeded; }
  void txn_end(coord::Revision revision) override { call_.revision = revision; }
  void lease_granted(coord::Revision revision, const coord::LeaseInfo& lease) override { lease_ = lease.id; }

 private:
  [[nodiscard]] linear::StoreOperation& operation() {
    return (call_.has_succeeded ? call_.then : call_.otherwise)[next_];
  }

  linear::StoreCall call_;
  std::optional<coord::Failure> failure_;
  size_t next_ = 0;
  int64_t lease_ = 0;
};

}  // namespace keelson::sim_test
