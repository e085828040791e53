// What Service has for moves of slots; for its own files alone.
//
// Reactor 0.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/service.h"
#include "cluster/slot_mover.h"
#include "shard/slot_export.h"

namespace keelson::cluster {

// Slots of which this node deletes what a shard holds.
struct Service::Wipe {
  ShardId shard = 0;
  shard::SlotRange range;
  size_t waiting = 0;
  std::optional<LogErrc> outcome;
};

// One move's coordinator with its world.
class Service::Moving final : public MoveWorld {
 public:
  Moving(Service& service, uint64_t id) : service_(service), mover(service.home_, *this, id, service.options_.mover) {}

  Task<Result<StoredMove>> read_move(uint64_t id) override;
  Task<Result<int64_t>> write_move(SlotMove move, int64_t unchanged) override;
  Task<Result<int64_t>> flip(SlotMove move, StoredMove seen) override;
  Task<Result<int64_t>> delete_move(uint64_t id, int64_t unchanged) override;
  Task<LogErrc> change_slots(ShardId shard, shard::SlotChange change) override;
  Task<Result<shard::SlotRange>> slot_state(ShardId shard, uint16_t slot) override;
  Task<LogErrc> wipe_slots(ShardId shard, shard::SlotRange range) override;
  Task<LogErrc> import_slots(ImportCall call) override;
  Task<Status> begin_export(ShardId shard, uint16_t first, uint16_t last) override;
  Task<Result<ExportPiece>> next_export(size_t bytes_wanted) override;
  void end_export() override { export_.reset(); }
  Task<Status> followed(ShardId shard, int64_t revision) override;
  [[nodiscard]] bool is_given_up(uint64_t id) const override {
    const auto found = service_.state_.moves.find(id);
    return found != service_.state_.moves.end() && found->second.phase == MovePhase::kGivingUp;
  }
  [[nodiscard]] bool leads(ShardId shard) const override {
    return service_.leaders_->leader_of(shard) == service_.file_.node;
  }

 private:
  [[nodiscard]] NodeId leader_of(ShardId shard) const {
    if (const NodeId leader = service_.leaders_->leader_of(shard)) return leader;
    const auto found = service_.leaders_elsewhere_.find(shard);
    return found == service_.leaders_elsewhere_.end() ? NodeId{0} : found->second;
  }
  Task<SlotReply> ask(CallMethod method, ShardId shard, std::string request, int64_t timeout_ms);

  Service& service_;
  std::unique_ptr<shard::SlotExport> export_;

 public:
  SlotMover mover;  // behind what it uses
};

}  // namespace keelson::cluster
