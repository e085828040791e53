// What nodes of a cluster ask of one another, besides Raft's messages: the methods' numbers and the bytes of requests
// and answers (base/coding.h). A reader passes over what follows the fields that it knows. Pure functions over bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/state.h"
#include "cluster/steps.h"
#include "engine/engine.h"
#include "shard/slot_table.h"

namespace keelson::cluster {

// Never reused.
enum class CallMethod : uint32_t {
  kJoin = 1,         // fields -> fields; for guests
  kReport = 2,       // nothing -> reports of the node's replicas
  kMakeReplica = 3,  // ShardCall
  kRemoveReplica = 4,
  kChangeMembers = 5,
  kTransferLead = 6,
  kKeepAlive = 7,  // lease id -> LeaseAnswer
  kTimeToLive = 8,
  // Slots that move (slot_mover.h). Nodes whose record does not say so do not know them.
  kCarryOnMove = 9,   // MoveCall -> MoveProgress; of the node that leads the shard that gives slots
  kChangeSlots = 10,  // SlotCall -> SlotReply; these four of the node that leads the shard
  kSlotState = 11,    // likewise, of range.first
  kWipeSlots = 12,    // likewise, of range's slots and epoch
  kImportSlots = 13,  // ImportCall -> SlotReply
  kFollow = 14,       // a revision of the cluster's state -> nothing, once the node has seen it
  kAskTopic = 15,     // for whom set_topic_handler() names
};

struct ShardCall {
  ShardId shard = 0;
  NodeId node = 0;                     // kTransferLead
  std::vector<KrChange> changes = {};  // kChangeMembers
};
[[nodiscard]] std::string encode(const ShardCall& call);
[[nodiscard]] bool decode(std::string_view from, ShardCall& call);

struct MoveCall {
  uint64_t move = 0;
  bool is_order = true;  // false: only tells how far it is
};
[[nodiscard]] std::string encode(const MoveCall& call);
[[nodiscard]] bool decode(std::string_view from, MoveCall& call);

// How far a move is, for people.
struct MoveProgress {
  bool is_running = false;  // here
  uint64_t attempt = 0;
  uint64_t bytes = 0;  // copied, in this attempt
  std::string step;    // "copying"
  std::string error;   // of the last attempt that failed; empty: none
};
[[nodiscard]] std::string encode(const MoveProgress& progress);
[[nodiscard]] bool decode(std::string_view from, MoveProgress& progress);

struct SlotCall {
  ShardId shard = 0;
  shard::SlotRange range;
};
[[nodiscard]] std::string encode(const SlotCall& call);
[[nodiscard]] bool decode(std::string_view from, SlotCall& call);

struct SlotReply {
  log::LogErrc outcome = log::LogErrc::kOk;
  shard::SlotRange range = {};  // kSlotState
};
[[nodiscard]] std::string encode(const SlotReply& answer);
[[nodiscard]] bool decode(std::string_view from, SlotReply& answer);

struct ImportCall {
  ShardId shard = 0;
  uint16_t first = 0;
  uint16_t last = 0;
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  std::vector<engine::OwnedCommand> commands = {};
};
[[nodiscard]] std::string encode(const ImportCall& call);
[[nodiscard]] bool decode(std::string_view from, ImportCall& call);

[[nodiscard]] std::string encode_revision(int64_t revision);
[[nodiscard]] bool decode_revision(std::string_view from, int64_t& revision);

[[nodiscard]] std::string encode(const std::vector<ReplicaReport>& reports);
[[nodiscard]] bool decode(std::string_view from, std::vector<ReplicaReport>& reports);

}  // namespace keelson::cluster
