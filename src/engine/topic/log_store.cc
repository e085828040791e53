#include "engine/topic/log_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::topic {

namespace {

// One call of settle() writes about so much and so many partitions, so that whoever waits for the shard waits little.
constexpr size_t kStepBytes = size_t{1} << 20;
constexpr size_t kStepPartitions = 64;

bool is(const Error& error, env::DiskErrc code) { return error.code() == make_error_code(code); }

}  // namespace

LogStore::LogStore(LogStoreOptions options) : options_(std::move(options)), tail_(options_.cache_bytes) {}
LogStore::~LogStore() = default;

PartitionLog* LogStore::find(const PartitionId& id) {
  const auto found = logs_.find(id);
  return found == logs_.end() ? nullptr : found->second.get();
}

PartitionLog& LogStore::obtain(const PartitionId& id, const TopicConfig& config) {
  std::unique_ptr<PartitionLog>& log = logs_[id];
  if (log == nullptr) {
    log = std::make_unique<PartitionLog>(id, config);
    // A checkpoint that is under way is of a time before it.
    log->saved_by = checkpoint_number;
  }
  return *log;
}

void LogStore::remove(const PartitionId& id) {
  const auto found = logs_.find(id);
  if (found == logs_.end()) return;
  PartitionLog& log = *found->second;
  will_change(log);
  log.drop_tail(*this);
  tail_.forget(log);
  for (const Segment& segment : log.segments()) discard({id, segment.base_offset, segment.generation});
  std::erase(line_, &log);
  std::erase(hurry_, &log);
  touch(log);
  logs_.erase(found);
  tail_.shrink();
}

void LogStore::clear() {
  tail_.clear();
  line_.clear();
  hurry_.clear();
  logs_.clear();
  touched_.clear();
  open_.clear();
  unsynced_.clear();
  strays_.clear();
  garbage_.clear();
  replaced_.clear();
  releasable_ = 0;
  is_state_proven_ = false;
  are_strays_due_ = false;
  sync_error_.clear();
}

void LogStore::touch(PartitionLog& log) {
  if (log.is_touched) return;
  log.is_touched = true;
  touched_.push_back(log.id());
}

std::vector<PartitionId> LogStore::take_touched() {
  for (const PartitionId& id : touched_) {
    if (PartitionLog* log = find(id); log != nullptr) log->is_touched = false;
  }
  return std::exchange(touched_, {});
}

void LogStore::has_appended(PartitionLog& log) {
  touch(log);
  if (!log.is_in_line) {
    log.is_in_line = true;
    line_.push_back(&log);
  }
  if (!log.is_in_a_hurry && log.pending_bytes() >= options_.partition_settle_bytes) {
    log.is_in_a_hurry = true;
    hurry_.push_back(&log);
  }
}

// ---- Writing.

Status LogStore::settle_one(PartitionLog& log) {
  if (!has_folder_) {
    if (Status made = options_.disk->make_folder(options_.folder); !made.ok()) return made;
    has_folder_ = true;
  }
  return log.settle(*this);
}

// Those that fail go to the end of the line: the others have their turn first at the next call.
Status LogStore::settle_line(std::deque<PartitionLog*>& line, bool PartitionLog::* mark, bool is_all) {
  Status first_error;
  std::vector<PartitionLog*> failed;
  size_t bytes = 0;
  for (size_t count = 0; !line.empty() && (is_all || (bytes < kStepBytes && count < kStepPartitions)); ++count) {
    PartitionLog* log = line.front();
    line.pop_front();
    bytes += log->pending_bytes();
    if (Status settled = settle_one(*log); settled.ok()) {
      log->*mark = false;
    } else {
      failed.push_back(log);
      if (first_error.ok()) first_error = std::move(settled);
      // Without room for one there is none for others; each try costs a call.
      if (!is_all) break;
    }
  }
  line.insert(line.end(), failed.begin(), failed.end());
  return first_error;
}

Status LogStore::settle() {
  if (options_.disk == nullptr) return {};
  Status settled = settle_line(hurry_, &PartitionLog::is_in_a_hurry, false);
  if (settled.ok() && tail_.unsettled_bytes() >= options_.settle_bytes) {
    settled = settle_line(line_, &PartitionLog::is_in_line, false);
  }
  tail_.shrink();
  return settled;
}

Status LogStore::settle_all() {
  if (options_.disk == nullptr) return {};
  Status hurried = settle_line(hurry_, &PartitionLog::is_in_a_hurry, true);
  Status settled = settle_line(line_, &PartitionLog::is_in_line, true);
  tail_.shrink();
  return hurried.ok() ? std::move(settled) : std::move(hurried);
}

// ---- Files.

std::string LogStore::path_of(const SegmentName& name, std::string_view suffix) const {
  return options_.folder + "/" + file_name(name, suffix);
}

std::shared_ptr<const SegmentFile> LogStore::find_open(const SegmentName& name) {
  for (auto at = open_.begin(); at != open_.end(); ++at) {
    if ((*at)->name() != name) continue;
    open_.splice(open_.begin(), open_, at);
    return open_.front();
  }
  return nullptr;
}

std::shared_ptr<const SegmentFile> LogStore::keep_open(const SegmentName& name, std::unique_ptr<env::File> file) {
  open_.push_front(std::make_shared<const SegmentFile>(*options_.disk, options_.folder, name, std::move(file)));
  if (open_.size() > options_.open_files_max) open_.pop_back();
  return open_.front();
}

Result<std::shared_ptr<const SegmentFile>> LogStore::open_for_reading(const SegmentName& name) {
  if (auto file = find_open(name); file != nullptr) return file;
  if (options_.disk == nullptr) {
    return fail(make_error_code(env::DiskErrc::kNotFound),
                "topic: there is no disk for " + file_name(name, kSegmentSuffix));
  }
  // For writing too: the next one who asks may want that.
  auto file = options_.disk->open(path_of(name, kSegmentSuffix), env::OpenMode::kReadWrite);
  if (!file.ok()) return forward_error(file);
  return keep_open(name, std::move(*file));
}

Result<std::shared_ptr<const SegmentFile>> LogStore::open_for_writing(const SegmentName& name, Segment& segment,
                                                                      uint64_t position) {
  auto open = find_open(name);
  if (open == nullptr) {
    const std::string path = path_of(name, kSegmentSuffix);
    auto file = options_.disk->open(path, env::OpenMode::kReadWrite);
    if (!file.ok() && is(file.error(), env::DiskErrc::kNotFound)) {
      // New; or removed behind the checkpoint that is being replayed from, by a record that is still to come.
      file = options_.disk->open(path, env::OpenMode::kCreate);
    }
    if (!file.ok()) return forward_error(file);
    open = keep_open(name, std::move(*file));
  }
  if (!segment.is_open_for_writing) {
    const auto size = open->file().size();
    if (!size.ok()) return std::unexpected<Error>(size.error());
    if (*size > position) {
      // What a run before has written beyond its last checkpoint: it comes again, or is lost.
      if (Status cut = open->file().truncate(position); !cut.ok()) return forward_error(cut);
      const std::string index = path_of(name, kIndexSuffix);
      if (options_.disk->exists(index)) {
        if (Status removed = options_.disk->remove(index); !removed.ok()) return forward_error(removed);
      }
    }
    segment.is_open_for_writing = true;
  }
  return open;
}

Status LogStore::write_index(const SegmentName& name, const SegmentIndex& index, uint64_t bytes) {
  const std::string path = path_of(name, kIndexSuffix);
  const std::string content = encode_index(index, bytes);
  auto file = options_.disk->open(path, env::OpenMode::kCreate);
  if (!file.ok() && is(file.error(), env::DiskErrc::kExists)) {
    file = options_.disk->open(path, env::OpenMode::kReadWrite);
    if (file.ok()) {
      if (Status cut = (*file)->truncate(0); !cut.ok()) return cut;
    }
  }
  if (!file.ok()) return forward_error(file);
  return (*file)->write_at(0, content);
}

void LogStore::discard(const SegmentName& name) {
  std::erase_if(open_, [&](const auto& file) { return file->name() == name; });
  unsynced_.erase(name);
  garbage_.push_back(name);
}

std::vector<std::string> LogStore::take_garbage() {
  std::vector<std::string> paths;
  if (are_files_held()) return paths;
  for (const SegmentName& name : garbage_) {
    paths.push_back(path_of(name, kSegmentSuffix));
    paths.push_back(path_of(name, kIndexSuffix));
  }
  garbage_.clear();
  return paths;
}

Result<std::vector<std::string>> LogStore::find_strays() {
  std::vector<std::string> paths;
  if (are_files_held()) return paths;
  are_strays_due_ = false;
  if (options_.disk == nullptr || !options_.disk->exists(options_.folder)) return paths;
  auto names = options_.disk->list(options_.folder);
  if (!names.ok()) return forward_error(names);
  std::set<SegmentName> known(replaced_.begin(), replaced_.end());
  known.insert(garbage_.begin(), garbage_.end());
  for (const auto& [id, log] : logs_) {
    for (const Segment& segment : log->segments()) known.insert({id, segment.base_offset, segment.generation});
  }
  for (const std::string& file : *names) {
    SegmentName name;
    // What compaction has written aside has a suffix behind these.
    const bool is_ours = parse_file_name(file, kSegmentSuffix, name) || parse_file_name(file, kIndexSuffix, name) ||
                         file.ends_with(kAsideSuffix);
    if (is_ours && (file.ends_with(kAsideSuffix) || !known.contains(name))) {
      paths.push_back(options_.folder + "/" + file);
      if (!file.ends_with(kAsideSuffix)) strays_.insert(name);
    }
  }
  return paths;
}

bool LogStore::is_unused(std::string_view path) const {
  if (!is_state_proven_) return false;
  const std::string_view file = path.substr(path.rfind('/') + 1);
  SegmentName name;
  if (!parse_file_name(file, kSegmentSuffix, name) && !parse_file_name(file, kIndexSuffix, name)) return true;
  if (std::ranges::find(replaced_, name) != replaced_.end()) return false;
  const auto log = logs_.find(name.partition);
  if (log == logs_.end()) return true;
  return std::ranges::none_of(log->second->segments(), [&](const Segment& segment) {
    return segment.base_offset == name.base_offset && segment.generation == name.generation;
  });
}

uint64_t LogStore::file_bytes(const SegmentName& name) const {
  const auto log = logs_.find(name.partition);
  return sync_error_.empty() && log != logs_.end() ? log->second->written_bytes(name) : 0;
}

uint32_t LogStore::fresh_generation(SegmentName name) const {
  while (strays_.contains(name)) ++name.generation;
  return name.generation;
}

void LogStore::checkpoint_began() { releasable_ = replaced_.size(); }

void LogStore::checkpoint_completed() {
  const auto end = replaced_.begin() + static_cast<std::ptrdiff_t>(releasable_);
  for (auto name = replaced_.begin(); name != end; ++name) discard(*name);
  replaced_.erase(replaced_.begin(), end);
  releasable_ = 0;
}

Task<Status> LogStore::sync(std::set<SegmentName> names, env::Reactor& here) {
  if (!sync_error_.empty()) co_return fail(make_error_code(env::DiskErrc::kIo), sync_error_);
  if (names.empty() || options_.faults.skip_segment_sync) co_return Status();
  // All of them begin to be written back; then each sync has little to wait for.
  std::vector<std::shared_ptr<const SegmentFile>> files;
  constexpr size_t kAtOnce = 64;
  for (auto name = names.begin(); name != names.end();) {
    files.clear();
    for (; name != names.end() && files.size() < kAtOnce; ++name) {
      auto file = open_for_reading(*name);
      if (!file.ok()) {
        // Removed meanwhile, as it was not needed any more.
        if (is(file.error(), env::DiskErrc::kNotFound)) continue;
        co_return forward_error(file);
      }
      (*file)->file().will_sync(0, UINT64_MAX);
      files.push_back(std::move(*file));
    }
    for (const auto& file : files) {
      if (Status synced = co_await file->file().sync(here); !synced.ok()) {
        sync_error_ = file->path() +
                      " could not be synced, and what was written to it may be lost: the shard takes no " +
                      "checkpoint until the program starts again, from the log, which has it all (" +
                      synced.error().message() + ")";
        co_return forward_error(synced);
      }
    }
  }
  co_return co_await options_.disk->sync_folder(options_.folder, here);
}

}  // namespace keelson::topic
