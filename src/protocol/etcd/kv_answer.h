// What the engine answers to ranges, puts, deletions and transactions, as the bytes of etcd's messages (RangeResponse,
// PutResponse, DeleteRangeResponse, TxnResponse), written on the shard's reactor from the engine's own views.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/coord/answer.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

// Field 1 to 6 of mvccpb.KeyValue, with its length before it.
void write_key_value(WireWriter& out, const coord::KeyValue& kv);

class KvAnswer final : public coord::AnswerSink {
 public:
  explicit KvAnswer(const HeaderFacts& facts) : facts_(facts) {}

  // kOk: message() is whole.
  [[nodiscard]] const coord::Failure& failure() const { return failure_; }
  [[nodiscard]] std::string& message() { return message_; }

  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void done(coord::Revision revision) override;
  void key_value(const coord::KeyValue& kv) override;
  void range(const coord::RangeAnswer& answer) override;
  void put(coord::Revision revision, const coord::KeyValue* prev) override;
  void deleted(coord::Revision revision, int64_t count) override;
  void txn_begin(bool succeeded, size_t operations) override;
  void txn_end(coord::Revision revision) override;

 private:
  // A transaction that has begun and not ended.
  struct Level {
    bool is_in_operation = false;
    size_t response = 0;  // marks of the ResponseOp, and of the answer in it
    size_t tag_at = 0;    // of the answer: which one it is turns out at its end
    size_t operation = 0;
  };
  // The numbers of ResponseOp's fields.
  enum class Kind : uint8_t { kRange = 1, kPut = 2, kDelete = 3, kTxn = 4 };

  void begin_operation();
  void end_operation(Kind kind);
  void header(coord::Revision revision);

  const HeaderFacts facts_;
  coord::Failure failure_;
  std::string message_;
  WireWriter out_{message_};
  std::vector<Level> levels_;
  std::vector<size_t> keys_;  // tags of the present operation's keys, which are kvs or prev_kvs
};

}  // namespace keelson::etcd
