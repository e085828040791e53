#include "coord/service.h"

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "coord/desk.h"
#include "coord/home.h"
#include "env/hand_off.h"
#include "shard/call_on.h"

namespace keelson::coord {

namespace {

// Is it there? Asked of the whole group, so the answer of one that was the leader and does not know better is none.
class LeaseThere final : public AnswerSink {
 public:
  void failed(const Failure&) override {}
  void lease(Revision, const LeaseInfo&) override {}
};

// What `there` was sent before has arrived, and the turns in which it was sent are over.
Task<void> pass_by(env::Reactor& here, env::Reactor& there) {
  env::HandOff<bool> passed(here);
  there.post([deliver = passed.deliverer()]() mutable { deliver(true); });
  (void)co_await passed;
}

}  // namespace

struct Service::Inside {
  class Keeper final : public LeaseKeeper {
   public:
    explicit Keeper(Service& service) : service_(service) {}
    Task<LeaseAnswer> keep_alive(env::Reactor& here, LeaseId lease) override;
    Task<LeaseAnswer> time_to_live(env::Reactor& here, LeaseId lease) override;
    std::optional<std::reference_wrapper<LeaseKeeper>> remote;

   private:
    // kOk, or why nothing may be answered.
    Task<ServiceErrc> confirm(env::Reactor& here, LeaseId lease);
    Task<LeaseAnswer> ask(env::Reactor& here, LeaseId lease, bool renews);

    Service& service_;
  };

  Inside(Service& service, shard::Runtime& shards, shard::ShardId shard, const ServiceOptions& wishes)
      : runtime(shards),
        is_alone(wishes.is_alone),
        home(shards, shard, {wishes.compaction, wishes.watch, wishes.is_alone, wishes.hash_secret}),
        keeper(service),
        local_keeper(service) {
    std::vector<std::reference_wrapper<detail::Desk>> all;
    for (unsigned i = 0; i < runtime.env().reactor_count(); ++i) {
      desks.push_back(std::make_unique<detail::Desk>(runtime.reactor(i), home));
      all.emplace_back(*desks.back());
    }
    home.set_desks(std::move(all));
  }

  [[nodiscard]] detail::Desk& desk(const env::Reactor& here) { return *desks[here.index()]; }

  shard::Runtime& runtime;
  const bool is_alone;
  Home home;
  std::vector<std::unique_ptr<detail::Desk>> desks;  // of each reactor
  Keeper keeper;
  Keeper local_keeper;
};

// ---- Leases.

Task<ServiceErrc> Service::Inside::Keeper::confirm(env::Reactor& here, LeaseId lease) {
  if (service_.inside_->desk(here).is_stopping()) co_return ServiceErrc::kStopping;
  if (service_.inside_->is_alone) co_return ServiceErrc::kOk;
  const auto answered =
      co_await service_.query(here, LeaseTimeToLive{.caller = kHouse, .id = lease}, std::make_unique<LeaseThere>());
  co_return answered.outcome;
}

Task<LeaseAnswer> Service::Inside::Keeper::ask(env::Reactor& here, LeaseId lease, bool renews) {
  Home& at = service_.inside_->home;
  env::HandOff<LeaseAnswer> result(here);
  at.reactor().post([&at, lease, renews, deliver = result.deliverer()]() mutable {
    if (renews) {
      at.leases().keep_alive(lease, std::move(deliver));
    } else {
      deliver(at.leases().time_to_live(lease));
    }
  });
  co_return co_await result;
}

Task<LeaseAnswer> Service::Inside::Keeper::keep_alive(env::Reactor& here, LeaseId lease) {
  LeaseAnswer answer;
  answer.outcome = co_await confirm(here, lease);
  if (answer.outcome == ServiceErrc::kOk) answer = co_await ask(here, lease, true);
  if (answer.outcome == ServiceErrc::kNoLeader && remote) co_return co_await remote->get().keep_alive(here, lease);
  co_return answer;
}

Task<LeaseAnswer> Service::Inside::Keeper::time_to_live(env::Reactor& here, LeaseId lease) {
  LeaseAnswer answer;
  answer.outcome = co_await confirm(here, lease);
  if (answer.outcome == ServiceErrc::kOk) answer = co_await ask(here, lease, false);
  if (answer.outcome == ServiceErrc::kNoLeader && remote) co_return co_await remote->get().time_to_live(here, lease);
  co_return answer;
}

LeaseKeeper& Service::leases() { return inside_->keeper; }
LeaseKeeper& Service::local_leases() { return inside_->local_keeper; }
void Service::set_remote_leases(LeaseKeeper& remote) { inside_->keeper.remote = remote; }

// ---- Life.

Service::Service(shard::Runtime& runtime, const shard::Router& router, ServiceOptions options) {
  KEELSON_CHECK(router.shard_count() == 1, "revisions are those of one shard");
  inside_ = std::make_unique<Inside>(*this, runtime, router.first_shard(), options);
}

Service::~Service() = default;

Task<Status> Service::start() {
  Inside& in = *inside_;
  co_await shard::call_on(in.runtime.reactor(0), in.home.reactor(), [&in] { in.home.start(); });
  co_return Status();
}

Task<void> Service::stop() {
  Inside& in = *inside_;
  env::Reactor& here = in.runtime.reactor(0);
  co_await shard::call_on(here, in.home.reactor(), [&in] { in.home.close(); });
  for (const auto& desk : in.desks) {
    co_await shard::call_on(here, desk->reactor(), [&desk] { desk->refuse_requests(); });
  }
  const int64_t until_ns = here.clock().monotonic_ns() + kStopMs * 1'000'000;
  for (const auto& desk : in.desks) {
    while (co_await shard::call_on(here, desk->reactor(), [&desk] { return desk->has_calls_under_way(); }) &&
           here.clock().monotonic_ns() < until_ns) {
      co_await env::sleep_for(here, 1'000'000);
    }
  }
  // Then every message on its way arrives, and no further one is sent.
  for (const auto& desk : in.desks) {
    co_await shard::call_on(here, desk->reactor(), [&desk] { desk->shut(); });
    co_await pass_by(here, desk->reactor());
  }
  co_await pass_by(here, in.home.reactor());
  co_await shard::call_on(here, in.home.reactor(), [&in] { in.home.shut(); });
  co_await pass_by(here, in.home.reactor());
  for (const auto& desk : in.desks) co_await pass_by(here, desk->reactor());
}

void Service::leader_changed(bool is_here) { inside_->home.lead_changed(is_here); }
env::Reactor& Service::home() const { return inside_->home.reactor(); }
shard::ShardId Service::shard_id() const { return inside_->home.shard_id(); }
const Statistics& Service::statistics() const { return inside_->home.statistics(); }
uint64_t Service::requests_timed_out() const {
  uint64_t count = 0;
  for (const auto& desk : inside_->desks) count += desk->timed_out().value();
  return count;
}

// ---- Requests.

detail::CallPointer Service::make_call(env::Reactor& here, std::unique_ptr<Encoded> body, bool is_write,
                                       Consistency consistency, std::unique_ptr<AnswerSink> sink, int64_t timeout_ms) {
  return inside_->desk(here).make_call(std::move(body), is_write, consistency, std::move(sink), timeout_ms);
}

std::unique_ptr<WatchStream> Service::open_watch_stream(env::Reactor& here) { return inside_->desk(here).open(); }

}  // namespace keelson::coord
