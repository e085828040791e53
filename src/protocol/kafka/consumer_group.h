// A group of the consumer protocol (KIP-848): members say by heartbeats what they want and have, the coordinator
// assigns. A pure state machine over group_host.h.
//
// The group's epoch grows whenever members, subscriptions or topics change; then a target assignment is made for that
// epoch, and each member is led to its part of it at its own pace, by its heartbeats: first it gives up what is not in
// its target (kUnrevoked), then its epoch becomes the target's and it gets what is free, and the rest when others have
// given it up (kUnreleased). A partition is never with two members.
//
// What changes is saved before it is answered, member by member, so that a restart continues where it was.
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

class ConsumerGroup {
 public:
  enum class MemberState : uint8_t { kStable = 0, kUnrevoked = 1, kUnreleased = 2 };
  static constexpr int32_t kLeft = -1;
  static constexpr int32_t kLeftForNow = -2;  // a static member's epoch while it is away

  ConsumerGroup(GroupHost& host, uint64_t serial, std::string name, int32_t epoch);
  ConsumerGroup(GroupHost& host, uint64_t serial, const topic::GroupHead& head,
                std::vector<topic::GroupMember> members);
  ~ConsumerGroup();
  ConsumerGroup(const ConsumerGroup&) = delete;
  ConsumerGroup& operator=(const ConsumerGroup&) = delete;

  // Its fields were looked at (fault_of() of group_coordinator.cc).
  void beat(const ConsumerBeat& beat, Reply<BeatResult> reply);
  [[nodiscard]] ErrorCode check_commit(const CommitCheck& check) const;
  // OffsetFetch 9: by a member, with its epoch.
  [[nodiscard]] ErrorCode check_fetch(const std::string& member_id, int32_t epoch) const;
  // By an administrator, by whatever name it is known (KIP-1092 has LeaveGroup do this for classic members too).
  [[nodiscard]] ErrorCode remove(const LeavingMember& who);
  // A topic was made, deleted or has more partitions.
  void topics_changed();

  [[nodiscard]] int64_t wake_ms() const { return wake_ms_; }
  void look();

  [[nodiscard]] std::string_view state_name() const;
  [[nodiscard]] int32_t epoch() const { return head_.epoch; }
  [[nodiscard]] const std::string& name() const { return head_.name; }
  [[nodiscard]] size_t member_count() const { return members_.size(); }
  [[nodiscard]] bool is_empty() const { return members_.empty(); }
  [[nodiscard]] bool is_nothing() const { return members_.empty() && !was_saved_; }
  [[nodiscard]] uint64_t rebalances() const { return rebalances_; }
  [[nodiscard]] DescribedGroup describe() const;
  [[nodiscard]] bool is_subscribed(std::string_view topic) const;

 private:
  struct Member {
    topic::GroupMember saved{};
    int64_t expires_ms = kNever;
    int64_t revoke_until_ms = kNever;
    bool is_changed = false;  // since it was saved
    [[nodiscard]] MemberState state() const { return static_cast<MemberState>(saved.state); }
  };
  using Members = std::map<std::string, Member, std::less<>>;

  [[nodiscard]] ErrorCode find_for(const ConsumerBeat& beat, Member*& found);
  [[nodiscard]] ErrorCode join(const ConsumerBeat& beat, Member*& found);
  [[nodiscard]] ErrorCode check_epoch(const Member& member, const ConsumerBeat& beat) const;
  void leave(const ConsumerBeat& beat, Reply<BeatResult> reply);
  void drop(Members::iterator at);
  [[nodiscard]] bool has_room(const ConsumerBeat& beat) const;
  [[nodiscard]] bool update(Member& member, const ConsumerBeat& beat);
  void bump() { ++head_.epoch; }

  // The topics of all members that were looked at, and what their expressions match: members share them.
  struct Subscribed {
    std::map<topic::TopicId, int32_t> counts{};  // of partitions
    std::map<std::string, std::set<topic::TopicId>, std::less<>> by_regex{};
  };
  [[nodiscard]] std::vector<topic::TopicId> topics_of(const Member& member, Subscribed& all) const;
  [[nodiscard]] std::string assignor() const;
  [[nodiscard]] bool have_topics_changed();
  void make_target();
  void reconcile(Member& member, const std::optional<std::vector<topic::TopicPartitions>>& reported);
  void take_next(Member& member, const std::optional<std::vector<topic::TopicPartitions>>& reported);
  void set_owned(Member& member, std::vector<topic::TopicPartitions> owned,
                 std::vector<topic::TopicPartitions> revoking);
  void save(GroupHost::Saved saved);
  void wake_at(int64_t at_ms);

  GroupHost& host_;
  const uint64_t serial_;
  topic::GroupHead head_;
  Members members_;
  std::map<std::string, std::string, std::less<>> instances_;
  std::map<topic::PartitionId, std::string> holders_;  // assigned or being revoked: to member ids
  std::vector<std::string> removed_;                   // since the last save
  int64_t subscription_bytes_ = 0;                     // of all members
  // Of the topics that the target was made from; nothing: not known (after a restart).
  std::optional<std::map<topic::TopicId, int32_t>> counts_;
  bool was_saved_ = false;
  bool has_new_topics_ = true;
  int64_t wake_ms_ = kNever;
  uint64_t rebalances_ = 0;
};

}  // namespace keelson::kafka
