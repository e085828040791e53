// What the engine keeps of consumer groups: who is in them, and how far they have read.
//
// The engine does not lead a group: whoever coordinates it (protocol/kafka) does, in memory, and saves here what must
// survive. So the engine knows of members what a coordinator needs to go on after a restart as if nothing had been, and
// does not look into it. Of both kinds of group that Kafka's clients know: classic (members bring opaque metadata, one
// of them makes the assignment) and consumer (KIP-848: the coordinator assigns partitions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/types.h"

namespace keelson::topic {

enum class GroupType : uint8_t {
  kSimple = 0,  // offsets alone: committed by somebody who is no member
  kClassic = 1,
  kConsumer = 2,
  kShare = 3,
};

// Partitions of one topic, ascending.
struct TopicPartitions {
  TopicId topic{};
  std::vector<int32_t> partitions{};
  bool operator==(const TopicPartitions&) const = default;
};

struct GroupMember {
  std::string id{};
  std::string instance_id{};  // empty: a dynamic member
  std::string client_id{};
  std::string client_host{};
  int32_t session_timeout_ms = 0;
  int32_t rebalance_timeout_ms = 0;
  // Classic: what it supports, in its order of preference, each with its metadata; and its assignment.
  Pairs protocols{};
  std::string assignment{};
  // Consumer.
  int32_t epoch = 0;
  int32_t previous_epoch = 0;
  uint8_t state = 0;  // the coordinator's
  std::string rack{};
  std::vector<std::string> topics{};
  std::string topic_regex{};
  std::string assignor{};                // the member's wish; empty: none
  std::vector<TopicPartitions> owned{};  // assigned, and not revoked yet
  std::vector<TopicPartitions> revoking{};
  std::vector<TopicPartitions> target{};
  bool operator==(const GroupMember&) const = default;
};

// All of a group but its members and offsets.
struct GroupHead {
  std::string name{};
  GroupType type = GroupType::kSimple;
  // Generation (classic) or group epoch (consumer). Never goes back while the group exists.
  int32_t epoch = 0;
  int32_t target_epoch = 0;     // consumer: of the members' targets
  std::string protocol_type{};  // "consumer", mostly
  std::string protocol{};       // classic: the chosen one; consumer: the assignor
  std::string leader{};         // classic
  bool operator==(const GroupHead&) const = default;
};

struct GroupInfo {
  GroupHead head{};
  uint32_t member_count = 0;
  uint64_t offset_count = 0;
  int64_t emptied_ms = kNoTimestamp;  // log time at which the last member left; kNoTimestamp: has members
};

// A position that was committed: the next offset to be read; below 0 it means what its client takes it for (kafkajs
// commits -2 for the start of the partition, and Kafka keeps that too).
struct GroupOffset {
  std::string topic{};
  // Of the topic that had the name then; none: not known. One of the same name that was made later begins anew.
  TopicId topic_id{};
  int32_t partition = 0;
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  std::string metadata{};
  int64_t expires_ms = kNoTimestamp;    // asked for by the client (an old one); kNoTimestamp: by the group's retention
  int64_t committed_ms = kNoTimestamp;  // by the engine
  bool is_pending = false;              // answers: a transaction is under way that changes it
};

}  // namespace keelson::topic
