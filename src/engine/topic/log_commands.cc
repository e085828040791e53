#include "engine/topic/log_commands.h"

#include "engine/topic/body_codec.h"

namespace keelson::topic {

static void fields_of(auto& visit, Is<CreateTopic> auto& b) {
  visit(b.id, b.name, b.partition_count, b.configs, b.is_internal);
}
static void fields_of(auto& visit, Is<DeleteTopic> auto& b) { visit(b.id); }
static void fields_of(auto& visit, Is<AddPartitions> auto& b) { visit(b.id, b.partition_count); }
static void fields_of(auto& visit, Is<ConfigureTopic> auto& b) { visit(b.id, b.set, b.remove); }
static void fields_of(auto& visit, Is<TopicInfo> auto& b) {
  visit(b.id, b.name, b.partition_count, b.configs, b.is_internal, b.created_ms, b.version);
}
static void fields_of(auto& visit, Is<GoneTopic> auto& b) { visit(b.id, b.version); }
static void fields_of(auto& visit, Is<MirrorTopic> auto& b) { visit(b.topics, b.gone, b.since, b.until); }
static void fields_of(auto& visit, Is<PutDocument> auto& b) { visit(b.key, b.value, b.if_version); }
static void fields_of(auto& visit, Is<DeleteDocument> auto& b) { visit(b.key, b.if_version); }
static void fields_of(auto& visit, Is<ClaimShard> auto& b) { visit(b.node); }
static void fields_of(auto& visit, Is<Append> auto& b) { visit(b.to, b.is_from_client); }
static void fields_of(auto& visit, Is<TrimPartition> auto& b) { visit(b.at, b.start); }
static void fields_of(auto& visit, Is<EndPartitionTransaction> auto& b) {
  visit(b.at, b.producer_id, b.producer_epoch, b.is_commit, b.coordinator_epoch);
}
static void fields_of(auto& visit, Is<FindTopic> auto& b) { visit(b.id, b.name); }
static void fields_of(auto& visit, Is<ListTopics> auto& b) { visit(b.prefix, b.after, b.count_max); }
static void fields_of(auto& visit, Is<FindDocuments> auto& b) { visit(b.prefix, b.after, b.count_max); }
static void fields_of(auto&, Is<DescribeDirectory> auto&) {}
static void fields_of(auto& visit, Is<Read> auto& b) { visit(b.from, b.offset, b.bytes_max, b.is_committed_only); }
static void fields_of(auto& visit, Is<FindOffset> auto& b) {
  visit(b.in, b.time_ms, b.is_committed_only, b.from_offset);
}
static void fields_of(auto& visit, Is<DescribePartition> auto& b) { visit(b.of); }
static void fields_of(auto& visit, Is<DescribeProducers> auto& b) { visit(b.of); }

#define KEELSON_TOPIC_CODEC(Body)                                    \
  std::string encode(const Body& body) { return encode_body(body); } \
  bool decode(std::string_view from, Body& body) { return decode_body(from, body); }
KEELSON_TOPIC_LOG_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

std::string encode_topic(const TopicInfo& info) { return encode_body(info); }

bool decode_topic(std::string_view from, TopicInfo& info) {
  return decode_body(from, info) && !info.id.is_none() && info.partition_count >= 1 &&
         info.partition_count <= kPartitionsMax;
}

}  // namespace keelson::topic
