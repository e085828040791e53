// How what belongs to groups is written in bodies and checkpoints (body_codec.h). For this folder alone.
#pragma once

#include "engine/topic/body_codec.h"
#include "engine/topic/group_types.h"

namespace keelson::topic {

void fields_of(auto& visit, Is<TopicPartitions> auto& b) { visit(b.topic, b.partitions); }
void fields_of(auto& visit, Is<GroupMember> auto& b) {
  visit(b.id, b.instance_id, b.client_id, b.client_host, b.session_timeout_ms, b.rebalance_timeout_ms, b.protocols,
        b.assignment, b.epoch, b.previous_epoch, b.state, b.rack, b.topics, b.topic_regex, b.assignor, b.owned,
        b.revoking, b.target);
}
void fields_of(auto& visit, Is<GroupHead> auto& b) {
  visit(b.name, b.type, b.epoch, b.target_epoch, b.protocol_type, b.protocol, b.leader);
}
void fields_of(auto& visit, Is<GroupOffset> auto& b) {
  visit(b.topic, b.topic_id, b.partition, b.offset, b.leader_epoch, b.metadata, b.expires_ms, b.committed_ms,
        b.is_pending);
}

}  // namespace keelson::topic
