// A small state machine on a replicated log, and the truth about all replicas that it is checked against.
//
// The state is a hash over everything applied, and which slots are closed. Records on a closed slot are refused by the
// leader, and none may ever be applied: closing and opening is done by a borrower, who has looked at the state, with
// records that say at which state they were made. So a hold that is not level, or a record that is put in between, is
// seen on every replica.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "env/sim/chance.h"
#include "log/agreed_log.h"

namespace keelson::tests {

using log::NodeId;
using log::ShardId;

// What happened in one group, over all nodes and lives.
struct RaftGroupTruth {
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> hash_at;  // (index, ordinal) -> state behind it
  std::map<uint64_t, uint64_t> hash_behind;  // index -> state behind the whole entry, as checkpoints say
  std::map<uint64_t, NodeId> leader_of;      // term -> who
  struct Fate {
    std::optional<std::pair<uint64_t, uint32_t>> applied_at;
    bool is_refused = false;
  };
  std::map<uint64_t, Fate> fates;  // of each record, by its id
  // What a read that begins now must see: everything acknowledged, and what other reads have seen.
  uint64_t must_see = 0;
};

struct RaftTruth {
  std::map<ShardId, RaftGroupTruth> groups;
  uint64_t next_id = 1;
  std::optional<std::string> broken;
  uint64_t acknowledged = 0, refused = 0, lost = 0, reads = 0, reads_failed = 0, holds = 0, installs = 0, elections = 0;
  uint64_t checkpoints = 0, crashes = 0, changes = 0, halts = 0, slept = 0;

  void fail(const std::string& what) {
    if (!broken) broken = what;
  }
};

inline constexpr uint16_t kToySlots = 4;

class RaftToy final : public log::AgreedState {
 public:
  RaftToy(RaftTruth& truth, NodeId node, ShardId group, env::sim::Chance& chance, std::function<int64_t()> wall_ms)
      : truth_(truth), of_group_(truth.groups[group]), node_(node), chance_(chance), wall_ms_(std::move(wall_ms)) {}
  // `term`: the group's, as this member knows it.
  void set_log(log::AgreedLog& log, std::function<uint64_t()> term) {
    log_ = &log;
    term_ = std::move(term);
  }

  // AgreedState.
  bool apply(const log::AgreedRecord& record) override;
  void refused(uint64_t proposal) override;
  void outcome_lost(uint64_t proposal) override;
  void hold_ready() override;
  void read_confirmed(uint64_t read, bool is_confirmed) override;
  void leader_changed(NodeId leader, bool is_here) override;
  bool may_propose(uint16_t slot) override { return !closed_[slot]; }
  int64_t log_time_ms() override;

  // What a client does.
  void propose(size_t payload_bytes);
  void read();
  void borrow();

  [[nodiscard]] bool is_lent() const { return is_lent_; }
  [[nodiscard]] uint64_t pending() const { return ordinary_.size() + borrowed_.size() + reads_.size(); }
  [[nodiscard]] uint64_t hash() const { return hash_; }
  // The state as a piece of a checkpoint.
  [[nodiscard]] std::string save() const;
  Status load(std::string_view piece);
  // A checkpoint takes the state's place: the borrower has lost it.
  void reset();
  // Everything of this entry is applied; the same everywhere?
  void check_checkpoint(uint64_t index);

 private:
  void begin(uint16_t slot, char kind, size_t payload_bytes, bool must_lead);
  void end_borrow();
  void settled_borrowed(uint64_t proposal);

  RaftTruth& truth_;
  RaftGroupTruth& of_group_;
  const NodeId node_;
  env::sim::Chance& chance_;
  std::function<int64_t()> wall_ms_;
  log::AgreedLog* log_ = nullptr;
  std::function<uint64_t()> term_;

  uint64_t hash_ = 0;
  int64_t time_ms_ = 0;
  std::array<bool, kToySlots> closed_{};

  uint64_t next_proposal_ = 1;
  std::map<uint64_t, uint64_t> ordinary_;  // proposal -> id
  std::map<uint64_t, uint64_t> borrowed_;
  std::map<uint64_t, uint64_t> reads_;  // read -> what it must see
  bool is_holding_ = false;
  bool is_lent_ = false;
};

}  // namespace keelson::tests
