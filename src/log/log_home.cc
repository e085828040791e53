// LogHome, the writing: admission, sealing, segments, a full disk.
#include "log/log_home.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "log/log_port.h"

namespace keelson::log {

namespace {

// What is handed over in larger runs than this is not copied.
constexpr size_t kCopyBytesMax = size_t{64} << 10;
// Memory that the batch keeps between turns.
constexpr size_t kBatchBytesKept = size_t{4} << 20;

}  // namespace

LogHome::LogHome(env::Env& env, env::Reactor& home, std::string folder, LocalLogOptions options, size_t shard_count)
    : disk_(env.disk()),
      reactor_(home),
      options_(std::move(options)),
      shared_(shard_count),
      store_(disk_, std::move(folder), options_, stats_),
      interval_timer_(home,
                      [this] {
                        is_interval_armed_ = false;
                        if (!shared_.durability.has_synced()) return;
                        wanted_position_ = std::max(wanted_position_, written_position_);
                        is_mark_sync_wanted_ = is_mark_unsynced_;
                        start_sync_if_wanted();
                      }),
      full_timer_(home, [this] { retry_full(); }),
      failed_timer_(home,
                    [this] {
                      close_home_group();
                      commit_groups(UINT64_MAX, LogErrc::kFailed);
                    }),
      scope_(home) {
  shared_.durability.set(0, shard_count, options_.durability);
  for (size_t i = 0; i < options_.durability_of.size() && i < shard_count; ++i) {
    shared_.durability.set(static_cast<ShardId>(i), 1, options_.durability_of[i]);
  }
}

LogHome::~LogHome() = default;

// Admission.

uint64_t LogHome::room() const {
  const uint64_t start = kFirstRecordOffset + mark_bytes(last_index_.size());
  const uint64_t spare = store_.spare_bytes();
  return std::max(active_room(), spare > start ? spare - start : 0);
}

uint64_t LogHome::file_bytes_for(uint64_t record_bytes) const {
  const uint64_t needed = kFirstRecordOffset + 2 * mark_bytes(last_index_.size()) + record_bytes;
  return std::max(options_.segment_bytes, needed);
}

void LogHome::publish_room() {
  room_bytes_ = room();
  shared_.room_bytes.store(room_bytes_, std::memory_order_relaxed);
}

LogErrc LogHome::admit(size_t payload_bytes) {
  if (const LogErrc state = shared_.state.load(std::memory_order_relaxed); state != LogErrc::kOk) return state;
  if (payload_bytes > kRecordBytesMax) return LogErrc::kTooLarge;
  if (batch_.bytes().size() + payload_bytes + overhead_bytes_ <= room_bytes_) return LogErrc::kOk;
  return make_room(payload_bytes);
}

LogErrc LogHome::make_room(size_t payload_bytes) {
  flush();
  if (has_failed()) return LogErrc::kFailed;
  const uint64_t need = payload_bytes + overhead_bytes_;
  if (batch_.bytes().empty()) {
    if (need <= room_bytes_) return LogErrc::kOk;
    if (ensure_spare(file_bytes_for(need))) return LogErrc::kOk;
  }
  if (has_failed()) return LogErrc::kFailed;
  stats_.refused_full.add();
  return LogErrc::kFull;
}

bool LogHome::ensure_spare(uint64_t file_bytes) {
  if (store_.spare_bytes() >= file_bytes) return true;
  if (!shared_.is_full.load(std::memory_order_relaxed)) return add_spare(file_bytes);
  // Asked for again when the timer fires; what waits in the batch has been promised its room.
  if (!batch_.bytes().empty()) full_wants_bytes_ = std::max(full_wants_bytes_, file_bytes);
  return false;
}

// Without room, or without file descriptors: that may pass, and nothing is lost by waiting.
bool LogHome::add_spare(uint64_t file_bytes) {
  Status status = store_.add_spare(file_bytes);
  if (status.ok()) {
    publish_room();
    return true;
  }
  // One large record that finds no room is refused alone.
  if (file_bytes > options_.segment_bytes && batch_.bytes().empty()) return false;
  full_wants_bytes_ = std::max(full_wants_bytes_, file_bytes);
  become_full(status.error());
  return false;
}

void LogHome::keep_spares_ready() {
  while (store_.wants_spare() && !shared_.is_full.load(std::memory_order_relaxed)) {
    if (!add_spare(options_.segment_bytes)) return;
  }
}

void LogHome::become_full(const Error& why) {
  if (!shared_.is_full.exchange(true, std::memory_order_relaxed)) {
    stats_.is_full.set(1);
    log_warn("log", "no room for further segments; writes are refused until there is", {{"error", why.message()}});
  }
  full_because_ = why.code();
  full_timer_.arm_after(options_.full_retry_ms * 1'000'000);
}

void LogHome::retry_full() {
  if (has_failed()) return;
  const uint64_t wanted = std::max(full_wants_bytes_, options_.segment_bytes);
  if (store_.spare_bytes() < wanted && !add_spare(wanted)) {
    full_timer_.arm_after(options_.full_retry_ms * 1'000'000);
    return;
  }
  full_wants_bytes_ = 0;
  shared_.is_full.store(false, std::memory_order_relaxed);
  stats_.is_full.set(0);
  log_info("log", "there is room for segments again");
  flush();
}

void LogHome::fail(const std::string& what, const Error& error) {
  if (has_failed()) return;
  failure_ = "log: " + what + ": " + error.message() + "; nothing more is written until the program is started anew";
  shared_.state.store(LogErrc::kFailed, std::memory_order_relaxed);
  stats_.has_failed.set(1);
  log_error("log", "the log has failed and takes nothing more", {{"what", what}, {"error", error.message()}});
  failed_timer_.arm_after(0);
}

// Appending.

Append LogHome::end(CommitWaiter& waiter, bool must_wait) {
  batch_.end();
  if (batch_.bytes().size() >= kWriteBytes && !has_failed()) {
    write_out();
    publish_room();  // admit() counts what is in the batch alone
  }
  schedule_flush();
  if (!must_wait && shared_.state.load(std::memory_order_relaxed) == LogErrc::kOk) return Append::kCommitted;
  home_waiters_.push(waiter);
  return Append::kPending;
}

void LogHome::schedule_flush() {
  if (is_flush_scheduled_) return;
  is_flush_scheduled_ = true;
  reactor_.at_turn_end([this] {
    is_flush_scheduled_ = false;
    flush();
  });
}

void LogHome::close_home_group() {
  if (home_waiters_.empty()) return;
  CommitGroup& group = groups_.emplace_back();
  group.position = appended_position();
  group.waiters.splice(home_waiters_);
  wanted_position_ = std::max(wanted_position_, group.position);
}

void LogHome::receive(RemotePort& port, HandedOver& handed) {
  close_home_group();
  Buffer& from = handed.records.bytes();
  if (!batch_.bytes().empty() && from.size() > kCopyBytesMax) flush();
  if (has_failed()) {
    from.clear();  // those who wait are told in their turn, behind the groups that are left
  } else if (batch_.bytes().empty()) {
    batch_.bytes().swap(from);
  } else {
    batch_.bytes().append(from.view());
    from.clear();
  }
  from.shrink_if_empty(kBatchBytesKept);
  if (!handed.waiters.empty()) {
    CommitGroup& group = groups_.emplace_back();
    group.position = appended_position();
    group.port = &port;
    group.waiters.splice(handed.waiters);
    wanted_position_ = std::max(wanted_position_, group.position);
  }
  schedule_flush();
}

// Writing.

void LogHome::flush() {
  KEELSON_CHECK(!batch_.is_open(), "the batch is written with a record open");
  close_home_group();
  if (has_failed()) {
    batch_.bytes().clear();
    sealed_bytes_ = sealed_mark_bytes_ = 0;
    if (!groups_.empty()) failed_timer_.arm_after(0);
    return;
  }
  // A mark that did not fit behind the last record stands first in the next segment.
  if (write_out() && is_mark_due_ && active_ != nullptr) begin_segment(0);
  if (has_failed()) return;
  keep_spares_ready();
  publish_room();
  arm_interval();
  start_sync_if_wanted();
}

bool LogHome::write_out() {
  while (true) {
    if (sealed_bytes_ == 0) seal();
    if (!write_sealed()) return false;
    if (batch_.bytes().empty()) return true;
    if (!begin_segment(record_bytes_at(0))) return false;
  }
}

uint64_t LogHome::record_bytes_at(size_t batch_offset) const {
  const Buffer& bytes = batch_.bytes();
  uint64_t total = 0;
  while (true) {
    const PartHeader header = get_part_header(bytes.data() + batch_offset + total);
    total += kPartHeaderBytes + header.payload_bytes;
    if ((header.flags & kFlagMoreFollow) == 0) return total;
  }
}

void LogHome::seal() {
  if (active_ == nullptr) return;
  char* bytes = batch_.bytes().data();
  const size_t size = batch_.bytes().size();
  size_t at = 0;
  while (at < size) {
    const size_t record_end = at + record_bytes_at(at);
    if (record_end > active_room()) break;
    while (at < record_end) {
      const PartHeader header = get_part_header(bytes + at);
      note_record(header);
      seal_part(bytes + at, active_seed_, active_->used_bytes + at);
      at += kPartHeaderBytes + header.payload_bytes;
    }
  }
  sealed_bytes_ = at;
  if (at == size && is_mark_due_) seal_mark();
}

void LogHome::note_record(const PartHeader& header) {
  KEELSON_CHECK(header.shard < last_index_.size(), "a record of a shard that the log does not know");
  KEELSON_CHECK(header.index == last_index_[header.shard] + 1, "a shard's records come without a gap");
  last_index_[header.shard] = header.index;
  stats_.records.add();
  stats_.payload_bytes.add(header.payload_bytes);
}

void LogHome::seal_mark() {
  const size_t bytes = mark_bytes(last_index_.size());
  if (sealed_bytes_ + bytes > active_room()) return;
  append_mark(synced_place_, last_index_, reactor_.clock().wall_ms(), batch_.bytes());
  seal_part(batch_.bytes().data() + sealed_bytes_, active_seed_, active_->used_bytes + sealed_bytes_);
  sealed_bytes_ += bytes;
  sealed_mark_bytes_ = bytes;
  is_mark_due_ = false;
  bytes_since_mark_ = 0;
}

bool LogHome::write_sealed() {
  if (sealed_bytes_ == 0) return true;
  Status status = active_->file->write_at(active_->used_bytes, batch_.bytes().view().substr(0, sealed_bytes_));
  if (!status.ok()) {
    if (status.error().code() == env::DiskErrc::kFull) {
      become_full(status.error());  // the room that was set aside is gone: the batch waits
    } else {
      fail("cannot write to " + active_->path, status.error());
    }
    return false;
  }
  const uint64_t record_bytes = sealed_bytes_ - sealed_mark_bytes_;
  active_->used_bytes += sealed_bytes_;
  active_->is_dirty = true;
  written_position_ += record_bytes;
  bytes_since_mark_ += record_bytes;
  is_mark_unsynced_ |= sealed_mark_bytes_ != 0;
  stats_.writes.add();
  stats_.written_bytes.add(sealed_bytes_);
  stats_.unsynced_bytes.set(static_cast<int64_t>(written_position_ - synced_position_));
  batch_.bytes().consume(sealed_bytes_);
  batch_.bytes().shrink_if_empty(kBatchBytesKept);
  sealed_bytes_ = sealed_mark_bytes_ = 0;
  return true;
}

bool LogHome::begin_segment(uint64_t record_bytes) {
  const uint64_t file_bytes = file_bytes_for(record_bytes);
  if (!ensure_spare(file_bytes)) return false;
  if (active_ != nullptr) {
    end_of_previous_ = {active_->number, active_->used_bytes};
    active_->end_position = written_position_;
    active_->last_index = last_index_;
  }
  Result<Segment*> next = store_.activate(last_number_ + 1, file_bytes);
  if (!next.ok()) {
    if (next.error().code() == env::DiskErrc::kFull) {
      become_full(next.error());
    } else {
      fail("cannot begin segment " + segment_name(last_number_ + 1), next.error());
    }
    return false;
  }
  active_ = *next;
  ++last_number_;
  active_seed_ = segment_seed(log_id_, last_number_);
  return write_segment_start();
}

bool LogHome::write_segment_start() {
  Buffer start;
  const int64_t wall_ms = reactor_.clock().wall_ms();
  append_segment_start(
      {.log_id = log_id_, .number = last_number_, .previous = end_of_previous_, .created_wall_ms = wall_ms}, start);
  append_mark(synced_place_, last_index_, wall_ms, start);
  seal_part(start.data() + kFirstRecordOffset, active_seed_, kFirstRecordOffset);
  is_mark_due_ = false;
  bytes_since_mark_ = 0;
  if (Status status = active_->file->write_at(0, start.view()); !status.ok()) {
    fail("cannot write to " + active_->path, status.error());
    return false;
  }
  active_->used_bytes = start.size();
  active_->is_dirty = true;
  stats_.writes.add();
  stats_.written_bytes.add(start.size());
  return true;
}

}  // namespace keelson::log
