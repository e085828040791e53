#include "topics/sweeper.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/logging.h"
#include "engine/topic/compaction.h"
#include "engine/topic/topic_engine.h"
#include "env/disk.h"
#include "env/env.h"
#include "shard/visit.h"

namespace keelson::topics::detail {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// It sleeps in naps of this, so that stop() need not wait.
constexpr int64_t kNapNs = 50 * kNsPerMs;
constexpr int64_t kFilesEveryNs = 1'000 * kNsPerMs;

topic::TopicEngine& engine_of(shard::Shard& shard) { return static_cast<topic::TopicEngine&>(shard.engine()); }

}  // namespace

Sweeper::Sweeper(Topics& topics, Desk& desk, const TopicsOptions& options, TopicsStats& stats)
    : topics_(topics), desk_(desk), here_(desk.reactor()), options_(options), stats_(stats) {
  for (uint16_t i = 0; i < topics.router().shard_count(); ++i) {
    const shard::ShardId id = topics.shard_at(i);
    if (topics.router().reactor_of(id) == here_.index()) shards_.push_back(id);
  }
}

Task<void> Sweeper::run() {
  for (shard::ShardId id : shards_) {
    if (is_stopping_) co_return;
    co_await remove_files(id);
  }
  int64_t sweep_at_ns = here_.clock().monotonic_ns() + options_.retention_check_ms * kNsPerMs;
  int64_t files_at_ns = here_.clock().monotonic_ns() + kFilesEveryNs;
  while (!is_stopping_) {
    co_await env::sleep_for(here_, std::min(kNapNs, options_.retention_check_ms * kNsPerMs));
    const int64_t now_ns = here_.clock().monotonic_ns();
    const bool is_due = now_ns >= sweep_at_ns;
    const bool has_files = now_ns >= files_at_ns;
    for (shard::ShardId id : shards_) {
      if (is_stopping_) break;
      // A disk that was full may have room again.
      if (has_files) desk_.touched(id);
      if (is_due) co_await trim(id);
      if (has_files) co_await remove_files(id);
      if (is_due) co_await compact(id);
    }
    if (is_due) sweep_at_ns = here_.clock().monotonic_ns() + options_.retention_check_ms * kNsPerMs;
    if (has_files) files_at_ns = here_.clock().monotonic_ns() + kFilesEveryNs;
  }
}

Task<void> Sweeper::trim(shard::ShardId id) {
  if (!topics_.leads(id)) co_return;
  std::vector<topic::TrimPartition> due = co_await shard::visit(topics_.runtime(), here_, id, [](shard::Shard& shard) {
    if (shard.damage()) return std::vector<topic::TrimPartition>();
    return engine_of(shard).due_trims(shard.clock().refresh());
  });
  for (const topic::TrimPartition& trim : due) {
    if (is_stopping_ || !topics_.leads(id)) co_return;
    const Asked asked = co_await topics_.ask(here_, id, trim);
    if (asked.ok()) stats_.trims.add();
  }
}

Task<void> Sweeper::remove_files(shard::ShardId id) {
  if (topics_.are_files_held()) co_return;
  std::vector<std::string> files = co_await shard::visit(topics_.runtime(), here_, id, [id](shard::Shard& shard) {
    if (shard.damage()) return std::vector<std::string>();
    std::vector<std::string> found = engine_of(shard).take_garbage();
    if (!engine_of(shard).are_strays_due()) return found;
    Result<std::vector<std::string>> strays = engine_of(shard).find_strays();
    if (strays.ok()) {
      found.insert(found.end(), strays->begin(), strays->end());
    } else {
      log_warn("topic", "files that a crash may have left cannot be looked for",
               {{"shard", id}, {"why", strays.error().message()}});
    }
    return found;
  });
  if (files.empty()) co_return;
  if (const Status synced = co_await topics_.runtime().sync_log(here_); !synced.ok()) {
    // They are looked for again.
    co_await shard::visit(topics_.runtime(), here_, id,
                          [](shard::Shard& shard) { engine_of(shard).look_for_strays_again(); });
    log_warn("topic", "segments that are not used stay, because the log cannot be synced",
             {{"files", files.size()}, {"why", synced.error().message()}});
    co_return;
  }
  for (const std::string& path : files) {
    while (topics_.are_files_held() && !is_stopping_) co_await env::sleep_for(here_, kNapNs);
    if (is_stopping_) co_return;
    co_await remove_file(id, path);
    // A large file takes its time.
    co_await env::sleep_for(here_, 0);
  }
}

// Alone with the shard: another node's state may have brought a file of that name meanwhile.
Task<void> Sweeper::remove_file(shard::ShardId id, const std::string& path) {
  env::Disk& disk = topics_.runtime().env().disk();
  const Result<bool> removed =
      co_await shard::visit(topics_.runtime(), here_, id, [&disk, &path](shard::Shard& shard) -> Result<bool> {
        if (shard.damage() || !engine_of(shard).is_unused(path) || !disk.exists(path)) return false;
        if (Status done = disk.remove(path); !done.ok()) return forward_error(done);
        return true;
      });
  if (!removed.ok()) {
    log_warn("topic", "a segment that is not used cannot be removed", {{"why", removed.error().message()}});
  } else if (*removed) {
    stats_.files_removed.add();
  }
}

Task<void> Sweeper::compact(shard::ShardId id) {
  const uint64_t seed = here_.random().next();
  const uint64_t replaced = replaced_[id];
  while (!is_stopping_ && options_.compaction_percent != 0) {
    std::unique_ptr<topic::Compaction> run =
        co_await shard::visit(topics_.runtime(), here_, id, [&](shard::Shard& shard) {
          if (shard.damage()) return std::unique_ptr<topic::Compaction>();
          return engine_of(shard).next_compaction(shard.clock().refresh(), options_.compaction_memory_bytes, seed);
        });
    if (run == nullptr) co_return;
    bool is_done = false;
    for (bool is_more = true; is_more && !is_stopping_;) {
      const int64_t began_ns = here_.clock().monotonic_ns();
      const Result<bool> step = co_await run->step(here_);
      is_more = step.ok() && *step;
      is_done = step.ok() && !*step;
      if (!step.ok()) {
        stats_.compactions_failed.add();
        log_warn("topic", "a compaction was cut short", {{"why", step.error().message()}});
      }
      co_await rest(here_.clock().monotonic_ns() - began_ns);
    }
    if (is_done) stats_.compactions.add();
    stats_.compacted_bytes.add(run->counts().bytes_before);
    stats_.compacted_bytes_left.add(run->counts().bytes_after);
    // Of another state, whose files it may not name; what was made is found as strays.
    if (replaced_[id] != replaced) co_return;
    co_await shard::visit(topics_.runtime(), here_, id, [&](shard::Shard& shard) {
      if (replaced_[id] == replaced) engine_of(shard).install(*run);
    });
  }
}

Task<void> Sweeper::rest(int64_t worked_ns) {
  const auto percent = static_cast<int64_t>(std::clamp(options_.compaction_percent, 1U, 100U));
  co_await env::sleep_for(here_, std::min(worked_ns * (100 - percent) / percent, kNapNs));
}

}  // namespace keelson::topics::detail
