// The topic engine of one shard, behind the contract of engine/engine.h: the directory, the partitions of this shard,
// and the parts (part.h). Sinks are AnswerSink.
//
// A record of the shard's log carries the batches; applied, they lie in memory (the tail), from where most readers are
// served. From there they go to the partition's segment files, once, in large writes, by settle(): segments are the
// checkpoint of what they hold, and the log is trimmed behind it as for any engine. See ARCHITECTURE.md, "Topics".
//
// A partition is made by the first command that names it. A code that is not known, and a body that is malformed, are
// answered with kInvalid.
//
// A checkpoint is a row of blocks, each a u8 kind and a string (base/coding.h):
//   1 counters   u8 version, varint next version of documents, from version 2 on varints claim, version of the
//                directory; the first block
//   2 topic      directory.cc             3 document   directory.cc
//   4 partition  partition_save.cc        5 part       u8 which, u8 whether it is the last of that part, bytes
//   6 gone       directory.cc
// Topics come before their partitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/compaction.h"
#include "engine/topic/faults.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/types.h"
#include "env/disk.h"

namespace keelson::topic {

inline constexpr uint32_t kTopicEngineVersion = 1;

struct TopicEngineOptions {
  env::Disk* disk = nullptr;  // null: nothing is written to segments, and memory holds everything (tests)
  std::string folder;         // of this shard's segments
  // Of batches kept in memory for readers at the end, of the whole shard; more only while more is not settled yet.
  size_t cache_bytes = size_t{8} << 20;
  // Segment files that are kept open.
  size_t open_files_max = 64;
  // When settle() writes: once one partition, or all of them, have so much.
  size_t partition_settle_bytes = size_t{256} << 10;
  size_t settle_bytes = size_t{4} << 20;
  TopicFaults faults{};
};

struct PartitionUpkeep {
  PartitionId id;
  uint64_t bytes = 0;
  size_t segments = 0;
  int64_t log_start = 0;
  int64_t high_watermark = 0;
  int64_t last_stable = 0;
};

class TopicEngine final : public engine::Engine {
 public:
  explicit TopicEngine(TopicEngineOptions options);
  ~TopicEngine() override;

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override;
  void checkpoint_completed() override;
  Status load_checkpoint(std::string_view piece) override;
  void reset() override;
  // Segments. Their indexes do not travel: they are made again.
  [[nodiscard]] std::string files_folder() const override;
  [[nodiscard]] Result<std::vector<engine::OwnFile>> files_of(std::string_view piece) const override;
  [[nodiscard]] uint64_t file_bytes(std::string_view name) const override;
  void hold_files() override;
  void release_files() override;
  void replaced() override;

  // Between records, on the owner's thread: writes what has gathered to segments (into the page cache; no sync). Cheap
  // if there is little; one call writes about 1 MiB. An error (a full disk) may pass; unsettled_bytes() says how much
  // waits.
  Status settle() override;
  [[nodiscard]] size_t unsettled_bytes() const;
  [[nodiscard]] size_t cached_bytes() const;

  // Partitions that have got something for readers since the last call (records, a marker, a deletion).
  [[nodiscard]] std::vector<PartitionId> take_touched();

  // Of this object, not of the state: they grow with every change of topics or of documents, also when the state is
  // replaced, and whenever a topic is removed. Cheap.
  [[nodiscard]] uint64_t topic_changes() const;
  [[nodiscard]] uint64_t document_changes() const;
  [[nodiscard]] uint64_t topic_removals() const;

  // ---- For a sweeper, on the owner's thread. What changes the state goes through a command.

  // Of each partition here that has been written to.
  [[nodiscard]] std::vector<PartitionUpkeep> partitions() const;
  // What retention.ms and retention.bytes ask for now: commands to be submitted. Whole segments, from the start; also
  // the one that is written to, if all of it is too old.
  [[nodiscard]] std::vector<TrimPartition> due_trims(int64_t now_ms) const;
  // Segment files (and index files that may not be there) that nothing refers to any more. Whoever takes the list
  // removes them, after shard::Runtime::sync_log(): the records that made them useless must be durable before.
  [[nodiscard]] std::vector<std::string> take_garbage();
  // Files in the folder that nobody knows, left by a crash or by a state that another one has replaced; to be removed.
  // Only once the shard has recovered without damage, since an engine that has lost its state knows none, and while no
  // compaction is under way; shard::Runtime::sync_log() first, as above. The engine writes under none of these names
  // from then on.
  [[nodiscard]] Result<std::vector<std::string>> find_strays() const;
  // There may be some: at the start, and after a state came from another node (or went: the replica has left).
  [[nodiscard]] bool are_strays_due() const;
  // What the two have named could not be removed.
  void look_for_strays_again();
  // Asked right before a file that one of the two has named is removed, in the same turn: a state that came from
  // another node in between may have brought a file of that name.
  [[nodiscard]] bool is_unused(std::string_view path) const;

  // Compaction (compaction.h): of the partition that needs it most, if any does; one at a time. `memory_bytes`: for the
  // keys of one run. `seed`: chance. A partition whose compaction failed is left out for an hour.
  [[nodiscard]] std::unique_ptr<Compaction> next_compaction(int64_t now_ms, size_t memory_bytes, uint64_t seed);
  // Takes over what it has made, whether it came to its end or failed. What has gone meanwhile is left out.
  void install(const Compaction& run);

 private:
  struct State;
  class Checkpoint;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::topic
