// The blob engine of one shard, behind the contract of engine/engine.h.
//
// Commands and queries are those of commands.h; sinks are AnswerSink. A code that is not known, and a body that is
// malformed, are answered with kInvalid.
//
// A checkpoint is a row of blocks, each a u8 kind and a string (base/coding.h):
//   1 counters   u8 version (1), varint next sequence, varint next bucket, varint highest volume; the first block
//   2 document   of the service: two strings                      4 upload    varint bucket, the upload (blob_state.h)
//   3 bucket     blob_state.h                                     5 leaf      of the index (ordered_index.h)
// Buckets come before what is in them.
#pragma once

#include <memory>
#include <string_view>

#include "engine/blob/answer.h"
#include "engine/blob/blob_state.h"
#include "engine/blob/commands.h"
#include "engine/engine.h"

namespace keelson::blob {

// 2: payloads may have segments (meta_codec.h). What 1 wrote is read as it was.
inline constexpr uint32_t kBlobEngineVersion = 2;

class BlobEngine final : public engine::Engine {
 public:
  BlobEngine();
  ~BlobEngine() override;

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override;
  Status load_checkpoint(std::string_view piece) override;
  void reset() override;

  [[nodiscard]] const BlobState& state() const { return state_; }

 private:
  Status load_block(uint8_t kind, std::string_view block);

  BlobState state_;
  bool has_counters_ = false;  // of the checkpoint that is being loaded
};

// A hash over everything that the state is; for tests.
[[nodiscard]] uint64_t digest(const BlobState& state);

}  // namespace keelson::blob
