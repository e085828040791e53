// A checkpoint of the coordination engine, taken while it goes on (engine/engine.h, CheckpointSource).
//
// A row of blocks, each a u8 kind and a string (base/coding.h); numbers are varints, signed ones zigzag:
//   1 counters   u8 version (1), revision, compacted revision, revision tidied to, next grant, reign of
//                leases; the first block
//   2 auth       auth.h
//   3 alarms     their count, then of each: member, u8 type
//   4 leases     of each: id, ttl_s, grant
//   5 versions   of each: revision less that of the one before in the block, sub, u8 flags, [create, count], [lease],
//                key, [value]
// Versions come after leases, by revision. Versions never change and are not removed while this is alive
// (Store::hold_garbage), so nothing of them need be saved; a lease that is about to change is written first.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/coord/leases.h"
#include "engine/coord/state.h"
#include "engine/engine.h"

namespace keelson::coord {

class Checkpoint final : public engine::CheckpointSource, public LeaseObserver {
 public:
  explicit Checkpoint(State& state);
  ~Checkpoint() override;
  bool next(size_t bytes_wanted, Buffer& out) override;
  void before_change(LeaseId id, const Lease* lease) override;
  // The state is about to be another: this is over, and what was to come is empty.
  void abandon();

 private:
  // Each does one step: true when it has no more.
  bool write_leases();
  bool write_versions(Buffer& out);

  State* state_;  // null: abandoned
  const Revision revision_;
  std::string early_;          // blocks that come before all others
  std::string lease_rows_;     // of leases not yet in a block
  std::set<LeaseId> settled_;  // leases that the walk must pass by
  bool are_leases_written_ = false;
  bool has_lease_ = false;
  LeaseId last_lease_ = 0;  // that the walk has passed, if has_lease_
  Revision next_main_ = 0;
  uint32_t next_sub_ = 0;
};

// Loads a piece, whole blocks. `has_counters`: whether their block has come.
[[nodiscard]] Status load_piece(std::string_view piece, State& state, bool& has_counters);

}  // namespace keelson::coord
