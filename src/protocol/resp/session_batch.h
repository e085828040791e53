// The single-shard commands that a session has read in one go, and their answers.
//
// A command that runs at once writes its answer straight to the session's output. From the first one that does not (its
// shard lives on another reactor, or its record waits for a sync), answers go to a side buffer of the reactor that runs
// the command, and are put in order at the end.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "engine/kv/command.h"
#include "protocol/resp/session.h"
#include "protocol/resp/writer.h"
#include "shard/batch.h"

namespace keelson::resp {

class SessionOperation final : public shard::BatchOperation {
 public:
  // `args` hold until the operation has finished. `slot`: of their keys; looked at in a cluster alone.
  void prepare(Session& session, const kv::CommandSpec& spec, uint16_t database, kv::Args args, bool is_direct,
               uint16_t slot);

  engine::ReplySink& open_reply() override;
  void finished(shard::LogErrc outcome) override;
  void prefetch(shard::Shard& shard, unsigned step) override;
  [[nodiscard]] uint16_t slot() const override { return slot_; }

  [[nodiscard]] const kv::CommandSpec& spec() const { return *spec_; }
  [[nodiscard]] kv::Args args() const { return command_.args; }
  [[nodiscard]] bool is_finished() const { return is_finished_; }
  [[nodiscard]] std::string_view answer() const;
  [[nodiscard]] int64_t duration_ns() const { return duration_ns_; }
  // Finished without an answer: its shard has not got the slot.
  [[nodiscard]] bool is_refused() const { return is_refused_; }
  // It is about to be submitted once more.
  void prepare_for(shard::ShardId other);
  shard::ShardId shard_id = 0;
  bool is_muted = false;   // CLIENT REPLY
  bool is_inline = false;  // the session has just submitted it, and has looked at the clock

 private:
  Session* session_ = nullptr;
  const kv::CommandSpec* spec_ = nullptr;
  engine::Command command_;
  uint16_t slot_ = 0;
  bool is_direct_ = false;
  bool is_finished_ = false;
  bool is_refused_ = false;
  size_t offset_ = 0;  // of the answer in its side buffer
  size_t size_ = 0;
  uint64_t key_hash_ = 0;  // between the steps of prefetch()
  uint64_t errors_before_ = 0;
  int64_t begun_ns_ = 0;
  int64_t duration_ns_ = 0;
};

struct SessionBatch {
  SessionBatch(shard::Runtime& runtime, env::Reactor& here);

  struct Side {
    Buffer bytes;
    RespWriter writer{bytes};
  };

  shard::Batch batch;
  // The first `used` are in use; addresses never change.
  std::deque<SessionOperation> operations;
  size_t used = 0;
  unsigned rounds = 0;                       // in which refused operations were submitted again
  std::vector<std::unique_ptr<Side>> sides;  // one for each reactor
};

}  // namespace keelson::resp
