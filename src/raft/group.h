// One member of one Raft group, without I/O: raft-rs behind a C++ face.
//
// What it is told and what it asks for, with shapes, lifetimes and order, is described in core/raft_core.h; this adds
// ownership and views. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "raft/core/raft_core.h"

namespace keelson::raft {

using MemberId = uint64_t;

enum class Role : uint8_t { kFollower = 0, kCandidate = 1, kLeader = 2, kPreCandidate = 3 };
enum class EntryType : uint8_t { kNormal = 0, kChange = 2 };
enum class ChangeType : uint8_t { kAddVoter = 0, kRemove = 1, kAddLearner = 2 };

[[nodiscard]] inline KrBytes to_raft(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::string_view from_raft(KrBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

class Group {
 public:
  // The options must not contradict each other (a heartbeat comes more often than an election, and so on).
  Group(const KrOptions& options, const KrInitial& initial);

  void tick() { kr_tick(group_.get()); }
  KrCode step(std::string_view message) { return kr_step(group_.get(), to_raft(message)); }
  KrCode propose(std::string_view data, std::string_view context) {
    return kr_propose(group_.get(), to_raft(data), to_raft(context));
  }
  KrCode propose_change(std::span<const KrChange> changes, std::string_view context) {
    return kr_propose_change(group_.get(), changes.data(), changes.size(), to_raft(context));
  }
  KrCode campaign() { return kr_campaign(group_.get()); }
  void transfer_leader(MemberId to) { kr_transfer_leader(group_.get(), to); }
  void read_index(std::string_view context) { kr_read_index(group_.get(), to_raft(context)); }
  void report_unreachable(MemberId id) { kr_report_unreachable(group_.get(), id); }
  void forget_leader() { kr_forget_leader(group_.get()); }
  void report_snapshot(MemberId id, bool has_arrived) { kr_report_snapshot(group_.get(), id, has_arrived); }

  bool ready(KrReady& ready) { return kr_ready(group_.get(), &ready); }
  void stored() { kr_stored(group_.get()); }
  void persisted(uint64_t number) { kr_persisted(group_.get(), number); }
  void applied(uint64_t index) { kr_applied(group_.get(), index); }
  // The members after a committed change.
  KrMembers apply_change(std::string_view data);

  void drop(uint64_t index) { kr_drop(group_.get(), index); }
  void truncate(uint64_t index) { kr_truncate(group_.get(), index); }
  std::optional<KrFetch> next_fetch();
  void fetched(uint64_t number, std::span<const KrEntry> entries) {
    kr_fetched(group_.get(), number, entries.data(), entries.size());
  }
  bool wants_snapshot() { return kr_wants_snapshot(group_.get()); }
  void set_snapshot(const KrSnapshot& snapshot) { kr_set_snapshot(group_.get(), &snapshot); }

  [[nodiscard]] KrStatus status() const;
  [[nodiscard]] Role role() const { return static_cast<Role>(status().role); }
  // None: not a member.
  [[nodiscard]] std::optional<KrProgress> progress(MemberId id) const;

 private:
  struct Free {
    void operator()(KrGroup* group) const { kr_group_free(group); }
  };
  std::unique_ptr<KrGroup, Free> group_;
};

}  // namespace keelson::raft
