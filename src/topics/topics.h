// Topics for whoever needs them in the house: requests to the topic shards from any reactor, topics by name, reading
// from memory or disk, waiting for what comes, and what runs beside (retention, compaction).
//
//   Answer answer = co_await topics.ask(here, topics.shard_of(partition), body, payload);
//
// One object for the node, used from every reactor; `here` is the reactor of the calling coroutine. A coroutine that
// waits may be destroyed meanwhile: the request goes on and its answer is dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/types.h"
#include "env/reactor.h"
#include "log/commit_log.h"
#include "shard/runtime.h"

namespace keelson::topics {

using topic::Answer;
using topic::PartitionId;
using topic::TopicId;

struct TopicsOptions {
  size_t service = 0;                    // its place in RuntimeOptions::services
  int64_t retention_check_ms = 300'000;  // log.retention.check.interval.ms
};

// What came of a request: kOk and the engine's answer, or why the shard could not be asked.
struct Asked {
  log::LogErrc outcome = log::LogErrc::kOk;
  Answer answer;
  [[nodiscard]] bool ok() const { return outcome == log::LogErrc::kOk && answer.ok(); }
};

// One partition that a reader waits on: something at or behind `offset` that it may see.
struct WaitPoint {
  PartitionId partition;
  int64_t offset = 0;
  bool is_committed_only = false;
};

class Topics {
 public:
  Topics(shard::Runtime& runtime, TopicsOptions options);
  ~Topics();

  // Reactor 0. After the runtime's start(), before anything below.
  Task<Status> start();
  // Reactor 0. Whoever waits is woken; no request may come afterwards.
  Task<void> stop();

  [[nodiscard]] shard::Runtime& runtime();
  [[nodiscard]] const shard::Router& router() const;
  [[nodiscard]] shard::ShardId shard_of(const PartitionId& partition) const;
  [[nodiscard]] shard::ShardId shard_of_name(std::string_view name) const;

  // One command or query: Body is of engine/topic/*_commands.h. `payload` is a second argument, kept alive by `owner`.
  template <class Body>
  [[nodiscard]] Task<Asked> ask(env::Reactor& here, shard::ShardId shard, const Body& body,
                                std::string_view payload = {}, std::shared_ptr<const void> owner = {});
  // A command of the directory: on every shard or none.
  template <class Body>
  [[nodiscard]] Task<Asked> ask_all(env::Reactor& here, const Body& body);

  // Reads; what lies on disk is brought here, as slices. The span of the answer is empty.
  [[nodiscard]] Task<Asked> read(env::Reactor& here, topic::Read what);
  // Returns when one of the points has something, has gone, or the deadline (monotonic) is over, or the service stops.
  [[nodiscard]] Task<void> wait(env::Reactor& here, std::vector<WaitPoint> points, int64_t deadline_ns);
};

}  // namespace keelson::topics
