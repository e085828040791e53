#include "tests/sim/raft_replica.h"

#include <utility>

#include "log/checkpoint_file.h"
#include "raft/checkpoint.h"

namespace keelson::tests {

RaftReplica::Replica::Replica(RaftReplica& owner, ShardId shard)
    : node(owner),
      group(shard),
      toy(owner.truth_, owner.options_.node, shard, owner.chance_,
          [&clock = owner.env_.clock()] { return clock.wall_ms(); }) {}

// Feeds what the log holds to the members.
class RaftReplica::Recovery final : public log::RecoveryHandler {
 public:
  explicit Recovery(RaftReplica& node) : node_(node) {}
  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    Replica& replica = *node_.replicas_[shard];
    if (!replica.damage.empty()) return;
    const Status status = replica.replay.on_record(index, payload);
    if (!status.ok()) replica.damage = status.error().message();
  }

 private:
  RaftReplica& node_;
};

RaftReplica::RaftReplica(env::Env& env, RaftTruth& truth, env::sim::Chance& chance, ReplicaOptions options,
                         std::unique_ptr<raft::Messenger> messenger)
    : env_(env),
      reactor_(env.reactor(0)),
      truth_(truth),
      chance_(chance),
      options_(std::move(options)),
      messenger_(std::move(messenger)),
      groups_(env, reactor_, {.tick_ms = options_.tick_ms}),
      scope_(reactor_) {
  for (unsigned i = 0; i < options_.groups; ++i) {
    replicas_.push_back(std::make_unique<Replica>(*this, static_cast<ShardId>(i)));
  }
  reactor_.post([this] { scope_.spawn(boot()); });
}

RaftReplica::~RaftReplica() = default;

Status RaftReplica::load_newest(Replica& replica, const std::vector<log::CheckpointFile>& files) {
  for (const log::CheckpointFile& file : files) {
    if (file.shard != replica.group) continue;
    auto prelude = raft::read_prelude(env_.disk(), file.path);
    if (!prelude.ok()) return forward_error(prelude);
    auto reader = log::CheckpointReader::open(env_.disk(), file.path);
    if (!reader.ok()) return forward_error(reader);
    bool is_first = true;
    for (;;) {
      auto piece = (*reader)->next();
      if (!piece.ok()) return forward_error(piece);
      if (!*piece) break;
      if (!is_first) {
        Status loaded = replica.toy.load(**piece);
        if (!loaded.ok()) return loaded;
      }
      is_first = false;
    }
    replica.toy.check_checkpoint(prelude->index);
    replica.replay = raft::Replay(std::move(*prelude));
    return {};
  }
  return {};
}

Task<void> RaftReplica::boot() {
  const auto give_up = [this](const std::string& why) { truth_.fail("a node does not start: " + why); };
  const auto try_again = [this] { has_halted_ = true; };
  Status made = env_.disk().make_folder(checkpoint_folder());
  if (made.ok()) made = log::remove_unfinished_checkpoints(env_.disk(), checkpoint_folder());
  if (made.ok()) made = co_await env_.disk().sync_folder(checkpoint_folder(), reactor_);
  if (!made.ok()) co_return try_again();
  auto files = log::list_checkpoints(env_.disk(), checkpoint_folder());
  if (!files.ok()) co_return try_again();
  std::vector<uint64_t> first;
  for (auto& replica : replicas_) {
    const Status loaded = load_newest(*replica, *files);
    if (!loaded.ok()) co_return give_up(loaded.error().message());
    first.push_back(replica->replay.first_position());
  }
  Recovery recovery(*this);
  log::LocalLogOptions log_options;
  log_options.durability = log::Durability::kAlways;
  log_options.segment_bytes = options_.segment_bytes;
  auto log = co_await log::LocalLog::open(env_, reactor_, "data/log", log_options, first, recovery);
  if (!log.ok() && log.error().code() == log::LogErrc::kDamaged) co_return give_up(log.error().message());
  if (!log.ok()) co_return try_again();
  log_ = std::move(*log);
  for (const log::ShardDamage& damage : log_->recovery().damage) give_up(damage.why);
  port_ = log_->make_port(reactor_);
  for (auto& replica : replicas_) {
    if (!replica->damage.empty()) co_return give_up(replica->damage);
    raft::MemberOptions member = options_.member;
    member.group = replica->group;
    member.node = options_.node;
    replica->member =
        std::make_unique<raft::Member>(raft::Member::Parts{env_, reactor_, *port_, *messenger_, replica->toy, *replica},
                                       member, std::move(replica->replay));
    raft::Member& made_member = *replica->member;
    replica->toy.set_log(made_member, [&made_member] { return made_member.status().term; });
    groups_.add(*replica->member);
    replica->member->start(options_.voters);
  }
  is_ready_ = true;
}

// Checkpoints.

void RaftReplica::Replica::send_checkpoint(NodeId to, uint64_t index, std::string message,
                                           std::function<void(bool)> done) {
  std::string path = checkpoint_folder() + "/" + log::checkpoint_name(group, index);
  node.messenger_->send_file(to, group, std::move(message), std::move(path), {}, std::move(done));
}

void RaftReplica::Replica::halted(const std::string& why) {
  node.has_halted_ = true;
  ++node.truth_.halts;
}

void RaftReplica::take_checkpoint(ShardId group) {
  Replica& replica = *replicas_[group];
  if (replica.is_writing || !is_ready_) return;
  replica.is_writing = true;
  scope_.spawn(write_checkpoint(replica));
}

Task<void> RaftReplica::write_checkpoint(Replica& replica) {
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } done{replica.is_writing};
  // Not within the member's turn.
  co_await env::sleep_for(reactor_, 0);
  if (!replica.member->is_between_entries() || replica.toy.is_lent()) co_return;
  const uint64_t index = replica.member->applied_index();
  const std::string prelude = replica.member->prelude();
  const std::string state = replica.toy.save();
  replica.toy.check_checkpoint(index);
  auto writer = log::CheckpointWriter::create(
      env_.disk(), reactor_, checkpoint_folder(),
      {.engine = "toy", .engine_version = 1, .shard = replica.group, .index = index, .log_id = log_->log_id()});
  if (!writer.ok()) co_return;
  if (const Status written = co_await (*writer)->append(prelude); !written.ok()) co_return;
  if (const Status written = co_await (*writer)->append(state); !written.ok()) co_return;
  if (const Status synced = co_await log_->sync(); !synced.ok()) co_return;
  if (const Status finished = co_await (*writer)->finish(); !finished.ok()) co_return;
  ++truth_.checkpoints;
  replica.member->checkpoint_finished(index);
  const Status removed = log::remove_older_checkpoints(env_.disk(), checkpoint_folder(), replica.group, index);
  if (removed.ok()) trim();
}

void RaftReplica::trim() {
  std::vector<uint64_t> needed;
  for (const auto& replica : replicas_) needed.push_back(replica->member->needed_from());
  log_->trim(needed);
}

void RaftReplica::Replica::install(raft::Arrival arrival, uint64_t index, std::string prelude) {
  node.scope_.spawn(node.run_install(*this, std::move(arrival), index, std::move(prelude)));
}

Task<void> RaftReplica::run_install(Replica& replica, raft::Arrival arrival, uint64_t index, std::string prelude) {
  co_await env::sleep_for(reactor_, 0);
  replica.toy.reset();
  Status status = co_await log_->sync();
  if (status.ok()) {
    raft::Installation installation{arrival.path(), checkpoint_folder(), log_->log_id(), std::move(prelude)};
    status =
        co_await raft::install_checkpoint(env_.disk(), reactor_, std::move(installation),
                                          [&replica](std::string_view piece) { return replica.toy.load(piece); }, {});
  }
  if (status.ok()) {
    ++truth_.installs;
    replica.toy.check_checkpoint(index);
    status = log::remove_older_checkpoints(env_.disk(), checkpoint_folder(), replica.group, index);
  }
  replica.member->installed(status);
  if (status.ok()) trim();
}

}  // namespace keelson::tests
