// Who leads each shard of the service, as far as is known here, and this node's claims on those that it leads. For this
// folder alone.
//
// Once this node leads a shard it says so in the shard's log (ClaimShard), again and again until that has come through
// or the lead is gone; then the listeners are told. On one node the node leads every shard from the start; nobody else
// can have claimed one there, so while nothing can be written (a full disk) the claim of its last life goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/task.h"
#include "env/reactor.h"
#include "log/agreed_log.h"
#include "topics/desk.h"
#include "topics/topics.h"

namespace keelson::topics::detail {

class Leads {
 public:
  Leads(Topics& topics, const std::vector<std::unique_ptr<Desk>>& desks, log::NodeId node);
  Leads(const Leads&) = delete;
  Leads& operator=(const Leads&) = delete;

  // The shard's reactor.
  void changed(shard::ShardId shard, log::NodeId leader, bool is_here);
  // A claim was tried, or need not be. The shard's reactor.
  [[nodiscard]] bool is_decided(shard::ShardId shard) const;
  // Nobody is told anything of this reactor's shards from now on. Each reactor's own thread.
  void close(unsigned reactor_index) { reactors_[reactor_index].is_closed = true; }

  // Reactor 0.
  void add(LeadListener& listener);
  // Any reactor.
  void claim_again(shard::ShardId shard, int32_t claim);

  // Any thread.
  [[nodiscard]] log::NodeId leader_of(shard::ShardId shard) const {
    return lead(shard).leader.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool leads(shard::ShardId shard) const { return lead(shard).is_here.load(std::memory_order_acquire); }
  // By the monotonic clock, when leader_of() became what it is.
  [[nodiscard]] int64_t changed_ns(shard::ShardId shard) const {
    return lead(shard).changed_ns.load(std::memory_order_acquire);
  }

 private:
  struct Lead {
    std::atomic<log::NodeId> leader{0};
    std::atomic<bool> is_here{false};
    std::atomic<int64_t> changed_ns{0};
    // The rest: the shard's reactor.
    uint64_t turn = 0;  // grows with each beginning and end: what was begun in an earlier one does not count
    int32_t claim = 0;  // of which listeners know; 0: none
    bool has_tried = false;
  };
  struct OfReactor {
    std::vector<LeadListener*> listeners;
    bool is_closed = false;
  };

  [[nodiscard]] Lead& lead(shard::ShardId shard) const { return leads_[shard - topics_.router().first_shard()]; }
  [[nodiscard]] unsigned reactor_of(shard::ShardId shard) const { return topics_.router().reactor_of(shard); }
  void begin(shard::ShardId shard);
  void end(shard::ShardId shard);
  [[nodiscard]] bool is_over(shard::ShardId shard, uint64_t turn) const;
  Task<void> claim(shard::ShardId shard, uint64_t turn);
  // Once: what the claim is, or why there is none yet.
  Task<Asked> try_claim(shard::ShardId shard);

  Topics& topics_;
  const std::vector<std::unique_ptr<Desk>>& desks_;
  const log::NodeId node_;
  std::unique_ptr<Lead[]> leads_;
  std::vector<OfReactor> reactors_;
};

}  // namespace keelson::topics::detail
