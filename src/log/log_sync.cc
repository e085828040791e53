// LogHome, the syncing: group commit, starting behind what was recovered, stopping, trimming.
#include <algorithm>
#include <coroutine>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "log/log_home.h"
#include "log/log_port.h"

namespace keelson::log {

namespace {

// While syncs follow one another without a pause, marks take at most this part of the log.
constexpr uint64_t kRecordBytesPerMarkByte = 16;

class CommitAwaiter final : public CommitWaiter {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  LogErrc await_resume() const noexcept { return outcome_; }
  void committed(LogErrc outcome) override {
    outcome_ = outcome;
    waiter_.resume();
  }

 private:
  LogErrc outcome_ = LogErrc::kOk;
  std::coroutine_handle<> waiter_;
};

}  // namespace

// Group commit.

void LogHome::arm_interval() {
  if (is_interval_armed_ || written_position_ == synced_position_) return;
  if (!shared_.durability.has_interval()) return;
  is_interval_armed_ = true;
  interval_timer_.arm_after(options_.sync_interval_ms * 1'000'000);
}

void LogHome::start_sync_if_wanted() {
  if (is_syncing_ || has_failed() || synced_position_ >= std::min(wanted_position_, written_position_)) return;
  is_syncing_ = true;
  scope_.spawn(sync_until_done());
}

Task<void> LogHome::sync_until_done() {
  while (!has_failed() && synced_position_ < std::min(wanted_position_, written_position_)) {
    if (!co_await sync_once()) break;
  }
  is_syncing_ = false;
}

Task<bool> LogHome::sync_once() {
  const uint64_t position = written_position_;
  const LogPlace place{active_->number, active_->used_bytes};
  std::vector<Segment*> round;
  for (Segment& segment : store_.row()) {
    if (std::exchange(segment.is_dirty, false)) round.push_back(&segment);
  }
  const int64_t begun_ns = reactor_.clock().monotonic_ns();
  Status status = co_await sync_files(round);
  if (!status.ok()) {
    stats_.sync_failures.add();
    fail("a sync failed", status.error());
  }
  if (has_failed()) co_return false;
  const int64_t ended_ns = reactor_.clock().monotonic_ns();
  stats_.syncs.add();
  stats_.sync_ns.record(static_cast<uint64_t>(ended_ns - begun_ns));
  stats_.last_sync_ns.set(ended_ns);
  for (Segment* segment : round) {
    if (segment != active_ && !segment->is_dirty) segment->file.reset();
  }
  after_sync(place, position);
  co_return true;
}

Task<Status> LogHome::sync_files(const std::vector<Segment*>& round) {
  const bool with_folder = std::exchange(store_.is_folder_dirty, false);
  for (Segment* segment : round) {
    if (options_.faults.skip_sync) continue;
    Status status = co_await segment->file->sync(reactor_);
    if (!status.ok()) co_return status;
  }
  if (with_folder && !options_.faults.skip_folder_sync) co_return co_await disk_.sync_folder(store_.folder(), reactor_);
  co_return Status();
}

void LogHome::after_sync(LogPlace place, uint64_t position) {
  synced_place_ = place;
  synced_position_ = position;
  stats_.unsynced_bytes.set(static_cast<int64_t>(written_position_ - synced_position_));
  clean_up_recovered();
  const bool is_idle = appended_position() == position;
  const uint64_t busy_bytes = kRecordBytesPerMarkByte * mark_bytes(last_index_.size());
  if (bytes_since_mark_ >= (is_idle ? 1 : busy_bytes)) {
    is_mark_due_ = true;
    schedule_flush();
  }
  commit_groups(position, LogErrc::kOk);
}

void LogHome::commit_groups(uint64_t position, LogErrc outcome) {
  while (!groups_.empty() && groups_.front().position <= position) {
    CommitGroup group = std::move(groups_.front());
    groups_.pop_front();
    if (group.port == nullptr) {
      group.waiters.tell(outcome);
    } else {
      group.port->tell(group.waiters, outcome);
    }
  }
}

Task<Status> LogHome::sync() {
  flush();
  const uint64_t position = appended_position();
  if (has_failed()) co_return keelson::fail(LogErrc::kFailed, failure_);
  if (position != written_position_) co_return keelson::fail(LogErrc::kFull, "log: no room to write what waits");
  if (synced_position_ >= position) co_return Status();
  CommitAwaiter synced;
  CommitGroup& group = groups_.emplace_back();
  group.position = position;
  group.waiters.push(synced);
  wanted_position_ = std::max(wanted_position_, position);
  start_sync_if_wanted();
  const LogErrc outcome = co_await synced;
  if (outcome != LogErrc::kOk) co_return keelson::fail(outcome, failure_);
  co_return Status();
}

// Starting and stopping.

namespace {

// Writes what is read at [from, to), unchanged.
Status write_again(env::File& file, uint64_t from, uint64_t to) {
  constexpr uint64_t kStepBytes = uint64_t{1} << 20;
  std::string bytes;
  while (from < to) {
    bytes.resize(std::min(kStepBytes, to - from));
    Result<size_t> count = file.read_at(from, bytes);
    if (!count.ok()) return forward_error(count);
    if (*count == 0) break;
    if (Status status = file.write_at(from, std::string_view(bytes).substr(0, *count)); !status.ok()) return status;
    from += *count;
  }
  return {};
}

}  // namespace

Task<Status> LogHome::start(RecoveredLog recovered, std::vector<uint64_t> first_index) {
  log_id_ = recovered.log_id;
  if (recovered.report.is_new) {
    while (log_id_ == 0) log_id_ = reactor_.random().next();
  }
  last_number_ = recovered.highest_number;
  recovery_ = recovered.report;
  for (size_t i = 0; i < first_index.size(); ++i) {
    // A checkpoint may be ahead of what is left of the log.
    recovery_.last_index[i] = std::max(recovery_.last_index[i], first_index[i] - 1);
  }
  last_index_ = recovery_.last_index;
  overhead_bytes_ = kPartHeaderBytes * (last_index_.size() + 1) + 2 * mark_bytes(last_index_.size());
  Status status = co_await sync_recovered(recovered);
  if (!status.ok()) co_return status;
  adopt(recovered);
  if (begin_segment(0)) {
    keep_spares_ready();
    if (!has_failed()) co_await sync_once();
  } else if (!has_failed() && full_because_ != env::DiskErrc::kFull) {
    co_return keelson::fail(full_because_,
                            "log: cannot make a segment in " + store_.folder() + ": " + full_because_.message());
  }
  publish_room();
  if (has_failed()) co_return keelson::fail(LogErrc::kFailed, failure_);
  co_return Status();
}

Task<Status> LogHome::sync_recovered(const RecoveredLog& recovered) {
  // What was read, and will now be built upon, may have been in the page cache alone; its names too. It is written once
  // more before it is synced: where a sync of an earlier run failed, the kernel may count pages as clean that never
  // reached the disk, and would say yes to a sync without writing them.
  for (const RecoveredSegment& segment : recovered.segments) {
    if (segment.number < recovered.synced.segment || options_.faults.skip_sync) continue;
    Result<std::unique_ptr<env::File>> file = disk_.open(segment.path, env::OpenMode::kReadWrite);
    if (!file.ok()) co_return forward_error(file);
    const uint64_t from = segment.number == recovered.synced.segment ? recovered.synced.offset : 0;
    Status status = write_again(**file, from, segment.end_offset);
    if (status.ok()) status = co_await (*file)->sync(reactor_);
    if (!status.ok()) co_return status;
  }
  if (options_.faults.skip_folder_sync) co_return Status();
  co_return co_await disk_.sync_folder(store_.folder(), reactor_);
}

void LogHome::adopt(RecoveredLog& recovered) {
  needs_clean_up_ = true;
  for (std::string& path : recovered.leftovers) {
    if (path.ends_with(kSpareSuffix)) {
      store_.remove(path);
    } else {
      remove_at_clean_up_.push_back(std::move(path));
    }
  }
  // Runs of the program that wrote nothing leave no segment behind.
  while (!recovered.has_holes && !recovered.segments.empty() && !recovered.segments.back().has_records) {
    remove_at_clean_up_.push_back(std::move(recovered.segments.back().path));
    recovered.segments.pop_back();
  }
  for (RecoveredSegment& from : recovered.segments) {
    Segment segment;
    segment.number = from.number;
    segment.path = std::move(from.path);
    segment.file_bytes = from.file_bytes;
    segment.used_bytes = from.end_offset;
    segment.last_index = std::move(from.last_index);
    end_of_previous_ = {segment.number, segment.used_bytes};
    store_.adopt(std::move(segment));
  }
  synced_place_ = end_of_previous_;
}

void LogHome::clean_up_recovered() {
  if (!std::exchange(needs_clean_up_, false)) return;
  for (const std::string& path : remove_at_clean_up_) store_.remove(path);
  remove_at_clean_up_.clear();
  for (Segment& segment : store_.row()) {
    if (segment.file != nullptr || segment.file_bytes <= segment.used_bytes) continue;
    Result<std::unique_ptr<env::File>> file = disk_.open(segment.path, env::OpenMode::kReadWrite);
    Status status;
    if (!file.ok()) {
      status = forward_error(file);
    } else {
      status = (*file)->truncate(segment.used_bytes);
    }
    if (status.ok()) {
      segment.file_bytes = segment.used_bytes;
    } else {
      log_warn("log", "cannot cut a segment off where it ends",
               {{"file", segment.path}, {"error", status.error().message()}});
    }
  }
  store_.publish_sizes();
}

Task<Status> LogHome::stop() {
  if (!has_failed()) shared_.state.store(LogErrc::kStopped, std::memory_order_relaxed);
  Status status = co_await sync();
  if (status.ok() && active_ != nullptr) {
    is_mark_due_ = true;
    flush();
    if (!has_failed()) co_await sync_once();
    if (has_failed()) status = keelson::fail(LogErrc::kFailed, failure_);
  }
  co_await scope_.join();
  // Whoever waits may destroy the log: not from within one of its own calls.
  co_await env::sleep_for(reactor_, 0);
  co_return status;
}

// Trimming.

void LogHome::trim(std::span<const uint64_t> needed_from) {
  KEELSON_CHECK(needed_from.size() == last_index_.size(), "trim() is told of every shard");
  needed_from_.assign(needed_from.begin(), needed_from.end());
  if (is_trimming_ || has_failed()) return;
  is_trimming_ = true;
  scope_.spawn(trim_row());
}

bool LogHome::may_trim(const Segment& segment) const {
  if (&segment == active_ || segment.file != nullptr || segment.end_position > synced_position_) return false;
  for (size_t i = 0; i < needed_from_.size(); ++i) {
    if (segment.last_index[i] >= needed_from_[i]) return false;
  }
  return true;
}

Task<void> LogHome::trim_row() {
  while (store_.row().size() > 1 && may_trim(store_.row().front())) {
    if (!co_await trim_front()) break;
  }
  if (options_.faults.trim_too_much && store_.row().size() > 1) {
    const Segment& next = store_.row().front();
    if (&next != active_ && next.file == nullptr) co_await trim_front();
  }
  is_trimming_ = false;
}

// One at a time, each durable before the next: so a crash never leaves a hole in the row with older segments before it.
Task<bool> LogHome::trim_front() {
  std::optional<std::string> spare_path = store_.retire_front();
  Status status;
  if (!options_.faults.skip_folder_sync) status = co_await disk_.sync_folder(store_.folder(), reactor_);
  if (!status.ok()) fail("cannot sync the folder after trimming", status.error());
  if (has_failed()) co_return false;
  if (spare_path) store_.recycle(std::move(*spare_path));
  publish_room();
  co_return shared_.state.load(std::memory_order_relaxed) == LogErrc::kOk;
}

uint64_t LogHome::bytes_held() {
  uint64_t bytes = 0;
  for (const Segment& segment : store_.row()) bytes += segment.used_bytes;
  return bytes;
}

}  // namespace keelson::log
