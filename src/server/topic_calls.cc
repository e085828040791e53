#include "server/topic_calls.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "cluster/errors.h"
#include "engine/topic/codes.h"

namespace keelson::server {

namespace {

// What may be asked so.
constexpr topic::Code kCodes[] = {topic::Code::kVerifyTransaction, topic::Code::kEndPartitionTransaction,
                                  topic::Code::kEndPendingOffsets, topic::Code::kAllocateProducerIds,
                                  topic::Code::kMirrorTopic};

// Nodes that have a replica, the leader first; this one is not among them.
std::vector<log::NodeId> holders_of(const shard::ClusterMap& map, shard::ShardId shard) {
  std::vector<log::NodeId> nodes;
  const shard::ClusterMap::Shard* known = map.shard(shard);
  if (known == nullptr) return nodes;
  const auto add = [&](log::NodeId id) {
    const shard::ClusterMap::Node* node = map.node(id);
    if (id == map.here || node == nullptr || !node->is_reachable) return;
    if (std::ranges::find(nodes, id) == nodes.end()) nodes.push_back(id);
  };
  add(known->leader);
  for (const log::NodeId id : known->replicas) add(id);
  return nodes;
}

topics::Asked not_asked(log::LogErrc outcome) { return {.outcome = outcome, .answer = {}}; }

Task<topics::Asked> ask_other(cluster::Service& cluster, env::Reactor& here, TopicCall call) {
  const std::shared_ptr<const shard::ClusterMap> map = cluster.kafka_view().map();
  for (const log::NodeId node : holders_of(*map, call.shard)) {
    const Result<std::string> answer = co_await cluster.ask_topic(here, node, encode(call));
    if (!answer.ok()) co_return not_asked(log::LogErrc::kTimedOut);
    std::optional<topics::Asked> asked = decode_asked(*answer);
    if (!asked) co_return not_asked(log::LogErrc::kTimedOut);
    // It has no replica any more, or none yet: another may.
    if (asked->outcome != log::LogErrc::kNotLeader) co_return std::move(*asked);
  }
  co_return not_asked(log::LogErrc::kNoLeader);
}

Task<Result<std::string>> answer(topics::Topics& topics, std::string request) {
  std::optional<TopicCall> call = decode_topic_call(request);
  const uint16_t first = topics.router().first_shard();
  const bool is_known = call && std::ranges::find(kCodes, static_cast<topic::Code>(call->code)) != std::end(kCodes) &&
                        call->shard >= first && call->shard - first < topics.router().shard_count();
  if (!is_known) co_return fail(cluster::ClusterErrc::kFailed, "what topics ask is not understood");
  env::Reactor& home = topics.runtime().reactor(0);
  co_return encode(co_await topics.ask_encoded(home, call->shard, call->code, std::move(call->body)));
}

}  // namespace

std::string encode(const TopicCall& call) {
  std::string out;
  append_varint(out, call.shard);
  append_varint(out, call.code);
  append_string(out, call.body);
  return out;
}

std::optional<TopicCall> decode_topic_call(std::string_view from) {
  uint64_t shard = 0;
  uint64_t code = 0;
  std::string_view body;
  if (!read_varint(from, shard) || shard > UINT16_MAX || !read_varint(from, code) || code > UINT16_MAX ||
      !read_string(from, body)) {
    return std::nullopt;
  }
  return TopicCall{
      .shard = static_cast<shard::ShardId>(shard), .code = static_cast<uint16_t>(code), .body = std::string(body)};
}

std::string encode(const topics::Asked& asked) {
  std::string out;
  append_varint(out, static_cast<uint64_t>(asked.outcome));
  append_varint(out, static_cast<uint64_t>(asked.answer.error));
  append_string(out, asked.answer.reason);
  append_varint(out, static_cast<uint32_t>(asked.answer.claim));
  append_u64(out, static_cast<uint64_t>(asked.answer.producer_id));
  append_varint(out, static_cast<uint16_t>(asked.answer.producer_epoch));
  return out;
}

std::optional<topics::Asked> decode_asked(std::string_view from) {
  uint64_t outcome = 0;
  uint64_t error = 0;
  uint64_t claim = 0;
  uint64_t producer = 0;
  uint64_t epoch = 0;
  std::string_view reason;
  if (!read_varint(from, outcome) || outcome > static_cast<uint64_t>(log::LogErrc::kManyShards) ||
      !read_varint(from, error) || error > UINT8_MAX || !read_string(from, reason) || !read_varint(from, claim) ||
      claim > UINT32_MAX || !read_u64(from, producer) || !read_varint(from, epoch) || epoch > UINT16_MAX) {
    return std::nullopt;
  }
  topics::Asked asked;
  asked.outcome = static_cast<log::LogErrc>(outcome);
  asked.answer.error = static_cast<topic::TopicErrc>(error);
  asked.answer.reason = std::string(reason);
  asked.answer.claim = static_cast<int32_t>(static_cast<uint32_t>(claim));
  asked.answer.producer_id = static_cast<int64_t>(producer);
  asked.answer.producer_epoch = static_cast<int16_t>(static_cast<uint16_t>(epoch));
  return asked;
}

void connect_topics(topics::Topics& topics, cluster::Service& cluster) {
  topics.set_elsewhere([&cluster](env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body) {
    return ask_other(cluster, here, {.shard = shard, .code = code, .body = std::move(body)});
  });
  cluster.set_topic_handler([&topics](std::string request) { return answer(topics, std::move(request)); });
}

}  // namespace keelson::server
