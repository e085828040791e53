#include "protocol/kafka/groups.h"

#include "protocol/kafka/group_home.h"
#include "shard/run_on.h"

namespace keelson::kafka {

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
  for (const auto& home : homes_) {
    Status loaded = co_await shard::RunOn<Status>(here, home->scope(), home->reactor(), home->load());
    if (!loaded.ok()) co_return loaded;
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

GroupHome& Groups::home_of(std::string_view group) {
  return *homes_[topics_.router().reactor_of(topics_.shard_of_name(group))];
}

// `what` gets the home and the reply, on the home's thread, once it serves.
template <class Result, class Do>
HomeCall<Result> Groups::at_home(env::Reactor& here, std::string_view group, Do what) {
  GroupHome& home = home_of(group);
  return HomeCall<Result>(*desks_[here.index()], home.reactor(),
                          [&home, what = std::move(what)](Reply<Result> reply) mutable {
                            if (!home.is_serving()) return reply(home.template refusal<Result>());
                            what(home, std::move(reply));
                            home.after();
                          });
}

HomeCall<JoinResult> Groups::join(env::Reactor& here, JoinRequest request) {
  const std::string group = request.group;
  return at_home<JoinResult>(here, group,
                             [request = std::move(request)](GroupHome& home, Reply<JoinResult> reply) mutable {
                               home.coordinator().join(std::move(request), std::move(reply));
                             });
}

HomeCall<SyncResult> Groups::sync(env::Reactor& here, SyncRequest request) {
  const std::string group = request.group;
  return at_home<SyncResult>(here, group,
                             [request = std::move(request)](GroupHome& home, Reply<SyncResult> reply) mutable {
                               home.coordinator().sync(std::move(request), std::move(reply));
                             });
}

HomeCall<ErrorCode> Groups::heartbeat(env::Reactor& here, HeartbeatOf beat) {
  const std::string group = beat.group;
  return at_home<ErrorCode>(here, group, [beat = std::move(beat)](GroupHome& home, Reply<ErrorCode> reply) {
    reply(home.coordinator().heartbeat(beat));
  });
}

HomeCall<LeaveResult> Groups::leave(env::Reactor& here, LeaveOf leave) {
  const std::string group = leave.group;
  return at_home<LeaveResult>(here, group, [leave = std::move(leave)](GroupHome& home, Reply<LeaveResult> reply) {
    reply(home.coordinator().leave(leave));
  });
}

HomeCall<BeatResult> Groups::beat(env::Reactor& here, ConsumerBeat beat) {
  const std::string group = beat.group;
  return at_home<BeatResult>(here, group, [beat = std::move(beat)](GroupHome& home, Reply<BeatResult> reply) mutable {
    home.beat(std::move(beat), std::move(reply));
  });
}

HomeCall<ErrorCode> Groups::commit(env::Reactor& here, CommitCheck check, topic::CommitOffsets what) {
  const std::string group = check.group;
  return at_home<ErrorCode>(
      here, group, [check = std::move(check), what = std::move(what)](GroupHome& home, Reply<ErrorCode> reply) {
        home.commit(check, what, std::move(reply));
      });
}

HomeCall<ErrorCode> Groups::commit(env::Reactor& here, CommitCheck check, topic::PendOffsets what) {
  const std::string group = check.group;
  return at_home<ErrorCode>(
      here, group, [check = std::move(check), what = std::move(what)](GroupHome& home, Reply<ErrorCode> reply) {
        home.commit(check, what, std::move(reply));
      });
}

HomeCall<ErrorCode> Groups::check_fetch(env::Reactor& here, std::string group, std::string member_id, int32_t epoch) {
  return at_home<ErrorCode>(here, group, [group, member_id, epoch](GroupHome& home, Reply<ErrorCode> reply) {
    reply(home.coordinator().check_fetch(group, member_id, epoch));
  });
}

HomeCall<DescribedGroup> Groups::describe(env::Reactor& here, std::string group, topic::GroupType type) {
  return at_home<DescribedGroup>(here, group, [group, type](GroupHome& home, Reply<DescribedGroup> reply) {
    reply(home.coordinator().describe(group, type));
  });
}

HomeCall<ErrorCode> Groups::remove(env::Reactor& here, std::string group) {
  return at_home<ErrorCode>(here, group,
                            [group](GroupHome& home, Reply<ErrorCode> reply) { home.remove(group, std::move(reply)); });
}

HomeCall<Groups::Listed> Groups::list(env::Reactor& here, unsigned reactor_index) {
  GroupHome& home = *homes_[reactor_index];
  return HomeCall<Listed>(*desks_[here.index()], home.reactor(), [&home](Reply<Listed> reply) mutable {
    if (!home.is_serving()) return reply(home.refusal<Listed>());
    home.list(std::move(reply));
  });
}

HomeCall<Groups::Unused> Groups::find_unused(env::Reactor& here, std::string group, std::vector<std::string> topics) {
  return at_home<Unused>(here, group, [group, topics = std::move(topics)](GroupHome& home, Reply<Unused> reply) {
    Unused result;
    for (const std::string& topic : topics)
      result.is_subscribed.push_back(home.coordinator().is_subscribed(group, topic));
    reply(std::move(result));
  });
}

}  // namespace keelson::kafka
