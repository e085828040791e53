// Runtime as a node of a cluster: the groups of its shards, from their start to their end.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "shard/call_on.h"
#include "shard/run_on.h"
#include "shard/runtime.h"
#include "shard/runtime_inside.h"

namespace keelson::shard {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
// How often a stop looks whether the lead has gone, or the last records are on the disk.
constexpr int64_t kStopPollNs = 5 * kNsPerMs;
}  // namespace

Task<void> Runtime::make_groups() {
  const ReplicationOptions& options = *options_.replication;
  groups_.resize(router().reactor_count());
  shard_groups_.resize(shards_total());
  for (unsigned i = 0; i < router().reactor_count(); ++i) {
    co_await call_on(reactor(0), reactor(i), [&] {
      groups_[i] = std::make_unique<raft::Groups>(env_, reactor(i), options.groups);
      for (ShardId id = 0; id < shards_total(); ++id) {
        if (router().reactor_of(id) != i || !is_replicated(id)) continue;
        raft::MemberOptions member = options.member;
        member.group = id;
        member.node = options.node;
        shard_groups_[id] =
            std::make_unique<ShardGroup>(ShardGroup::Parts{.env = env_,
                                                           .reactor = reactor(i),
                                                           .journal = *logs_[i],
                                                           .messenger = options.messenger(i),
                                                           .groups = *groups_[i],
                                                           .shard = *shards_[id],
                                                           .host = *this,
                                                           .listener = options.listener,
                                                           .checkpoint_folder = background_->folder,
                                                           .engine = service_of(id).name,
                                                           .engine_version = service_of(id).engine_version,
                                                           .log_id = background_->log_id,
                                                           .faults = options_.log.faults},
                                         member);
      }
    });
  }
}

Task<void> Runtime::start_groups() {
  KEELSON_CHECK(is_replicated(), "only a node of a cluster has groups");
  for (unsigned i = 0; i < router().reactor_count(); ++i) {
    co_await call_on(reactor(0), reactor(i), [&] {
      for (ShardId id = 0; id < shards_total(); ++id) {
        if (router().reactor_of(id) == i && shard_groups_[id] != nullptr) start_group(id);
      }
    });
  }
}

// On the owner.
void Runtime::start_group(ShardId id) {
  if (shards_[id]->damage()) return;
  raft::Replay& journal = background_->journals[id];
  std::vector<NodeId> voters;
  // A replica that was removed from this node.
  if (!journal.is_new() && journal.base().index == 0) return;
  if (journal.is_new()) {
    voters = options_.replication->first_members(id);
    if (std::find(voters.begin(), voters.end(), options_.replication->node) == voters.end()) return;
  }
  shard_groups_[id]->start(std::move(journal), background_->checkpoint_of[id].index, voters);
}

Task<Status> Runtime::add_replica(env::Reactor& here, ShardId id, std::vector<NodeId> voters) {
  co_return co_await call_on(here, reactor_of(id), [&]() -> Status {
    ShardGroup* group = shard_groups_.empty() ? nullptr : shard_groups_[id].get();
    if (group == nullptr) return fail(log::LogErrc::kRefused, "shard: its service is not replicated");
    if (shards_[id]->damage()) return fail(log::LogErrc::kDamaged, *shards_[id]->damage());
    if (group->has_member()) return fail(log::LogErrc::kRefused, "shard: there is a replica here already");
    group->start(std::move(background_->journals[id]), background_->checkpoint_of[id].index, voters);
    return {};
  });
}

Task<Status> Runtime::remove_replica(env::Reactor& here, ShardId id) {
  Status found = co_await call_on(here, reactor_of(id), [&]() -> Status {
    ShardGroup* group = shard_groups_.empty() ? nullptr : shard_groups_[id].get();
    if (group == nullptr || group->member() == nullptr) return fail(log::LogErrc::kRefused, "shard: no replica here");
    return {};
  });
  if (!found.ok()) co_return forward_error(found);
  co_return co_await run_on(here, *background_->scopes[0], reactor(0), leave_group(id));
}

// On reactor 0. No checkpoint is under way meanwhile: one that ended afterwards would bring the replica back. Nor does
// it begin while somebody copies the files, for it removes one.
Task<Status> Runtime::leave_group(ShardId id) {
  while (progress_.is_running || files_held_.load(std::memory_order_relaxed) != 0) {
    co_await env::sleep_for(reactor(0), kCheckpointWaitNs);
    if (background_->is_stopping) co_return fail(log::LogErrc::kStopped, "shard: the node is stopping");
  }
  progress_.is_running = true;
  env::TaskScope& scope = *background_->scopes[router().reactor_of(id)];
  auto left = co_await run_on(reactor(0), scope, reactor_of(id), shard_groups_[id]->leave());
  progress_.is_running = false;
  if (!left.ok()) co_return forward_error(left);
  Background::Kept& kept = background_->checkpoint_of[id];
  kept.index = kept.bytes = 0;
  kept.needed_from = left->first_position();
  background_->journals[id] = std::move(*left);
  trim_log();
  co_return Status();
}

Task<raft::MemberErrc> Runtime::change_members(env::Reactor& here, ShardId id, std::vector<KrChange> changes) {
  co_return co_await call_on(here, reactor_of(id), [&] {
    raft::Member* member =
        shard_groups_.empty() || shard_groups_[id] == nullptr ? nullptr : shard_groups_[id]->member();
    return member == nullptr ? raft::MemberErrc::kHalted : member->propose_change(changes);
  });
}

Task<raft::MemberErrc> Runtime::transfer_leader(env::Reactor& here, ShardId id, NodeId to) {
  co_return co_await call_on(here, reactor_of(id), [&] {
    raft::Member* member =
        shard_groups_.empty() || shard_groups_[id] == nullptr ? nullptr : shard_groups_[id]->member();
    return member == nullptr ? raft::MemberErrc::kHalted : member->transfer_leader(to);
  });
}

Task<std::optional<raft::MemberStatus>> Runtime::group_status(env::Reactor& here, ShardId id) {
  co_return co_await call_on(here, reactor_of(id), [&]() -> std::optional<raft::MemberStatus> {
    raft::Member* member =
        shard_groups_.empty() || shard_groups_[id] == nullptr ? nullptr : shard_groups_[id]->member();
    if (member == nullptr) return std::nullopt;
    return member->status();
  });
}

Task<std::map<ShardId, raft::MemberStatus>> Runtime::group_statuses(env::Reactor& here) {
  std::map<ShardId, raft::MemberStatus> all;
  for (unsigned i = 0; i < router().reactor_count(); ++i) {
    all.merge(co_await call_on(here, reactor(i), [&] {
      std::map<ShardId, raft::MemberStatus> some;
      for (ShardId id = 0; id < shards_total(); ++id) {
        if (router().reactor_of(id) != i || shard_groups_.empty() || shard_groups_[id] == nullptr) continue;
        if (raft::Member* member = shard_groups_[id]->member()) some.emplace(id, member->status());
      }
      return some;
    }));
  }
  co_return all;
}

Task<void> Runtime::give_up_waiting() {
  for (unsigned i = 0; i < router().reactor_count(); ++i) {
    co_await call_on(reactor(0), reactor(i), [&] {
      for (ShardId id = 0; id < shards_total(); ++id) {
        if (router().reactor_of(id) == i && shards_[id]->replica() != nullptr)
          shards_[id]->replica()->give_up_waiting();
      }
    });
  }
}

Task<void> Runtime::give_leads_away() {
  const int64_t until_ns = env_.clock().monotonic_ns() + options_.replication->give_away_ms * kNsPerMs;
  for (;;) {
    bool is_done = true;
    for (unsigned i = 0; i < router().reactor_count(); ++i) {
      is_done &= co_await call_on(reactor(0), reactor(i), [&] {
        bool is_done_here = true;
        for (ShardId id = 0; id < shards_total(); ++id) {
          if (router().reactor_of(id) != i || shard_groups_[id] == nullptr) continue;
          is_done_here &= shard_groups_[id]->give_lead_away();
        }
        return is_done_here;
      });
    }
    if (is_done || env_.clock().monotonic_ns() >= until_ns) co_return;
    co_await env::sleep_for(reactor(0), kStopPollNs);
  }
}

Task<void> Runtime::stop_groups() {
  for (bool is_settled = false; !is_settled;) {
    is_settled = true;
    for (unsigned i = 0; i < router().reactor_count(); ++i) {
      is_settled &= co_await call_on(reactor(0), reactor(i), [&] {
        bool is_settled_here = true;
        for (ShardId id = 0; id < shards_total(); ++id) {
          if (router().reactor_of(id) != i || shard_groups_[id] == nullptr) continue;
          shard_groups_[id]->stop();
          is_settled_here &= shard_groups_[id]->is_settled();
        }
        return is_settled_here;
      });
    }
    if (!is_settled) co_await env::sleep_for(reactor(0), kStopPollNs);
  }
}

void Runtime::want_checkpoint(ShardId shard) {
  reactor(0).post([this, shard] {
    if (!background_->is_stopping) background_->scopes[0]->spawn(checkpoint_soon(shard));
  });
}

Task<void> Runtime::checkpoint_soon(ShardId id) {
  while (progress_.is_running) {
    co_await env::sleep_for(reactor(0), kCheckpointWaitNs);
    if (background_->is_stopping) co_return;
  }
  progress_.is_running = true;
  const Status done = co_await checkpoint_shard(id);
  progress_.is_running = false;
  if (!done.ok()) {
    ++progress_.failed;
    log_error("shard", "a checkpoint for another node failed", {{"shard", id}, {"why", done.error().message()}});
    // Another node may be able to help whoever is behind. This one's journal is good, so it stays a member.
    reactor_of(id).post([this, id] { static_cast<void>(shard_groups_[id]->give_lead_away()); });
  }
  trim_log();
}

Task<Status> Runtime::sync_journal(env::Reactor& here) { return sync_log(here); }

void Runtime::will_install(ShardId shard) { background_->checkpoint_of[shard].source.reset(); }

void Runtime::checkpoint_installed(ShardId shard, uint64_t index, uint64_t needed_from) {
  reactor(0).post([this, shard, index, needed_from] {
    Background::Kept& kept = background_->checkpoint_of[shard];
    kept.index = std::max(kept.index, index);
    kept.needed_from = std::max(kept.needed_from, needed_from);
    if (files_held_.load(std::memory_order_relaxed) == 0) {
      const Status removed = log::remove_older_checkpoints(env_.disk(), background_->folder, shard, index);
      if (!removed.ok()) log_warn("shard", "old checkpoints stay for now", {{"why", removed.error().message()}});
    }
    trim_log();
  });
}

}  // namespace keelson::shard
