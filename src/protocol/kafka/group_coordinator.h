// The groups of one shard: finds the group of a request, makes and forgets groups, wakes them when something is due.
// A pure state machine like the groups themselves; groups.h brings requests here.
//
// A classic group without members becomes one of the consumer protocol when such a member comes, and back; its epoch
// goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/hash.h"
#include "protocol/kafka/classic_group.h"
#include "protocol/kafka/consumer_group.h"
#include "protocol/kafka/group_host.h"
#include "protocol/kafka/group_messages.h"

namespace keelson::kafka {

// The engine's limit of what is saved; here also of groups that are not saved yet.
inline constexpr size_t kCoordinatorGroupsMax = topic::kGroupsMax;
// Of what one member of a consumer group subscribes to: it is saved with the member.
inline constexpr size_t kSubscriptionBytesMax = size_t{1} << 20;

struct ListedGroup {
  std::string name{};
  topic::GroupType type = topic::GroupType::kSimple;
  std::string state{};
  std::string protocol_type{};
  size_t member_count = 0;
  int32_t epoch = 0;
};

class GroupCoordinator final : private GroupHost {
 public:
  // `outside` outlives it. `hash_seed` of its table.
  GroupCoordinator(GroupHost& outside, uint64_t hash_seed);
  ~GroupCoordinator() override;

  // What was saved, before anything else. Groups of offsets alone are nothing for a coordinator.
  void load(const topic::GroupHead& head, std::vector<topic::GroupMember> members);

  void join(JoinRequest request, Reply<JoinResult> reply);
  void sync(SyncRequest request, Reply<SyncResult> reply);
  [[nodiscard]] ErrorCode heartbeat(const HeartbeatOf& beat);
  [[nodiscard]] LeaveResult leave(const LeaveOf& leave);
  void beat(ConsumerBeat beat, Reply<BeatResult> reply);
  [[nodiscard]] ErrorCode check_commit(const CommitCheck& check);
  [[nodiscard]] ErrorCode check_fetch(const std::string& group, const std::string& member_id, int32_t epoch);
  // kGroupIdNotFound: not here (there may be offsets), or of the other type, which the message says.
  [[nodiscard]] DescribedGroup describe(const std::string& group, topic::GroupType type);
  [[nodiscard]] std::vector<ListedGroup> list() const;
  [[nodiscard]] bool is_subscribed(const std::string& group, std::string_view topic) const;
  // Nobody is in it.
  [[nodiscard]] bool is_empty(const std::string& group) const {
    const Entry* found = find(group);
    return found == nullptr || found->is_empty();
  }
  // The group is about to be deleted: kNonEmptyGroup, or it is forgotten here.
  [[nodiscard]] ErrorCode forget(const std::string& group);

  // The directory of topics has changed.
  void topics_changed();
  // When look() is due; kNever.
  [[nodiscard]] int64_t wake_ms() const { return wakes_.empty() ? kNever : wakes_.begin()->first; }
  void look();
  // Everybody who waits is answered so; for the end.
  void refuse_all(ErrorCode error);

  struct Figures {
    size_t groups = 0;
    size_t members = 0;
    uint64_t rebalances = 0;  // also of groups that have gone
  };
  [[nodiscard]] Figures figures() const;

 private:
  struct Entry {
    std::unique_ptr<ClassicGroup> classic{};
    std::unique_ptr<ConsumerGroup> consumer{};
    int64_t wake_ms = kNever;  // as it stands in wakes_
    uint64_t serial = 0;
    [[nodiscard]] bool is_empty() const { return classic ? classic->is_empty() : consumer->is_empty(); }
    [[nodiscard]] uint64_t rebalances() const { return classic ? classic->rebalances() : consumer->rebalances(); }
    [[nodiscard]] const std::string& name() const { return classic ? classic->name() : consumer->name(); }
  };

  [[nodiscard]] GroupHost& host() { return *this; }
  // GroupHost.
  [[nodiscard]] int64_t now_ms() const override { return outside_.now_ms(); }
  [[nodiscard]] const GroupOptions& options() const override { return outside_.options(); }
  [[nodiscard]] std::string fresh_id() override { return outside_.fresh_id(); }
  [[nodiscard]] std::optional<TopicFacts> find_topic(std::string_view name) override {
    return outside_.find_topic(name);
  }
  [[nodiscard]] std::optional<std::vector<std::string>> match_topics(const std::string& regex) override {
    return outside_.match_topics(regex);
  }
  void save(uint64_t serial, topic::SaveGroup what, Saved saved) override;

  [[nodiscard]] Entry* find(std::string_view name) const;
  [[nodiscard]] Entry& make(const std::string& name);
  [[nodiscard]] ErrorCode entry_for_join(const JoinRequest& request, Entry*& found);
  [[nodiscard]] ErrorCode entry_for_beat(const ConsumerBeat& beat, Entry*& found, std::string& message);
  void remove(Entry& entry);
  // After anything that may have changed the group; it may be gone afterwards.
  void settle(uint64_t serial);

  GroupHost& outside_;
  boost::unordered_flat_map<std::string, std::unique_ptr<Entry>, SeededStringHash, std::equal_to<>> groups_;
  std::unordered_map<uint64_t, Entry*> by_serial_;
  std::set<std::pair<int64_t, uint64_t>> wakes_;
  uint64_t last_serial_ = 0;
  uint64_t rebalances_gone_ = 0;
};

}  // namespace keelson::kafka
