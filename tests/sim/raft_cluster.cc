#include "tests/sim/raft_cluster.h"

#include <algorithm>
#include <utility>

namespace keelson::tests {

using env::sim::kMillisecond;
using env::sim::kSecond;

namespace {

constexpr int64_t kFaultsNs = 8 * kSecond;
// An election takes some 200 to 400 ms at this tick; a member that is far behind needs a checkpoint or two.
constexpr int64_t kCalmNs = 30 * kSecond;
constexpr int64_t kFileDelayNs = 20 * kMillisecond;
// A contest is about who hears what first, so it is looked at often; an election takes four messages and two syncs.
constexpr int64_t kLookNs = 50'000;
constexpr int64_t kContestNs = 200 * kMillisecond;

}  // namespace

class SimMessenger final : public raft::Messenger {
 public:
  SimMessenger(RaftCluster& cluster, NodeId node, env::Env& env) : cluster_(cluster), node_(node), env_(env) {}

  void send(NodeId to, ShardId group, std::string_view message) override {
    RaftCluster& c = cluster_;
    if (c.has_faults_ && c.chance_.happens(c.faults_.loss)) return;
    const int copies = c.has_faults_ && c.chance_.happens(c.faults_.doubled) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const int64_t delay = c.chance_.between(20'000, c.has_faults_ ? c.faults_.delay_ns_max * (1 + 2 * i) : 500'000);
      c.world_.after(delay, [&c, from = node_, to, group, bytes = std::string(message)]() mutable {
        c.deliver(from, to, group, std::move(bytes));
      });
    }
  }

  void send_file(NodeId to, ShardId group, std::string message, std::string path, std::vector<raft::SideFile>,
                 std::function<void(bool)> done) override {
    RaftCluster& c = cluster_;
    auto content = env::read_file(env_.disk(), path, uint64_t{1} << 30);
    // The outcome is told in this life of the sender alone.
    auto tell = [&env = env_, done = std::move(done)](bool has_arrived) {
      env.reactor(0).post([done, has_arrived] { done(has_arrived); });
    };
    const bool is_lost = !content.ok() || (c.has_faults_ && c.chance_.happens(c.faults_.file_loss));
    const int64_t delay = c.chance_.between(kFileDelayNs, c.has_faults_ ? 20 * kFileDelayNs : 2 * kFileDelayNs);
    if (is_lost) {
      c.world_.after(delay, [tell] { tell(false); });
      return;
    }
    c.world_.after(delay,
                   [&c, from = node_, to, group, message = std::move(message), bytes = std::move(*content),
                    tell]() mutable { c.deliver_file(from, to, group, std::move(message), std::move(bytes), tell); });
  }

  [[nodiscard]] bool is_reachable(NodeId node) const override { return cluster_.reaches_.contains({node_, node}); }

 private:
  RaftCluster& cluster_;
  const NodeId node_;
  env::Env& env_;
};

env::sim::SimOptions RaftCluster::draw_world(uint64_t seed) {
  env::sim::Chance chance(seed ^ 0x5eed);
  env::sim::SimOptions options;
  options.disk.slow_sync_probability = chance.happens(0.3) ? 0.1 : 0;
  options.disk.slow_sync_ns_max = 100 * kMillisecond;
  options.machine.stall_probability = chance.happens(0.4) ? 0.001 : 0;
  options.machine.stall_ns_max = chance.happens(0.5) ? 100 * kMillisecond : 2 * kSecond;
  options.machine.wall_jump_probability = chance.happens(0.3) ? 0.0005 : 0;
  options.machine.split_turn_probability = chance.happens(0.3) ? 0.1 : 0;
  return options;
}

RaftCluster::RaftCluster(uint64_t seed, raft::MemberFaults faults)
    : planted_(faults), chance_(seed), world_(seed, draw_world(seed)) {
  const uint64_t voters = chance_.happens(0.6) ? 3 : 5;
  nodes_ = voters + chance_.below(3);
  groups_ = chance_.happens(0.3) ? 2 : 1;
  draw_faults();
  member_.election_ticks = 10;
  member_.heartbeat_ticks = 2;
  member_.entry_bytes_max = chance_.happens(0.5) ? 300 : 3'000;
  member_.message_bytes_max = 1'000;
  member_.inflight_messages_max = 4;
  member_.uncommitted_bytes_max = 20'000;
  member_.committed_bytes_per_ready = 500;
  member_.kept_bytes_max = chance_.happens(0.7) ? 3'000 : 50'000;
  member_.kept_entries_max = chance_.happens(0.5) ? 20 : 1'000;
  member_.pending_bytes_max = chance_.happens(0.3) ? 2'000 : 50'000;
  member_.quiet_after_ticks = chance_.happens(0.5) ? 5 : 0;
  member_.faults = planted_;
  std::vector<NodeId> first;
  for (NodeId id = 1; id <= voters; ++id) first.push_back(id);
  for (NodeId id = 1; id <= nodes_; ++id) {
    env::sim::Node& node = world_.add_node();
    ReplicaOptions options{
        .node = id, .groups = groups_, .voters = id <= voters ? first : std::vector<NodeId>(), .member = member_};
    node.run_program([this, id, options](env::Env& env) -> std::unique_ptr<env::sim::Program> {
      return std::make_unique<RaftReplica>(env, truth_, chance_, options,
                                           std::make_unique<SimMessenger>(*this, id, env));
    });
  }
}

void RaftCluster::draw_faults() {
  faults_.loss = chance_.happens(0.5) ? 0.3 * static_cast<double>(chance_.below(100)) / 100 : 0;
  faults_.doubled = chance_.happens(0.5) ? 0.2 : 0;
  faults_.file_loss = chance_.happens(0.5) ? 0.3 : 0;
  faults_.file_flip = chance_.happens(0.3) ? 0.3 : 0;
  faults_.delay_ns_max = chance_.happens(0.3) ? 100 * kMillisecond : 2 * kMillisecond;
  faults_.crash_every_ns = chance_.happens(0.7) ? chance_.between(200, 2'000) * kMillisecond : 0;
  faults_.cut_every_ns = chance_.happens(0.7) ? chance_.between(300, 2'000) * kMillisecond : 0;
  faults_.contest_every_ns = chance_.happens(0.3) ? chance_.between(100, 1'000) * kMillisecond : 0;
  faults_.change_every_ns = chance_.happens(0.5) ? chance_.between(200, 2'000) * kMillisecond : 0;
  faults_.transfer_every_ns = chance_.happens(0.5) ? chance_.between(200, 2'000) * kMillisecond : 0;
  faults_.borrow_every_ns = chance_.happens(0.6) ? chance_.between(10, 200) * kMillisecond : 0;
  faults_.full_every_ns = chance_.happens(0.3) ? chance_.between(500, 3'000) * kMillisecond : 0;
  faults_.sync_error_every_ns = chance_.happens(0.2) ? chance_.between(500, 4'000) * kMillisecond : 0;
  faults_.checkpoint_every_ns = chance_.between(30, 1'000) * kMillisecond;
  faults_.propose_every_ns = chance_.between(1, 20) * kMillisecond;
}

RaftReplica* RaftCluster::replica(NodeId id) {
  if (!machine(id).is_up()) return nullptr;
  auto* replica = static_cast<RaftReplica*>(machine(id).program());
  return replica != nullptr && replica->is_ready() ? replica : nullptr;
}

bool RaftCluster::has_halted(NodeId id) {
  auto* program = machine(id).is_up() ? static_cast<RaftReplica*>(machine(id).program()) : nullptr;
  return program != nullptr && program->has_halted();
}

void RaftCluster::on(NodeId id, std::function<void(RaftReplica&)> action) {
  RaftReplica* target = replica(id);
  if (target == nullptr) return;
  // What is posted dies with the node.
  machine(id).reactor().post([target, action = std::move(action)] { action(*target); });
}

NodeId RaftCluster::leader_of(ShardId group) {
  NodeId found = 0;
  uint64_t term = 0;
  for (NodeId id = 1; id <= nodes_; ++id) {
    RaftReplica* here = replica(id);
    if (here == nullptr || !here->member(group).is_leader_here()) continue;
    const uint64_t at = here->member(group).status().term;
    if (at > term) {
      found = id;
      term = at;
    }
  }
  return found;
}

void RaftCluster::deliver(NodeId from, NodeId to, ShardId group, std::string bytes) {
  if (cut_.contains({from, to})) return;
  on(to, [from, group, bytes = std::move(bytes)](RaftReplica& node) { node.sink().received(from, group, bytes); });
}

void RaftCluster::deliver_file(NodeId from, NodeId to, ShardId group, std::string bytes, std::string content,
                               std::function<void(bool)> done) {
  if (cut_.contains({from, to}) || replica(to) == nullptr) return done(false);
  if (has_faults_ && !content.empty() && chance_.happens(faults_.file_flip)) {
    content[chance_.below(content.size())] ^= static_cast<char>(1U << chance_.below(8));
  }
  std::string path = "data/arrived-" + std::to_string(++files_);
  machine(to).disk().put(path, content);
  on(to, [from, group, bytes = std::move(bytes), path](RaftReplica& node) {
    node.sink().received_file(from, group, bytes, path, {});
  });
  done(true);
}

void RaftCluster::each(int64_t about_ns, const std::function<void()>& run) {
  if (about_ns == 0) return;
  world_.after(chance_.between(about_ns / 2, about_ns * 3 / 2), [this, about_ns, run] {
    if (!has_faults_ || truth_.broken) return;
    run();
    each(about_ns, run);
  });
}

void RaftCluster::crash(NodeId id, int64_t down_ns_max) {
  if (!machine(id).is_up()) return;
  ++truth_.crashes;
  chance_.happens(0.5) ? machine(id).crash() : machine(id).kill();
  const int64_t down_ns = chance_.between(kMillisecond / 2, down_ns_max);
  world_.after(down_ns, [this, id] {
    if (!machine(id).is_up()) machine(id).restart();
  });
}

void RaftCluster::cut_off(NodeId id) {
  for (NodeId other = 1; other <= nodes_; ++other) {
    if (other == id) continue;
    cut_.insert({id, other});
    cut_.insert({other, id});
  }
}

void RaftCluster::once(std::function<bool()> is_so, std::function<void()> run, int64_t until_ns) {
  if (!has_faults_ || truth_.broken || world_.now_ns() > until_ns) return;
  if (is_so()) return run();
  world_.after(kLookNs, [this, is_so = std::move(is_so), run = std::move(run), until_ns]() mutable {
    once(std::move(is_so), std::move(run), until_ns);
  });
}

// The leader is cut off, the others elect another, and fall before they hear of it; then the former leader, started
// anew, stands for the same term: do they know that they have voted?
void RaftCluster::contest() {
  const ShardId group = pick_group();
  const NodeId former = leader_of(group);
  const NodeId next = pick();
  if (former == 0 || next == former) return;
  const int64_t until_ns = world_.now_ns() + kContestNs;
  const auto campaign = [group](RaftReplica& node) { (void)node.member(group).campaign(); };
  cut_.clear();
  cut_off(former);
  for (NodeId id = 1; id <= nodes_; ++id) {
    if (id == former || reaches_.erase({id, former}) == 0) continue;
    on(id, [former](RaftReplica& node) { node.sink().reachable_changed(former, false); });
  }
  on(next, campaign);
  const auto has_won = [this, group, next] {
    RaftReplica* here = replica(next);
    return here != nullptr && here->member(group).status().role == raft::Role::kLeader;
  };
  const auto are_back = [this] {
    for (NodeId id = 1; id <= nodes_; ++id) {
      if (replica(id) == nullptr) return false;
    }
    return true;
  };
  const auto stand = [this, former, campaign] { on(former, campaign); };
  const auto fall = [this, next, are_back, stand, until_ns] {
    cut_.clear();
    cut_off(next);
    for (NodeId id = 1; id <= nodes_; ++id) {
      if (id != next) crash(id, 2 * kMillisecond);
    }
    once(are_back, stand, until_ns);
  };
  once(has_won, fall, until_ns);
  world_.after(2 * kContestNs, [this] { cut_.clear(); });
}

void RaftCluster::cut_links() {
  cut_.clear();
  if (chance_.happens(0.4)) return;  // healed
  const bool is_one_way = chance_.happens(0.4);
  std::vector<bool> side;
  for (NodeId id = 0; id <= nodes_; ++id) side.push_back(chance_.happens(0.5));
  for (NodeId from = 1; from <= nodes_; ++from) {
    for (NodeId to = 1; to <= nodes_; ++to) {
      if (side[from] != side[to] && (!is_one_way || side[from])) cut_.insert({from, to});
    }
  }
}

// What each node believes of the others, some time behind the truth.
void RaftCluster::look_at_links() {
  for (NodeId from = 1; from <= nodes_; ++from) {
    for (NodeId to = 1; to <= nodes_; ++to) {
      const bool is_up = from != to && replica(from) != nullptr && replica(to) != nullptr &&
                         !cut_.contains({from, to}) && !cut_.contains({to, from});
      if (is_up == reaches_.contains({from, to})) continue;
      is_up ? (void)reaches_.insert({from, to}) : (void)reaches_.erase({from, to});
      on(from, [to, is_up](RaftReplica& node) { node.sink().reachable_changed(to, is_up); });
    }
  }
  world_.after(100 * kMillisecond, [this] { look_at_links(); });
}

void RaftCluster::change_members() {
  const ShardId group = pick_group();
  const NodeId leader = leader_of(group);
  if (leader == 0) return;
  const raft::Members& now = replica(leader)->member(group).members();
  std::vector<KrChange> changes;
  for (NodeId id = 1; id <= nodes_; ++id) {
    if (!chance_.happens(0.3)) continue;
    const uint8_t type = static_cast<uint8_t>(chance_.below(3));
    // At least two voters stay; the leader may go too.
    if (type != 0 && std::ranges::find(now.voters, id) != now.voters.end() && now.voters.size() <= 2 + changes.size()) {
      continue;
    }
    changes.push_back({type, id});
  }
  if (changes.empty()) return;
  on(leader, [this, group, changes](RaftReplica& node) {
    if (node.member(group).propose_change(changes) == raft::MemberErrc::kOk) ++truth_.changes;
  });
}

void RaftCluster::look_at_leaders() {
  for (NodeId id = 1; id <= nodes_; ++id) {
    if (has_halted(id)) crash(id, kSecond);  // somebody starts it anew
    RaftReplica* here = replica(id);
    if (here == nullptr) continue;
    for (ShardId group = 0; group < groups_; ++group) {
      const raft::MemberStatus status = here->member(group).status();
      if (status.is_quiet) ++truth_.slept;
      if (status.role != raft::Role::kLeader) continue;
      const auto [found, is_new] = truth_.groups[group].leader_of.try_emplace(status.term, id);
      if (is_new) ++truth_.elections;
      if (found->second != id) truth_.fail("term " + std::to_string(status.term) + " has two leaders");
    }
  }
}

void RaftCluster::run_faulty(int64_t for_ns) {
  look_at_links();
  each(faults_.propose_every_ns, [this] {
    // Now and then nobody asks for anything, so that groups go to sleep.
    if (member_.quiet_after_ticks != 0 && world_.now_ns() / kSecond % 3 == 0) return;
    const uint64_t count = chance_.happens(0.2) ? chance_.between(2, 30) : 1;
    const ShardId group = pick_group();
    on(pick(), [this, group, count](RaftReplica& node) {
      for (uint64_t i = 0; i < count; ++i) {
        node.toy(group).propose(chance_.happens(0.02) ? 2'000 : chance_.below(60));
      }
    });
  });
  each(8 * kMillisecond, [this] {
    if (member_.quiet_after_ticks != 0 && world_.now_ns() / kSecond % 3 == 0) return;
    const ShardId group = pick_group();
    on(pick(), [group](RaftReplica& node) { node.toy(group).read(); });
  });
  each(5 * kMillisecond, [this] { look_at_leaders(); });
  each(faults_.checkpoint_every_ns, [this] {
    const ShardId group = pick_group();
    on(pick(), [group](RaftReplica& node) { node.take_checkpoint(group); });
  });
  each(faults_.crash_every_ns, [this] { crash(pick(), chance_.happens(0.5) ? 10 * kMillisecond : kSecond); });
  each(faults_.cut_every_ns, [this] { cut_links(); });
  each(faults_.contest_every_ns, [this] { contest(); });
  each(faults_.change_every_ns, [this] { change_members(); });
  each(faults_.transfer_every_ns, [this] {
    const ShardId group = pick_group();
    const NodeId to = pick();
    on(leader_of(group) != 0 ? leader_of(group) : pick(), [this, group, to](RaftReplica& node) {
      if (chance_.happens(0.8)) {
        (void)node.member(group).transfer_leader(to);
      } else {
        (void)node.member(group).campaign();
      }
    });
  });
  each(faults_.borrow_every_ns, [this] {
    const ShardId group = pick_group();
    if (const NodeId leader = leader_of(group)) on(leader, [group](RaftReplica& node) { node.toy(group).borrow(); });
  });
  each(faults_.full_every_ns, [this] {
    const NodeId id = pick();
    machine(id).disk().set_full(true);
    world_.after(chance_.between(10, 2'000) * kMillisecond, [this, id] { machine(id).disk().set_full(false); });
  });
  each(faults_.sync_error_every_ns, [this] { machine(pick()).disk().fail_syncs(1, "log/"); });
  world_.run_until([this] { return truth_.broken.has_value(); }, for_ns);
}

bool RaftCluster::is_level() {
  for (ShardId group = 0; group < groups_; ++group) {
    const NodeId leader = leader_of(group);
    if (leader == 0) return false;
    const raft::MemberStatus last = replica(leader)->member(group).status();
    if (last.applied != last.last_index || last.members.is_joint()) return false;
    for (NodeId id = 1; id <= nodes_; ++id) {
      if (!last.members.holds(id)) continue;
      RaftReplica* here = replica(id);
      if (here == nullptr || here->member(group).applied_index() != last.applied) return false;
      if (here->toy(group).hash() != replica(leader)->toy(group).hash()) {
        truth_.fail("two members differ although both have applied everything");
      }
      if (here->toy(group).pending() != 0) return false;
    }
  }
  return true;
}

void RaftCluster::check_end() {
  has_faults_ = false;
  cut_.clear();
  world_.options().machine = {};
  world_.options().disk = {};
  for (NodeId id = 1; id <= nodes_; ++id) {
    machine(id).disk().set_full(false);
    machine(id).disk().fail_syncs(0);
  }
  // Syncs that are under way may have been told to fail already.
  world_.run_for(1'000 * kMillisecond);
  for (NodeId id = 1; id <= nodes_; ++id) {
    if (has_halted(id)) machine(id).kill();
    if (!machine(id).is_up()) machine(id).restart();
  }
  // Twice: the second time with something new to agree on.
  for (int round = 0; round < 2 && !truth_.broken; ++round) {
    const bool is_done = world_.run_until([this] { return truth_.broken || is_level(); }, kCalmNs);
    if (truth_.broken) return;
    if (!is_done) return truth_.fail("not level within a bound after the faults have ended");
    for (ShardId group = 0; group < groups_; ++group) {
      const raft::Members members = replica(leader_of(group))->member(group).members();
      for (NodeId id = 1; id <= nodes_; ++id) {
        if (!members.holds(id)) continue;
        on(id, [group](RaftReplica& node) {
          node.toy(group).propose(10);
          node.toy(group).read();
        });
      }
    }
    world_.run_for(100 * kMillisecond);
  }
  if (!world_.run_until([this] { return truth_.broken || is_level(); }, kCalmNs)) {
    truth_.fail("what was proposed after the faults is not applied everywhere");
  }
}

void RaftCluster::describe() {
  std::string& text = *truth_.broken;
  text += " (at " + std::to_string(world_.now_ns() / 1'000) + " us)";
  for (NodeId id = 1; id <= nodes_; ++id) {
    RaftReplica* here = replica(id);
    for (ShardId group = 0; group < groups_ && here != nullptr; ++group) {
      const raft::MemberStatus status = here->member(group).status();
      text += "\nnode " + std::to_string(id) + " group " + std::to_string(group) + ": role " +
              std::to_string(static_cast<int>(status.role)) + (status.is_leader_here ? " leads" : "") + " term " +
              std::to_string(status.term) + " leader " + std::to_string(status.leader) + " log " +
              std::to_string(status.first_kept_index) + ".." + std::to_string(status.last_index) + " commit " +
              std::to_string(status.commit) + " applied " + std::to_string(status.applied) + " pending " +
              std::to_string(status.proposals_pending) + "+" + std::to_string(status.reads_pending) +
              (status.is_full ? " full" : "") + (status.is_quiet ? " asleep" : "") +
              (here->toy(group).is_lent() ? " lent" : "") + (status.members.holds(id) ? "" : " (no member)") + " " +
              status.halted;
      for (const raft::PeerStatus& peer : status.peers) {
        text += "\n  of " + std::to_string(peer.node) + ": matched " + std::to_string(peer.matched) + " next " +
                std::to_string(peer.next) + (peer.is_active ? "" : " away") + (peer.is_learner ? " learner" : "") +
                (peer.needs_checkpoint ? " wants a checkpoint" : "");
      }
    }
  }
}

std::optional<std::string> RaftCluster::run() {
  run_faulty(kFaultsNs);
  if (!truth_.broken) check_end();
  if (truth_.broken) describe();
  return truth_.broken;
}

}  // namespace keelson::tests
