// A group of the classic protocol (KIP-62, KIP-345, KIP-394, KIP-814): its members bring opaque metadata, the leader
// among them makes the assignment. A pure state machine over group_host.h.
//
//   kEmpty -> kPreparing -> kCompleting -> kStable        kPreparing: JoinGroup of all members is waited for
//                 ^--------------'-----------'            kCompleting: the leader's SyncGroup is waited for
//
// What survives a restart is saved once a generation is stable (or empty), as Kafka does: members, their metadata,
// their assignments. A group that was loaded begins as stable, and gives each member its whole session time-out.
//
// An unanswered join or sync is answered when the group decides, or when the member goes. Members that heartbeat no
// more are removed by look(), which is to be called at wake_ms().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/group_host.h"
#include "protocol/kafka/group_messages.h"

namespace keelson::kafka {

class ClassicGroup {
 public:
  enum class State : uint8_t { kEmpty, kPreparing, kCompleting, kStable };

  // `serial`: distinguishes it from others of the same name, for save().
  ClassicGroup(GroupHost& host, uint64_t serial, std::string name);
  ClassicGroup(GroupHost& host, uint64_t serial, const topic::GroupHead& head, std::vector<topic::GroupMember> members);
  ~ClassicGroup();
  ClassicGroup(const ClassicGroup&) = delete;
  ClassicGroup& operator=(const ClassicGroup&) = delete;

  void join(JoinRequest request, Reply<JoinResult> reply);
  void sync(SyncRequest request, Reply<SyncResult> reply);
  [[nodiscard]] ErrorCode heartbeat(const HeartbeatOf& beat);
  [[nodiscard]] ErrorCode leave(const LeavingMember& who);
  [[nodiscard]] ErrorCode check_commit(const CommitCheck& check);

  // When look() is due; kNever.
  [[nodiscard]] int64_t wake_ms() const { return wake_ms_; }
  void look();
  // Everybody who waits is answered so.
  void refuse_all(ErrorCode error);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::string_view state_name() const;
  [[nodiscard]] int32_t generation() const { return head_.epoch; }
  [[nodiscard]] const std::string& name() const { return head_.name; }
  [[nodiscard]] const std::string& protocol_type() const { return head_.protocol_type; }
  [[nodiscard]] size_t member_count() const { return members_.size(); }
  // Nobody is in it or about to be, and it was never saved: it may be forgotten.
  [[nodiscard]] bool is_nothing() const { return members_.empty() && pending_.empty() && !was_saved_; }
  [[nodiscard]] bool is_empty() const { return members_.empty() && pending_.empty(); }
  [[nodiscard]] uint64_t rebalances() const { return rebalances_; }
  [[nodiscard]] DescribedGroup describe() const;
  // Whether a member's subscription (of protocol type "consumer") has the topic; also if it cannot be told.
  [[nodiscard]] bool is_subscribed(std::string_view topic) const;

 private:
  struct Member {
    topic::GroupMember saved{};
    Reply<JoinResult> joining{};
    Reply<SyncResult> syncing{};
    bool can_skip_assignment = false;
    bool is_new = false;
    bool has_synced = true;  // in this generation
    int64_t expires_ms = kNever;
    [[nodiscard]] bool is_static() const { return !saved.instance_id.empty(); }
  };
  using Members = std::map<std::string, Member, std::less<>>;

  [[nodiscard]] ErrorCode check_member(const std::string& id, const std::optional<std::string>& instance) const;
  [[nodiscard]] bool supports(const std::string& type, const topic::Pairs& protocols) const;
  [[nodiscard]] bool has_room(const JoinRequest& request) const;
  [[nodiscard]] std::string select_protocol() const;
  [[nodiscard]] JoinResult joined(const Member& member) const;

  void join_new(JoinRequest request, Reply<JoinResult> reply);
  void join_known(JoinRequest request, Reply<JoinResult> reply);
  void add_member(std::string id, JoinRequest request, Reply<JoinResult> reply);
  void update_member(Member& member, JoinRequest request, Reply<JoinResult> reply);
  void replace_static(JoinRequest request, Reply<JoinResult> reply);
  void remove_member(Members::iterator at, ErrorCode why);

  void begin_rebalance();
  void complete_join_if_all();
  void complete_join();
  void elect_leader();
  void take_assignments(SyncRequest& request);
  void assignments_saved(int32_t generation, ErrorCode error);
  void keep_alive(Member& member);
  void wake_at(int64_t at_ms);
  void save();
  [[nodiscard]] topic::SaveGroup whole() const;

  GroupHost& host_;
  const uint64_t serial_;
  topic::GroupHead head_;
  State state_ = State::kEmpty;
  Members members_;
  std::map<std::string, std::string, std::less<>> instances_;  // to member ids
  std::map<std::string, int64_t, std::less<>> pending_;        // ids that were told, until when
  int64_t metadata_bytes_ = 0;
  bool was_saved_ = false;
  bool is_saving_assignments_ = false;
  // kPreparing.
  int64_t join_until_ms_ = kNever;
  int64_t initial_left_ms_ = 0;  // of the first rebalance's time, for further delays
  bool is_initial_ = false;
  bool came_meanwhile_ = false;
  // kCompleting, kStable: who has not synced by then goes.
  int64_t sync_until_ms_ = kNever;
  int64_t wake_ms_ = kNever;
  uint64_t rebalances_ = 0;
};

}  // namespace keelson::kafka
