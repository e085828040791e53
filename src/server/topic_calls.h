// What topics on one node of a cluster ask of shards that have no replica there: markers of transactions, whether a
// producer may append, producer ids, that a topic has changed. Another node that has a replica is asked, and passes it
// to its own.
//
// A lost answer leaves open whether it was done (kTimedOut), as with any shard. Bytes: base/coding.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/service.h"
#include "topics/topics.h"

namespace keelson::server {

struct TopicCall {
  shard::ShardId shard = 0;
  uint16_t code = 0;
  std::string body;
};
[[nodiscard]] std::string encode(const TopicCall& call);
[[nodiscard]] std::optional<TopicCall> decode_topic_call(std::string_view from);

// Of the answer: error, reason, claim and producer id alone.
[[nodiscard]] std::string encode(const topics::Asked& asked);
[[nodiscard]] std::optional<topics::Asked> decode_asked(std::string_view from);

// Joins the two, both ways. Both outlive what is asked; before they start.
void connect_topics(topics::Topics& topics, cluster::Service& cluster);

}  // namespace keelson::server
