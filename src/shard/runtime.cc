#include "shard/runtime.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "env/disk.h"
#include "log/checkpoint_file.h"
#include "shard/call_on.h"
#include "shard/replay.h"
#include "shard/run_on.h"
#include "shard/runtime_inside.h"

namespace keelson::shard {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kWatchEveryNs = 200 * kNsPerMs;
// A failed checkpoint (a full disk, say) is tried again after this.
constexpr int64_t kRetryAfterNs = 10'000 * kNsPerMs;
// One slice of a checkpoint: bounded by time within the engine, by bytes here.
constexpr size_t kSliceBytes = 128 << 10;
// Pieces of a replicated shard's checkpoint before those of its engine: the member's prelude, and the table of slots.
constexpr size_t kPiecesBeforeEngine = 2;
constexpr int64_t kLentPollNs = 200'000;

}  // namespace

// Records of replicated shards are their member's journal; the others are commands.
struct Runtime::JournalReader final : log::RecoveryHandler {
  JournalReader(Replay& replay_commands, Background& of_runtime) : replay(replay_commands), background(of_runtime) {}

  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    if (!is_journal[shard]) {
      replay.on_record(shard, index, time_ms, payload);
    } else if (background.damage[shard].empty()) {
      const Status read = background.journals[shard].on_record(index, payload);
      if (!read.ok()) background.damage[shard] = read.error().message();
    }
  }
  Task<void> on_progress(uint64_t bytes_done, uint64_t bytes_total) override {
    return replay.on_progress(bytes_done, bytes_total);
  }

  Replay& replay;
  Background& background;
  std::vector<bool> is_journal;
};

Runtime::Runtime(env::Env& env, RuntimeOptions options) : env_(env), options_(std::move(options)) {
  KEELSON_CHECK(!options_.services.empty(), "a node serves something");
  KEELSON_CHECK(!options_.make_log || !options_.replication, "a group's journal stands in the local log");
  for (size_t service = 0; service < options_.services.size(); ++service) {
    const size_t count = options_.services[service].shard_count;
    KEELSON_CHECK(count != 0 && service_of_.size() + count <= UINT16_MAX, "shards are numbered with 16 bits");
    add_router(options_.services[service]);
    service_of_.insert(service_of_.end(), count, static_cast<uint16_t>(service));
    // A group's journal must be on the disk before its member says that it is.
    const bool is_journal = is_replicated() && options_.services[service].is_replicated;
    options_.log.durability_of.insert(options_.log.durability_of.end(), count,
                                      is_journal ? log::Durability::kAlways : options_.services[service].durability);
  }
  for (unsigned i = 0; i < router().reactor_count(); ++i) clocks_.push_back(std::make_unique<LogClock>(env.clock()));
  background_ = std::make_unique<Background>(*this);
}

Runtime::~Runtime() = default;

Task<Status> Runtime::start() {
  const int64_t began_ns = env_.clock().monotonic_ns();
  Background& background = *background_;
  background.damage.resize(shards_total());
  background.loaded_time_ms.resize(shards_total());
  background.journals.resize(shards_total());
  for (ShardId id = 0; id < shards_total(); ++id) background.slots.push_back(home_slots(id));
  for (ShardId id = 0; id < shards_total(); ++id) background.engines.push_back(service_of(id).make_engine(id));
  std::vector<Replay::Reached> reached(shards_total());
  if (options_.make_log) {
    for (unsigned i = 0; i < router().reactor_count(); ++i) logs_.push_back(options_.make_log(reactor(i)));
  } else {
    Status recovered = co_await recover(reached);
    if (!recovered.ok()) co_return forward_error(recovered);
  }
  for (ShardId id = 0; id < shards_total(); ++id) {
    const unsigned owner = router().reactor_of(id);
    shards_.push_back(std::make_unique<Shard>(id, std::move(background.engines[id]), *logs_[owner], *clocks_[owner]));
    if (is_replicated(id)) {
      ReplicaOptions options = options_.replication->replica;
      options.node = options_.replication->node;
      shards_[id]->set_replica(
          std::make_unique<Replica>(*shards_[id], reactor(owner), *service_of(id).replay_sink, options));
      shards_[id]->replica()->slots() = background.slots[id];
    }
    const uint64_t index = std::max(background.checkpoint_of[id].index, reached[id].index);
    shards_[id]->recovered_to(index, std::max(background.loaded_time_ms[id], reached[id].time_ms));
    if (!background.damage[id].empty()) {
      log_error("shard", "a shard is stopped because its data is damaged; the others go on",
                {{"shard", id}, {"why", background.damage[id]}});
      shards_[id]->stop_damaged(background.damage[id]);
    }
    recovery_.records_replayed += reached[id].records;
    recovery_.checkpoint_bytes += background.checkpoint_of[id].bytes;
  }
  background.engines.clear();
  if (is_replicated()) co_await make_groups();
  recovery_.duration_ms = (env_.clock().monotonic_ns() - began_ns) / kNsPerMs;
  if (local_log_ != nullptr) {
    trim_log();
    background.scopes[0]->spawn(watch_log());
  }
  co_return Status();
}

Task<Status> Runtime::recover(std::vector<Replay::Reached>& reached) {
  Background& background = *background_;
  background.folder = options_.folder + "/checkpoints";
  if (Status made = env_.disk().make_folder(background.folder); !made.ok()) co_return forward_error(made);
  if (Status removed = log::remove_unfinished_checkpoints(env_.disk(), background.folder); !removed.ok()) {
    co_return forward_error(removed);
  }
  // A checkpoint may have been renamed by a run that was killed before its name was durable; the log is trimmed on its
  // account.
  if (Status synced = co_await env_.disk().sync_folder(background.folder, reactor(0)); !synced.ok()) {
    co_return forward_error(synced);
  }
  if (Status loaded = co_await load_checkpoints(); !loaded.ok()) co_return forward_error(loaded);
  std::vector<uint64_t> first_index;
  for (const Background::Kept& kept : background.checkpoint_of) first_index.push_back(kept.needed_from);
  std::vector<engine::ReplySink*> unheard;
  for (ShardId id = 0; id < shards_total(); ++id) unheard.push_back(service_of(id).replay_sink);
  Replay replay(env_, reactor(0), router(), background.engines, std::move(unheard));
  JournalReader reader(replay, background);
  for (ShardId id = 0; id < shards_total(); ++id) reader.is_journal.push_back(is_replicated(id));
  auto log =
      co_await log::LocalLog::open(env_, reactor(0), options_.folder + "/log", options_.log, first_index, reader);
  // Also if it could not be opened: other reactors may still be applying what had been read.
  co_await replay.finish();
  if (!log.ok()) co_return forward_error(log);
  reached = replay.reached();
  local_log_ = std::move(*log);
  background.log_id = local_log_->log_id();
  for (ShardId id = 0; id < shards_total(); ++id) {
    if (background.damage[id].empty()) background.damage[id] = reached[id].damage;
  }
  for (const log::ShardDamage& damage : local_log_->recovery().damage) {
    if (background.damage[damage.shard].empty()) background.damage[damage.shard] = damage.why;
  }
  for (unsigned i = 0; i < router().reactor_count(); ++i) logs_.push_back(local_log_->make_port(reactor(i)));
  co_return Status();
}

// Every shard's newest checkpoint, all reactors at the same time.
Task<Status> Runtime::load_checkpoints() {
  auto files = log::list_checkpoints(env_.disk(), background_->folder);
  if (!files.ok()) co_return forward_error(files);
  std::vector<std::vector<std::string>> paths(shards_total());
  for (const log::CheckpointFile& file : *files) {
    if (file.shard >= shards_total()) {
      co_return fail(log::LogErrc::kDamaged, file.path + ": a checkpoint of shard " + std::to_string(file.shard) +
                                                 ", but this node has " + std::to_string(shards_total()) +
                                                 " shards: was their number changed?");
    }
    paths[file.shard].push_back(file.path);
  }
  // One message to each other reactor, then this one's own share.
  unsigned left = router().reactor_count();
  struct AllLoaded {
    unsigned& left;
    std::coroutine_handle<>& waiter;
    bool await_ready() const noexcept { return left == 0; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { waiter = handle; }
    void await_resume() const noexcept {}
  };
  std::coroutine_handle<> waiter;
  for (unsigned i = 0; i < router().reactor_count(); ++i) {
    reactor(i).post([this, i, &paths, &left, &waiter] {
      for (unsigned id = i; id < shards_total(); id += router().reactor_count()) {
        load_shard(static_cast<ShardId>(id), paths[id]);
      }
      reactor(0).post([&left, &waiter] {
        if (--left == 0 && waiter) waiter.resume();
      });
    });
  }
  co_await AllLoaded{left, waiter};
  co_return Status();
}

// The newest that is whole; an older one will do if the log still has what follows it.
void Runtime::load_shard(ShardId id, const std::vector<std::string>& paths) {
  std::string why;
  for (const std::string& path : paths) {
    const Status loaded = load_file(id, path);
    if (loaded.ok()) {
      if (!why.empty()) background_->engines[id]->replaced();
      return;
    }
    log_error("shard", "a checkpoint cannot be used", {{"file", path}, {"why", loaded.error().message()}});
    if (why.empty()) why = loaded.error().message();
    background_->engines[id]->reset();
  }
  background_->damage[id] = why;
}

Status Runtime::load_file(ShardId id, const std::string& path) {
  auto reader = log::CheckpointReader::open(env_.disk(), path, options_.log.faults);
  if (!reader.ok()) return forward_error(reader);
  const log::CheckpointHeader header = (*reader)->header();
  if (header.shard != id || header.engine != service_of(id).name) {
    return fail(log::LogErrc::kDamaged, path + ": holds shard " + std::to_string(header.shard) + " of " +
                                            header.engine + ", not shard " + std::to_string(id) + " of " +
                                            service_of(id).name);
  }
  if (header.engine_version > service_of(id).engine_version) {
    return fail(log::LogErrc::kDamaged, path + ": written by a newer version of Keelson (engine version " +
                                            std::to_string(header.engine_version) + ", this one reads up to " +
                                            std::to_string(service_of(id).engine_version) + ")");
  }
  size_t pieces = 0;
  for (;;) {
    auto piece = (*reader)->next();
    if (!piece.ok()) return forward_error(piece);
    if (!*piece) break;
    Status loaded = load_piece(id, pieces++, **piece);
    if (!loaded.ok()) {
      return fail(loaded.error().code(),
                  path + ", before offset " + std::to_string((*reader)->offset()) + ": " + loaded.error().message());
    }
  }
  if (is_replicated(id) && pieces < kPiecesBeforeEngine) {
    return fail(log::LogErrc::kDamaged, path + ": not the checkpoint of a replica");
  }
  Background::Kept& kept = background_->checkpoint_of[id];
  kept.index = header.index;
  kept.needed_from = is_replicated(id) ? background_->journals[id].first_position() : header.index + 1;
  kept.bytes = (*reader)->file_bytes();
  background_->loaded_time_ms[id] = header.time_ms;
  return {};
}

Status Runtime::load_piece(ShardId id, size_t number, std::string_view piece) {
  if (!is_replicated(id) || number >= kPiecesBeforeEngine) return background_->engines[id]->load_checkpoint(piece);
  if (number == 1) return background_->slots[id].decode(piece);
  auto prelude = raft::decode_prelude(piece);
  if (!prelude.ok()) return forward_error(prelude);
  background_->journals[id] = raft::Replay(std::move(*prelude));
  return {};
}

void Runtime::set_durability(size_t service, log::Durability durability) {
  if (local_log_ == nullptr || is_replicated(router(service).first_shard())) return;
  const Router& shards = router(service);
  local_log_->set_durability(shards.first_shard(), shards.shard_count(), durability);
}

log::Durability Runtime::durability(size_t service) const {
  if (local_log_ == nullptr) return options_.services[service].durability;
  return local_log_->durability(router(service).first_shard());
}

Task<Status> Runtime::sync_log(env::Reactor& here) {
  if (local_log_ == nullptr) co_return Status();
  logs_[here.index()]->hand_over();
  if (&here == &reactor(0)) co_return co_await local_log_->sync();
  co_return co_await run_on(here, *background_->scopes[0], reactor(0), local_log_->sync());
}

void Runtime::hold_files() {
  files_held_.fetch_add(1, std::memory_order_relaxed);
  // A trim that is under way ends.
  if (local_log_ != nullptr) local_log_->trim(std::vector<uint64_t>(shards_total(), 0));
}

void Runtime::release_files() {
  if (files_held_.fetch_sub(1, std::memory_order_relaxed) != 1 || local_log_ == nullptr) return;
  // What was kept for the holder alone goes now; what cannot be removed is removed behind the next checkpoint.
  for (ShardId id = 0; id < shards_total(); ++id) {
    const uint64_t index = background_->checkpoint_of[id].index;
    if (index == 0) continue;
    const Status removed = log::remove_older_checkpoints(env_.disk(), background_->folder, id, index);
    if (!removed.ok()) log_warn("shard", "old checkpoints stay for now", {{"why", removed.error().message()}});
  }
  trim_log();
}

void Runtime::trim_log() {
  if (files_held_.load(std::memory_order_relaxed) != 0) return;
  std::vector<uint64_t> needed_from;
  for (const Background::Kept& kept : background_->checkpoint_of) needed_from.push_back(kept.needed_from);
  local_log_->trim(needed_from);
}

Task<void> Runtime::watch_log() {
  while (!background_->is_stopping) {
    co_await env::sleep_for(reactor(0), kWatchEveryNs);
    uint64_t checkpoint_bytes = 0;
    for (const Background::Kept& kept : background_->checkpoint_of) checkpoint_bytes += kept.bytes;
    const uint64_t limit = std::max(options_.checkpoint.log_bytes_min, checkpoint_bytes);
    if (background_->is_stopping || local_log_->bytes_held() < limit) continue;
    if (progress_.is_running || env_.clock().monotonic_ns() < background_->retry_at_ns) continue;
    const Status done = co_await checkpoint_all(false);
    if (!done.ok()) background_->retry_at_ns = env_.clock().monotonic_ns() + kRetryAfterNs;
  }
}

Task<Status> Runtime::checkpoint_all(bool is_urgent) {
  if (local_log_ == nullptr) co_return fail(log::LogErrc::kStopped, "shard: this log keeps its own checkpoints");
  while (progress_.is_running) co_await env::sleep_for(reactor(0), kCheckpointWaitNs);
  const int64_t began_ns = env_.clock().monotonic_ns();
  background_->is_urgent = is_urgent;
  progress_.is_running = true;
  progress_.shards_done = 0;
  progress_.shards_total = shards_total();
  progress_.bytes_written = 0;
  Status outcome;
  for (ShardId id = 0; id < shards_total() && outcome.ok(); ++id) {
    outcome = co_await checkpoint_shard(id);
    ++progress_.shards_done;
  }
  progress_.is_running = false;
  progress_.last_duration_ms = (env_.clock().monotonic_ns() - began_ns) / kNsPerMs;
  if (outcome.ok()) {
    progress_.last_error.clear();
    progress_.last_completed_wall_ms = env_.clock().wall_ms();
  } else {
    ++progress_.failed;
    progress_.last_error = outcome.error().message();
    log_error("shard", "a checkpoint failed; the log keeps what it would have replaced",
              {{"why", outcome.error().message()}});
  }
  trim_log();
  co_return outcome;
}

Task<Status> Runtime::checkpoint_shard(ShardId id) {
  Background::Kept& kept = background_->checkpoint_of[id];
  env::Reactor& home = reactor(0);
  env::TaskScope& scope = *background_->scopes[router().reactor_of(id)];
  Status status = co_await run_on(home, scope, reactor_of(id), write_pieces(id));
  if (status.ok() && kept.writer != nullptr) {
    // The checkpoint must not be ahead of what the log can replay: its records are made durable first.
    status = co_await local_log_->sync();
    if (status.ok()) status = co_await run_on(home, scope, reactor_of(id), finish_file(id));
    if (status.ok()) {
      // A checkpoint that came from another node meanwhile is newer.
      kept.index = std::max(kept.index, kept.next_index);
      kept.needed_from = std::max(kept.needed_from, kept.next_needed_from);
      kept.bytes = kept.next_bytes;
      progress_.bytes_written += kept.bytes;
      ++progress_.completed;
    }
  }
  co_await call_on(home, reactor_of(id), [&kept] {
    kept.source.reset();
    kept.writer.reset();
  });
  co_return status;
}

// On the owner. Leaves no writer if the shard has not changed since its last checkpoint (or is damaged).
Task<Status> Runtime::write_pieces(ShardId id) {
  Shard& target = shard(id);
  Background::Kept& kept = background_->checkpoint_of[id];
  env::Reactor& here = reactor_of(id);
  ShardGroup* group = shard_groups_.empty() ? nullptr : shard_groups_[id].get();
  const auto is_between_records = [&] {
    return !target.is_lent() && (target.replica() == nullptr || target.replica()->is_at_entry_end());
  };
  while (!is_between_records()) co_await env::sleep_for(here, kLentPollNs);
  if (target.damage()) co_return Status();
  // A member that has halted in this turn has not told the group yet.
  if (group != nullptr &&
      (group->member() == nullptr || !group->member()->status().halted.empty() || target.replica()->is_tainted())) {
    co_return Status();
  }
  kept.next_index = group != nullptr ? group->member()->applied_index() : target.applied_index();
  if (kept.next_index == kept.index) {
    if (group != nullptr && kept.index != 0) group->checkpoint_finished(kept.index);
    co_return Status();
  }
  kept.next_time_ms = target.last_time_ms();
  kept.source = target.engine().begin_checkpoint();
  std::vector<std::string> pieces_before;
  if (group != nullptr) {
    Buffer slots;
    target.replica()->slots().encode(slots);
    pieces_before = {group->member()->prelude(), std::string(slots.view())};
  }
  target.log().hand_over();
  auto writer = log::CheckpointWriter::create(
      env_.disk(), here, background_->folder,
      {service_of(id).name, service_of(id).engine_version, id, kept.next_index, kept.next_time_ms, background_->log_id},
      {.faults = options_.log.faults});
  if (!writer.ok()) co_return forward_error(writer);
  kept.writer = std::move(*writer);
  for (const std::string& before : pieces_before) {
    Status written = co_await kept.writer->append(before);
    if (!written.ok()) co_return forward_error(written);
  }
  Buffer piece;
  bool is_last = false;
  while (!is_last) {
    while (target.is_lent()) co_await env::sleep_for(here, kLentPollNs);
    if (kept.source == nullptr) {
      // Another node's state takes the place of what was being written.
      kept.writer.reset();
      co_return Status();
    }
    const int64_t began_ns = here.clock().monotonic_ns();
    piece.clear();
    is_last = kept.source->next(kSliceBytes, piece);
    Status written = co_await kept.writer->append(piece.view());
    if (!written.ok()) co_return forward_error(written);
    const int64_t took_ns = here.clock().monotonic_ns() - began_ns;
    const unsigned percent = background_->is_urgent ? 100 : std::clamp(options_.checkpoint.cpu_percent_max, 1U, 100U);
    // Even when it is urgent, others get their turn.
    co_await env::sleep_for(here, took_ns * (100 - percent) / percent);
  }
  while (target.is_lent()) co_await env::sleep_for(here, kLentPollNs);
  // The source is in use until this has ended: what it belongs to does not come to take it away.
  std::unique_ptr<engine::CheckpointSource> source = std::move(kept.source);
  if (source == nullptr) {
    kept.writer.reset();
    co_return Status();
  }
  Status durable = co_await source->make_durable(here);
  while (target.is_lent()) co_await env::sleep_for(here, kLentPollNs);
  source.reset();
  co_return durable;
}

Task<Status> Runtime::finish_file(ShardId id) {
  Background::Kept& kept = background_->checkpoint_of[id];
  Status finished = co_await kept.writer->finish();
  if (!finished.ok()) co_return forward_error(finished);
  kept.next_bytes = kept.writer->bytes_written();
  kept.next_needed_from = kept.next_index + 1;
  while (shard(id).is_lent()) co_await env::sleep_for(reactor_of(id), kLentPollNs);
  shard(id).engine().checkpoint_completed();
  if (!shard_groups_.empty() && shard_groups_[id] != nullptr) {
    shard_groups_[id]->checkpoint_finished(kept.next_index);
    kept.next_needed_from = shard_groups_[id]->needed_from();
  }
  if (files_held_.load(std::memory_order_relaxed) != 0) co_return Status();
  co_return log::remove_older_checkpoints(env_.disk(), background_->folder, id, kept.next_index);
}

Task<Status> Runtime::stop(bool with_checkpoint) {
  background_->is_stopping = true;
  co_await background_->scopes[0]->join();
  Status status;
  if (local_log_ != nullptr) {
    if (is_replicated()) co_await give_leads_away();
    if (with_checkpoint) status = co_await checkpoint_all(true);
    if (is_replicated()) co_await stop_groups();
    for (unsigned i = 0; i < router().reactor_count(); ++i) {
      co_await call_on(reactor(0), reactor(i), [&] { logs_[i]->hand_over(); });
    }
    const Status stopped = co_await local_log_->stop();
    if (status.ok()) status = stopped;
  }
  co_return status;
}

}  // namespace keelson::shard
