#include "shard/shard_group.h"

#include <coroutine>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "log/checkpoint_file.h"
#include "raft/checkpoint.h"

namespace keelson::shard {

namespace {
constexpr int64_t kPollNs = 1'000'000;
// While the disk has no room for a checkpoint that came from another node.
constexpr int64_t kFullRetryNs = 500'000'000;
// A member whose node did not take a checkpoint and its files, for want of room maybe, is not sent them again at once:
// each try may cost a large file before that is known.
constexpr int64_t kSendRetryNs = 1'000'000'000;
}  // namespace

// Waits until nobody else has the shard.
class ShardGroup::TakeShard final : public LoanRequest {
 public:
  explicit TakeShard(Replica& replica) : replica_(replica) {}
  bool await_ready() {
    replica_.lend_for_install(*this);
    return is_granted_;
  }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  void await_resume() const noexcept {}
  void granted(Shard&) override {
    is_granted_ = true;
    if (waiter_) waiter_.resume();
  }

 private:
  Replica& replica_;
  bool is_granted_ = false;
  std::coroutine_handle<> waiter_;
};

ShardGroup::ShardGroup(Parts parts, raft::MemberOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      files_(parts_.env.disk(), parts_.reactor, parts_.shard, parts_.checkpoint_folder, parts_.faults),
      alive_(std::make_shared<bool>(true)),  // tidy: shared_ptr, see there
      tasks_(parts_.reactor) {
  replica().set_listener(this);
}

ShardGroup::~ShardGroup() { *alive_ = false; }

void ShardGroup::start(raft::Replay recovered, uint64_t checkpoint_index, const std::vector<NodeId>& voters) {
  KEELSON_CHECK(!is_in_, "a node has one member of a group");
  is_in_ = true;
  checkpoint_index_ = checkpoint_index;
  member_ = std::make_unique<raft::Member>(
      raft::Member::Parts{parts_.env, parts_.reactor, parts_.journal, parts_.messenger, replica(), *this}, options_,
      std::move(recovered));
  replica().set_log(member_.get());
  parts_.groups.add(*member_);
  member_->start(voters);
}

void ShardGroup::detach(LogErrc why) {
  if (!std::exchange(is_in_, false)) return;
  parts_.groups.remove(*member_);
  replica().set_log(nullptr, why);
}

Task<Result<raft::Replay>> ShardGroup::leave() {
  if (std::exchange(is_leaving_, true)) co_return fail(log::LogErrc::kRefused, "shard: the replica is leaving already");
  auto left = co_await leave_now();
  is_leaving_ = false;
  co_return left;
}

Task<Result<raft::Replay>> ShardGroup::leave_now() {
  while (is_installing_ || !replica().is_at_entry_end()) co_await env::sleep_for(parts_.reactor, kPollNs);
  if (member() == nullptr || !member_->status().halted.empty()) {
    co_return fail(log::LogErrc::kRefused, "shard: the replica has left or stopped meanwhile");
  }
  detach(LogErrc::kNotLeader);
  member_->stop();
  while (!member_->is_settled()) co_await env::sleep_for(parts_.reactor, kPollNs);
  raft::Prelude prelude = member_->absence();
  member_.reset();
  files_.drop();
  co_await TakeShard(replica());
  parts_.host.will_install(parts_.shard.id());
  parts_.shard.engine().reset();
  replica().slots().clear();
  replica().installed(0, 0);
  checkpoint_index_ = 0;
  Status written = co_await write_absence(prelude);
  if (written.ok()) parts_.shard.engine().replaced();
  parts_.shard.give_back();
  if (!written.ok()) co_return forward_error(written);
  co_return raft::Replay(std::move(prelude));
}

Task<Status> ShardGroup::write_absence(const raft::Prelude& prelude) {
  const ShardId id = parts_.shard.id();
  auto before = log::list_checkpoints(parts_.env.disk(), parts_.checkpoint_folder);
  if (!before.ok()) co_return forward_error(before);
  // The journal up to there must not be cut off by a crash, or what is appended next would not follow.
  parts_.journal.hand_over();
  if (Status synced = co_await parts_.host.sync_journal(parts_.reactor); !synced.ok()) co_return forward_error(synced);
  auto writer = log::CheckpointWriter::create(parts_.env.disk(), parts_.reactor, parts_.checkpoint_folder,
                                              {.engine = parts_.engine,
                                               .engine_version = parts_.engine_version,
                                               .shard = id,
                                               .index = 0,
                                               .time_ms = parts_.shard.last_time_ms(),
                                               .log_id = parts_.log_id},
                                              {.faults = parts_.faults});
  if (!writer.ok()) co_return forward_error(writer);
  const std::string first = raft::encode_prelude(prelude);
  if (Status appended = co_await (*writer)->append(first); !appended.ok()) co_return forward_error(appended);
  Buffer slots;
  replica().slots().encode(slots);
  if (Status appended = co_await (*writer)->append(slots.view()); !appended.ok()) co_return forward_error(appended);
  if (Status finished = co_await (*writer)->finish(); !finished.ok()) co_return forward_error(finished);
  for (const log::CheckpointFile& file : *before) {
    if (file.shard != id || file.index == 0) continue;
    if (Status removed = parts_.env.disk().remove(file.path); !removed.ok()) co_return forward_error(removed);
  }
  // One that came back would miss what the log no longer keeps.
  co_return co_await parts_.env.disk().sync_folder(parts_.checkpoint_folder, parts_.reactor);
}

bool ShardGroup::give_lead_away() {
  if (!is_in_ || !member_->is_leader_here()) return true;
  const raft::MemberStatus status = member_->status();
  const raft::PeerStatus* best = nullptr;
  for (const raft::PeerStatus& peer : status.peers) {
    if (peer.node == options_.node || peer.is_learner || !peer.is_active || peer.needs_checkpoint) continue;
    if (best == nullptr || peer.matched > best->matched) best = &peer;
  }
  if (best == nullptr) return true;
  // Not kOk: it is under way already.
  static_cast<void>(member_->transfer_leader(best->node));
  return false;
}

void ShardGroup::stop() {
  if (member_ == nullptr) return;
  detach(LogErrc::kStopped);
  member_->stop();
}

void ShardGroup::checkpoint_finished(uint64_t index) {
  // One that came from another node meanwhile is newer.
  if (index < checkpoint_index_) return;
  checkpoint_index_ = index;
  if (member_ != nullptr) member_->checkpoint_finished(index);
}

uint64_t ShardGroup::needed_from() const { return member_ != nullptr ? member_->needed_from() : UINT64_MAX; }

void ShardGroup::checkpoint_wanted() { parts_.host.want_checkpoint(parts_.shard.id()); }

void ShardGroup::send_checkpoint(NodeId to, uint64_t index, std::string message, std::function<void(bool)> done) {
  if (index != checkpoint_index_ || index == 0) {
    parts_.reactor.post([done = std::move(done)] { done(false); });
    return;
  }
  const ShardId id = parts_.shard.id();
  std::string path = parts_.checkpoint_folder + "/" + log::checkpoint_name(id, index);
  if (files_.are_there()) {
    // From this turn on, in which it is the newest checkpoint.
    parts_.shard.engine().hold_files();
    tasks_.spawn(send_with_files(to, std::move(message), std::move(path), std::move(done)));
  } else {
    parts_.messenger.send_file(to, id, std::move(message), std::move(path), {}, std::move(done));
  }
}

Task<void> ShardGroup::send_with_files(NodeId to, std::string message, std::string path,
                                       std::function<void(bool)> done) {
  auto files = co_await files_.collect(path);
  if (!files.ok()) {
    log_warn("shard", "a checkpoint cannot be sent to another node",
             {{"shard", parts_.shard.id()}, {"to", to}, {"why", files.error().message()}});
    parts_.shard.engine().release_files();
    co_await tell_later(std::move(done));
    co_return;
  }
  parts_.messenger.send_file(to, parts_.shard.id(), std::move(message), std::move(path), std::move(*files),
                             [this, alive = alive_, done = std::move(done)](bool has_arrived) {
                               if (*alive) parts_.shard.engine().release_files();
                               if (!*alive || has_arrived) return done(has_arrived);
                               tasks_.spawn(tell_later(done));
                             });
}

Task<void> ShardGroup::tell_later(std::function<void(bool)> done) {
  co_await env::sleep_for(parts_.reactor, kSendRetryNs);
  done(false);
}

Task<Status> ShardGroup::examine(const raft::Arrival& arrival) { co_return co_await files_.examine(arrival); }

void ShardGroup::install(raft::Arrival arrival, uint64_t index, std::string prelude) {
  is_installing_ = true;
  tasks_.spawn(install_file(std::move(arrival), index, std::move(prelude)));
}

Task<void> ShardGroup::install_file(raft::Arrival arrival, uint64_t index, std::string prelude) {
  co_await TakeShard(replica());
  Status loaded = co_await load_from(arrival, index, prelude);
  // Room may come, and nothing is lost meanwhile: the member waits.
  for (bool is_told = false; !loaded.ok() && loaded.error().code() == env::DiskErrc::kFull && member() != nullptr &&
                             member_->status().halted.empty();
       is_told = true) {
    if (!is_told) {
      log_warn("shard", "there is no room for a checkpoint that came from another node; it is taken over once there is",
               {{"shard", parts_.shard.id()}, {"why", loaded.error().message()}});
    }
    co_await env::sleep_for(parts_.reactor, kFullRetryNs);
    loaded = co_await load_from(arrival, index, prelude);
  }
  files_.drop();
  const std::string why = loaded.ok() ? "" : loaded.error().message();
  const bool is_damaged = !loaded.ok() && loaded.error().code() == LogErrc::kDamaged;
  if (loaded.ok()) {
    checkpoint_index_ = index;
    parts_.shard.engine().replaced();
  } else {
    log_error("shard", "a checkpoint that came from another node cannot be taken over",
              {{"shard", parts_.shard.id()}, {"why", why}});
  }
  member_->installed(std::move(loaded));
  if (why.empty()) {
    parts_.host.checkpoint_installed(parts_.shard.id(), index, member_->needed_from());
  } else if (is_damaged && !parts_.shard.damage()) {
    parts_.shard.stop_damaged(why);
  } else {
    // What it holds now is no state of any index: nothing that waits may be answered from it.
    detach(LogErrc::kFailed);
  }
  parts_.shard.give_back();
  is_installing_ = false;
}

Task<Status> ShardGroup::load_from(raft::Arrival& arrival, uint64_t index, std::string prelude) {
  auto file = log::CheckpointReader::open(parts_.env.disk(), arrival.path(), parts_.faults);
  if (!file.ok()) co_return forward_error(file);
  const int64_t time_ms = (*file)->header().time_ms;
  file->reset();
  parts_.journal.hand_over();
  if (Status synced = co_await parts_.host.sync_journal(parts_.reactor); !synced.ok()) co_return forward_error(synced);
  parts_.host.will_install(parts_.shard.id());
  parts_.shard.engine().reset();
  if (Status placed = co_await files_.place(arrival); !placed.ok()) co_return forward_error(placed);
  // Again: a checkpoint that had been begun may have opened files meanwhile, as they were before.
  parts_.shard.engine().reset();
  pieces_loaded_ = 0;
  Status installed = co_await raft::install_checkpoint(
      parts_.env.disk(), parts_.reactor,
      {.from = arrival.path(),
       .folder = parts_.checkpoint_folder,
       .log_id = parts_.log_id,
       .prelude = std::move(prelude)},
      [this](std::string_view piece) { return load_piece(piece); }, parts_.faults);
  if (!installed.ok()) co_return forward_error(installed);
  replica().installed(index, time_ms);
  co_return Status();
}

Status ShardGroup::load_piece(std::string_view piece) {
  if (pieces_loaded_++ == 0) return replica().slots().decode(piece);
  return parts_.shard.engine().load_checkpoint(piece);
}

void ShardGroup::members_changed(const raft::Members& members) {
  if (parts_.listener != nullptr) parts_.listener->members_changed(parts_.shard.id(), members);
}

// In a later turn: the member is the caller.
void ShardGroup::halted(const std::string& why) {
  log_error("shard", "this node's replica of a shard has stopped; the others of its group go on",
            {{"shard", parts_.shard.id()}, {"why", why}});
  is_halted_ = true;
  parts_.reactor.post([this, why] {
    detach(LogErrc::kFailed);
    if (parts_.listener != nullptr) parts_.listener->replica_stopped(parts_.shard.id(), why);
  });
}

void ShardGroup::leader_changed(Shard& shard, NodeId leader, bool is_here) {
  if (shard.listener() != nullptr) shard.listener()->leader_changed(shard, leader, is_here);
  if (parts_.listener != nullptr) parts_.listener->leader_changed(shard.id(), leader, is_here);
}

// In a later turn: the member may be the caller.
void ShardGroup::damaged(Shard& shard) {
  parts_.reactor.post([this] {
    if (!is_in_) return;
    stop();
    if (parts_.listener != nullptr) parts_.listener->replica_stopped(parts_.shard.id(), *parts_.shard.damage());
  });
}

}  // namespace keelson::shard
