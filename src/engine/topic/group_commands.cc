#include "engine/topic/group_commands.h"

#include "engine/topic/group_codec.h"

namespace keelson::topic {

static void fields_of(auto& visit, Is<CommitOffsets> auto& b) { visit(b.group, b.offsets, b.claim); }
static void fields_of(auto& visit, Is<PendOffsets> auto& b) {
  visit(b.group, b.producer_id, b.producer_epoch, b.offsets, b.claim, b.coordinator_epoch);
}
static void fields_of(auto& visit, Is<EndPendingOffsets> auto& b) {
  visit(b.group, b.producer_id, b.producer_epoch, b.is_commit, b.coordinator_epoch);
}
static void fields_of(auto& visit, Is<SaveGroup> auto& b) { visit(b.head, b.members, b.removed, b.is_whole, b.claim); }
static void fields_of(auto& visit, Is<DeleteOffsets> auto& b) {
  visit(b.group, b.offsets, b.committed_before_ms, b.removes_empty, b.claim);
}
static void fields_of(auto& visit, Is<DeleteGroup> auto& b) { visit(b.group, b.claim); }
static void fields_of(auto& visit, Is<FetchOffsets> auto& b) { visit(b.group, b.topics, b.is_all); }
static void fields_of(auto& visit, Is<ListGroups> auto& b) { visit(b.after, b.count_max); }
static void fields_of(auto& visit, Is<DescribeGroup> auto& b) { visit(b.group); }
static void fields_of(auto& visit, Is<FindExpiredOffsets> auto& b) {
  visit(b.after, b.now_ms, b.retention_ms, b.count_max);
}

#define KEELSON_TOPIC_CODEC(Body)                                    \
  std::string encode(const Body& body) { return encode_body(body); } \
  bool decode(std::string_view from, Body& body) { return decode_body(from, body); }
KEELSON_TOPIC_GROUP_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

}  // namespace keelson::topic
