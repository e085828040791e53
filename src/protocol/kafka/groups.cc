#include "protocol/kafka/groups.h"

#include "protocol/kafka/group_home.h"
#include "protocol/kafka/group_shard.h"
#include "shard/call_on.h"
#include "shard/run_on.h"

namespace keelson::kafka {

namespace {
// How often start() looks whether everything is loaded.
constexpr int64_t kLoadNapNs = 1'000'000;
}  // namespace

Groups::Groups(topics::Topics& topics, GroupOptions options) : topics_(topics), options_(options) {
  env::Env& env = topics.runtime().env();
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    desks_.push_back(std::make_unique<HomeDesk>(env.reactor(i)));
    homes_.push_back(std::make_unique<GroupHome>(topics_, env.reactor(i), options_));
  }
}

Groups::~Groups() {
  topics_.runtime().abandon();
  for (const auto& desk : desks_) desk->close();
}

Task<Status> Groups::start() {
  env::Reactor& here = desks_[0]->here();
  topics_.add_lead_listener(*this);
  if (topics_.is_clustered()) co_return Status();
  for (const auto& home : homes_) {
    // What is led was told there before this comes.
    while (co_await shard::call_on(here, home->reactor(), [&home] { return home->is_loading(); })) {
      co_await env::sleep_for(here, kLoadNapNs);
    }
  }
  co_return Status();
}

Task<void> Groups::stop() {
  env::Reactor& here = desks_[0]->here();
  for (const auto& home : homes_) {
    (void)co_await shard::RunOn<bool>(here, home->stop_scope(), home->reactor(), home->stop());
  }
}

const GroupFigures& Groups::figures(unsigned reactor_index) const { return homes_[reactor_index]->figures(); }

void Groups::lead_begun(shard::ShardId shard, int32_t claim) { home_of(shard).lead_begun(shard, claim); }
void Groups::lead_ended(shard::ShardId shard) { home_of(shard).lead_ended(shard); }

// `what` gets the group's shard and the reply, on the shard's thread, if it is served here.
template <class Result, class Do>
HomeCall<Result> Groups::at_shard(env::Reactor& here, std::string_view group, Do what) {
  const shard::ShardId id = topics_.shard_of_name(group);
  GroupHome& home = home_of(id);
  return HomeCall<Result>(*desks_[here.index()], home.reactor(),
                          [&home, id, what = std::move(what)](Reply<Result> reply) mutable {
                            GroupShard* shard = home.find(id);
                            if (shard == nullptr) return reply(home.template refusal<Result>(id));
                            what(*shard, std::move(reply));
                            home.after();
                          });
}

HomeCall<JoinResult> Groups::join(env::Reactor& here, JoinRequest request) {
  const std::string group = request.group;
  return at_shard<JoinResult>(here, group,
                              [request = std::move(request)](GroupShard& shard, Reply<JoinResult> reply) mutable {
                                shard.coordinator().join(std::move(request), std::move(reply));
                              });
}

HomeCall<SyncResult> Groups::sync(env::Reactor& here, SyncRequest request) {
  const std::string group = request.group;
  return at_shard<SyncResult>(here, group,
                              [request = std::move(request)](GroupShard& shard, Reply<SyncResult> reply) mutable {
                                shard.coordinator().sync(std::move(request), std::move(reply));
                              });
}

HomeCall<ErrorCode> Groups::heartbeat(env::Reactor& here, HeartbeatOf beat) {
  const std::string group = beat.group;
  return at_shard<ErrorCode>(here, group, [beat = std::move(beat)](GroupShard& shard, Reply<ErrorCode> reply) {
    reply(shard.coordinator().heartbeat(beat));
  });
}

HomeCall<LeaveResult> Groups::leave(env::Reactor& here, LeaveOf leave) {
  const std::string group = leave.group;
  return at_shard<LeaveResult>(here, group, [leave = std::move(leave)](GroupShard& shard, Reply<LeaveResult> reply) {
    reply(shard.coordinator().leave(leave));
  });
}

HomeCall<BeatResult> Groups::beat(env::Reactor& here, ConsumerBeat beat) {
  const std::string group = beat.group;
  GroupHome& home = home_of(topics_.shard_of_name(group));
  return at_shard<BeatResult>(here, group,
                              [&home, beat = std::move(beat)](GroupShard& shard, Reply<BeatResult> reply) mutable {
                                home.beat(shard, std::move(beat), std::move(reply));
                              });
}

HomeCall<ErrorCode> Groups::commit(env::Reactor& here, CommitCheck check, topic::CommitOffsets what) {
  const std::string group = check.group;
  return at_shard<ErrorCode>(
      here, group,
      [check = std::move(check), what = std::move(what)](GroupShard& shard, Reply<ErrorCode> reply) mutable {
        shard.commit(check, std::move(what), std::move(reply));
      });
}

HomeCall<ErrorCode> Groups::commit(env::Reactor& here, CommitCheck check, topic::PendOffsets what) {
  const std::string group = check.group;
  return at_shard<ErrorCode>(
      here, group,
      [check = std::move(check), what = std::move(what)](GroupShard& shard, Reply<ErrorCode> reply) mutable {
        shard.commit(check, std::move(what), std::move(reply));
      });
}

HomeCall<ErrorCode> Groups::check_fetch(env::Reactor& here, std::string group, std::string member_id, int32_t epoch) {
  return at_shard<ErrorCode>(here, group, [group, member_id, epoch](GroupShard& shard, Reply<ErrorCode> reply) {
    reply(shard.coordinator().check_fetch(group, member_id, epoch));
  });
}

HomeCall<DescribedGroup> Groups::describe(env::Reactor& here, std::string group, topic::GroupType type) {
  return at_shard<DescribedGroup>(here, group, [group, type](GroupShard& shard, Reply<DescribedGroup> reply) {
    reply(shard.coordinator().describe(group, type));
  });
}

HomeCall<ErrorCode> Groups::remove(env::Reactor& here, std::string group) {
  return at_shard<ErrorCode>(
      here, group, [group](GroupShard& shard, Reply<ErrorCode> reply) { shard.remove(group, std::move(reply)); });
}

HomeCall<ErrorCode> Groups::delete_offsets(env::Reactor& here, topic::DeleteOffsets what) {
  const std::string group = what.group;
  return at_shard<ErrorCode>(here, group, [what = std::move(what)](GroupShard& shard, Reply<ErrorCode> reply) mutable {
    shard.delete_offsets(std::move(what), std::move(reply));
  });
}

HomeCall<Groups::Listed> Groups::list(env::Reactor& here, unsigned reactor_index) {
  GroupHome& home = *homes_[reactor_index];
  return HomeCall<Listed>(*desks_[here.index()], home.reactor(),
                          [&home](Reply<Listed> reply) mutable { home.list(std::move(reply)); });
}

HomeCall<Groups::Unused> Groups::find_unused(env::Reactor& here, std::string group, std::vector<std::string> topics) {
  return at_shard<Unused>(here, group, [group, topics = std::move(topics)](GroupShard& shard, Reply<Unused> reply) {
    Unused result;
    for (const std::string& topic : topics)
      result.is_subscribed.push_back(shard.coordinator().is_subscribed(group, topic));
    reply(std::move(result));
  });
}

}  // namespace keelson::kafka
