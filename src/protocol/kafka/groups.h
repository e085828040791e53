// The groups that this node coordinates: those of the topic shards that it leads (topics/topics.h, LeadListener). Each
// reactor has those of its shards, and what a session asks goes there.
//
// When the lead of a shard begins, its groups are loaded as they were saved: with their generations and members, whose
// sessions begin anew at that moment. Until then they answer kCoordinatorLoadInProgress; when the lead ends, whoever
// waits is answered with kNotCoordinator at once, as everybody is who asks for a group that is led elsewhere.
//
// What must survive is in the shards (engine/topic/group_commands.h); memory has who is in which group right now.
// Besides the coordinators it expires offsets (GroupOptions::offsets_retention_ms).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/reactor.h"
#include "protocol/kafka/group_coordinator.h"
#include "protocol/kafka/home_call.h"
#include "topics/topics.h"

namespace keelson::kafka {

class GroupHome;

// Of one reactor; written there, read anywhere.
struct GroupFigures {
  Gauge groups;
  Gauge members;
  Gauge rebalances;  // so far
  Counter offset_commits;
  Counter offsets_expired;
};

class Groups final : private topics::LeadListener {
 public:
  // `topics` outlives it.
  Groups(topics::Topics& topics, GroupOptions options);
  // Without stop() (a crash in simulation): after Runtime::abandon().
  ~Groups() override;
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  // Reactor 0, after Topics::start(). On one node everything is loaded when it returns; on a node of a cluster it waits
  // for nothing.
  Task<Status> start();
  // Reactor 0. Whoever waits is told to look for another coordinator. Before Topics::stop().
  Task<void> stop();

  [[nodiscard]] const GroupOptions& options() const { return options_; }
  // Any thread.
  [[nodiscard]] const GroupFigures& figures(unsigned reactor_index) const;

  // On any reactor, `here`, for as long as it is awaited.
  [[nodiscard]] HomeCall<JoinResult> join(env::Reactor& here, JoinRequest request);
  [[nodiscard]] HomeCall<SyncResult> sync(env::Reactor& here, SyncRequest request);
  [[nodiscard]] HomeCall<ErrorCode> heartbeat(env::Reactor& here, HeartbeatOf beat);
  [[nodiscard]] HomeCall<LeaveResult> leave(env::Reactor& here, LeaveOf leave);
  [[nodiscard]] HomeCall<BeatResult> beat(env::Reactor& here, ConsumerBeat beat);
  // Commits if the check permits it.
  [[nodiscard]] HomeCall<ErrorCode> commit(env::Reactor& here, CommitCheck check, topic::CommitOffsets what);
  [[nodiscard]] HomeCall<ErrorCode> commit(env::Reactor& here, CommitCheck check, topic::PendOffsets what);
  [[nodiscard]] HomeCall<ErrorCode> check_fetch(env::Reactor& here, std::string group, std::string member_id,
                                                int32_t epoch);
  [[nodiscard]] HomeCall<DescribedGroup> describe(env::Reactor& here, std::string group, topic::GroupType type);
  // kNonEmptyGroup, kGroupIdNotFound.
  [[nodiscard]] HomeCall<ErrorCode> remove(env::Reactor& here, std::string group);
  // kGroupIdNotFound. See find_unused().
  [[nodiscard]] HomeCall<ErrorCode> delete_offsets(env::Reactor& here, topic::DeleteOffsets what);

  // The groups that one reactor coordinates, also those of offsets alone. kCoordinatorLoadInProgress: and others.
  struct Listed {
    ErrorCode error = ErrorCode::kNone;
    std::vector<ListedGroup> groups{};
  };
  [[nodiscard]] HomeCall<Listed> list(env::Reactor& here, unsigned reactor_index);
  [[nodiscard]] unsigned reactor_count() const { return static_cast<unsigned>(homes_.size()); }
  // Of these topics, those that no member of the group subscribes to may have their offsets deleted.
  struct Unused {
    ErrorCode error = ErrorCode::kNone;
    std::vector<bool> is_subscribed{};
  };
  [[nodiscard]] HomeCall<Unused> find_unused(env::Reactor& here, std::string group, std::vector<std::string> topics);

 private:
  // topics::LeadListener.
  void lead_begun(shard::ShardId shard, int32_t claim) override;
  void lead_ended(shard::ShardId shard) override;
  [[nodiscard]] GroupHome& home_of(shard::ShardId shard) { return *homes_[topics_.router().reactor_of(shard)]; }
  template <class Result, class Do>
  [[nodiscard]] HomeCall<Result> at_shard(env::Reactor& here, std::string_view group, Do what);

  topics::Topics& topics_;
  const GroupOptions options_;
  std::vector<std::unique_ptr<HomeDesk>> desks_;  // by reactor
  std::vector<std::unique_ptr<GroupHome>> homes_;
};

}  // namespace keelson::kafka
