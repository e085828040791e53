// The topic engine of one shard, behind the contract of engine/engine.h: the directory, the partitions of this shard,
// and the parts (part.h). Sinks are AnswerSink.
//
// A record of the shard's log carries the batches; applied, they lie in memory (the tail), from where most readers are
// served. From there they go to the partition's segment files, once, in large writes, by settle(): segments are the
// checkpoint of what they hold, and the log is trimmed behind it as for any engine. See ARCHITECTURE.md, "Topics".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/types.h"
#include "env/disk.h"

namespace keelson::topic {

inline constexpr uint32_t kTopicEngineVersion = 1;

struct TopicEngineOptions {
  env::Disk* disk = nullptr;
  std::string folder;  // of this shard's segments
  // Batches kept in memory for readers at the end, of the whole shard; what is not settled yet besides.
  size_t cache_bytes = size_t{8} << 20;
};

class TopicEngine final : public engine::Engine {
 public:
  explicit TopicEngine(TopicEngineOptions options);
  ~TopicEngine() override;

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override;
  Status load_checkpoint(std::string_view piece) override;
  void reset() override;

  // Between records, on the owner's thread: writes what has gathered to segments (into the page cache; no sync). Cheap
  // if there is little. An error (a full disk) may pass; unsettled_bytes() says how much waits.
  Status settle();
  [[nodiscard]] size_t unsettled_bytes() const;

  // Partitions that have got something for readers since the last call (records, a marker, a deletion).
  [[nodiscard]] std::vector<PartitionId> take_touched();

  // What a sweeper decides from: see log maintenance in partition.h.
};

}  // namespace keelson::topic
