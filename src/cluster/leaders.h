// Who leads each shard, as this node's replicas know it, for any thread to ask.
//
// The runtime tells it on the shards' reactors (shard::GroupListener); it stands before the runtime and outlives it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/logging.h"
#include "cluster/state.h"
#include "shard/shard_group.h"

namespace keelson::cluster {

class Leaders final : public shard::GroupListener {
 public:
  explicit Leaders(uint16_t shards) : leaders_(std::make_unique<std::atomic<NodeId>[]>(shards)) {}

  // 0: none is known, or this node has no replica of the shard.
  [[nodiscard]] NodeId leader_of(ShardId shard) const { return leaders_[shard].load(std::memory_order_relaxed); }
  // Called on the shard's reactor when this node begins or ceases to lead it. Set before the groups start.
  void set_on_lead(ShardId shard, std::function<void(bool is_here)> on_lead) {
    watched_ = shard;
    on_lead_ = std::move(on_lead);
  }

  // Called on the reactor of any shard whose leader or members have changed. Set before the groups start.
  void set_on_change(std::function<void()> on_change) { on_change_ = std::move(on_change); }

  // shard::GroupListener.
  void leader_changed(ShardId shard, NodeId leader, bool is_here) override {
    leaders_[shard].store(leader, std::memory_order_relaxed);
    if (shard == watched_ && on_lead_) on_lead_(is_here);
    if (on_change_) on_change_();
  }
  void members_changed(ShardId shard, const raft::Members& members) override {
    log_info("cluster", "the members of a shard's group have changed",
             {{"shard", shard},
              {"voters", format_ids(members.voters)},
              {"learners", format_ids(members.learners)},
              {"outgoing", format_ids(members.voters_outgoing)}});
  }
  void replica_stopped(ShardId shard, const std::string& why) override {
    leaders_[shard].store(0, std::memory_order_relaxed);
    log_error("cluster", "a replica of this node has stopped", {{"shard", shard}, {"why", why}});
  }

 private:
  std::unique_ptr<std::atomic<NodeId>[]> leaders_;
  ShardId watched_ = 0;
  std::function<void(bool)> on_lead_;
  std::function<void()> on_change_;
};

}  // namespace keelson::cluster
