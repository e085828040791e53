// One member of a simulated Raft group: the core, a disk that loses what was not synced, and a state machine that is a
// hash over everything applied.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sim/chance.h"
#include "raft/group.h"
#include "raft/members.h"

namespace keelson::tests {

using raft::MemberId;
using raft::Members;

// A defect put in on purpose, to see that the checker finds it.
enum class RaftBug : uint8_t {
  kNone,
  kAnswersBeforeSync,  // votes and acknowledges appends that are not on the disk
  kForgetsVote,        // the hard state is written without its vote
  kReadsLocally,       // answers a read from what is applied here, without ReadIndex
  kUnguarded,          // raft-rs 0.7.0 without our guard
};

struct StoredEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  uint8_t type = 0;
  std::string data;
  std::string context;
  [[nodiscard]] KrEntry view() const { return {index, term, type, raft::to_raft(data), raft::to_raft(context)}; }
};

// The applied state at an index, as a checkpoint keeps it.
struct AppliedState {
  uint64_t index = 0;
  uint64_t term = 0;
  uint64_t hash = 0;
  Members members;
};

// What stands on a disk.
struct DiskState {
  KrHardState hard_state{};
  AppliedState checkpoint;
  std::deque<StoredEntry> entries;  // behind checkpoint.index, or from before it
  uint64_t truncated_index = 0;
  uint64_t truncated_term = 0;
};

struct Send {
  MemberId to = 0;
  std::string bytes;
};
struct ReadAnswer {
  std::string context;
  uint64_t index = 0;
};
struct AppliedEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  uint64_t hash = 0;
  std::string context;
};

class RaftMember {
 public:
  RaftMember(MemberId id, RaftBug bug, uint64_t keep_entries) : id_(id), bug_(bug), keep_entries_(keep_entries) {}

  // The first member set, on an empty disk.
  void format(const Members& members);
  void start(uint64_t seed);
  // Loses what was not synced, but for the first `survive` writes of it.
  void crash(uint64_t survive);
  [[nodiscard]] bool is_up() const { return group_ != nullptr; }
  [[nodiscard]] raft::Group& group() { return *group_; }
  [[nodiscard]] MemberId id() const { return id_; }
  [[nodiscard]] const AppliedState& applied() const { return applied_; }
  [[nodiscard]] uint64_t unsynced_writes() const { return writes_.size(); }

  // Does what the core asks for: writes, sends (into outbox), applies.
  void work();
  // All writes up to now are on the disk once sync_ended() is called with what this returned.
  [[nodiscard]] uint64_t begin_sync() const { return next_write_; }
  void sync_ended(uint64_t writes);
  void serve_fetches();
  void take_checkpoint();

  // Filled by the calls above, emptied by whoever reads them.
  std::vector<Send> outbox;
  std::vector<ReadAnswer> reads;
  std::vector<AppliedEntry> newly_applied;
  // A state that came by a leader's snapshot, to be compared.
  std::optional<AppliedState> installed;

 private:
  struct Write {
    uint64_t number = 0;
    std::optional<uint64_t> ready;
    std::optional<KrHardState> hard_state;
    std::optional<AppliedState> checkpoint;
    bool replaces_log = false;
    uint64_t truncate_to = 0;
    std::vector<StoredEntry> entries;
    std::vector<Send> sends;
  };
  static void put(DiskState& disk, const Write& write);
  void append(Write write);
  void store(const KrReady& ready);
  void apply(const KrReady& ready);
  void truncate_log();

  const MemberId id_;
  const RaftBug bug_;
  const uint64_t keep_entries_;
  DiskState synced_;
  DiskState written_;
  std::deque<Write> writes_;  // not synced
  uint64_t next_write_ = 1;
  std::unique_ptr<raft::Group> group_;
  AppliedState applied_;
};

// A checkpoint as it goes in a snapshot's data.
std::string encode_state(const AppliedState& state);
AppliedState decode_state(std::string_view bytes);

}  // namespace keelson::tests
