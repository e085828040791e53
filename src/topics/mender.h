// In a cluster: brings the directories of the shards that this node leads to what the first shard has decided, where
// whoever made a change could not (it died, or nobody could be asked then). For this folder alone.
//
// Once a second each of them is compared with the first shard's, by versions and digests, from the replicas here: that
// costs no message. Where the first shard has no replica here, the mirror that is furthest takes its place: what a
// mirror knows is true, only not all there is. (Nodes that share no shard at all hear of each other over others.)
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/task.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "env/reactor.h"
#include "topics/desk.h"
#include "topics/topics.h"

namespace keelson::topics::detail {

class Mender {
 public:
  Mender(Topics& topics, Desk& desk);
  Mender(const Mender&) = delete;
  Mender& operator=(const Mender&) = delete;

  // Until stop(). Runs in a scope of its owner's, on the desk's reactor.
  Task<void> run();
  void stop() { is_stopping_ = true; }

 private:
  // Of a shard's directory.
  struct Known {
    bool is_good = false;
    topic::DirectoryInfo info;
    std::map<TopicId, topic::TopicInfo> topics;
  };

  Task<void> look();
  Task<shard::ShardId> find_source();
  // Does the mirror lack something that the source has?
  Task<bool> differs(const topic::DirectoryInfo& mirror, shard::ShardId source);
  Task<void> mend(shard::ShardId mirror, shard::ShardId source);
  Task<Known> know(shard::ShardId shard);
  [[nodiscard]] Asking describe(shard::ShardId shard);

  Topics& topics_;
  env::Reactor& here_;
  std::vector<shard::ShardId> mirrors_;  // of this reactor
  bool is_stopping_ = false;
};

// What brings `mirror` to `source`, in pieces; each is good alone. Empty: they are equal, or the source is behind.
[[nodiscard]] std::vector<topic::MirrorTopic> mending(const topic::DirectoryInfo& mirror,
                                                      const std::map<TopicId, topic::TopicInfo>& mirrored,
                                                      const topic::DirectoryInfo& source,
                                                      const std::map<TopicId, topic::TopicInfo>& topics);

}  // namespace keelson::topics::detail
