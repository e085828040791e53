#include "server/restore.h"

#include <cstdio>
#include <set>
#include <utility>

#include "cli/backup_archive.h"
#include "cli/progress.h"
#include "cli/run_env.h"
#include "env/disk.h"
#include "env/env.h"
#include "env/reactor.h"
#include "server/data_folder.h"

namespace keelson::server {

namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr uint64_t kSyncEveryBytes = 64 << 20;

// The first pass: what is in it, and is it whole.
class Checker final : public cli::BackupVisitor {
 public:
  Status on_header(const cli::BackupHeader& header) override {
    header_ = header;
    return {};
  }
  Status on_file(std::string_view name, uint64_t size) override {
    last_ = name;
    return {};
  }
  [[nodiscard]] const cli::BackupHeader& header() const { return header_; }
  [[nodiscard]] bool has_node() const { return last_ == kNodeName; }

 private:
  cli::BackupHeader header_;
  std::string last_;
};

// The second pass: files are written. Syncs are awaited between pieces, outside of the callbacks.
class Writer final : public cli::BackupVisitor {
 public:
  Writer(env::Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  Status on_file(std::string_view name, uint64_t size) override {
    if (file_ != nullptr) finished_.push_back(std::move(file_));
    const std::string path = folder_ + "/" + std::string(name);
    if (const size_t slash = path.rfind('/'); folders_.insert(path.substr(0, slash)).second) {
      if (Status made = disk_.make_folder(path.substr(0, slash)); !made.ok()) return made;
    }
    // It makes the folder usable, so it is written when everything else is safe.
    is_node_ = name == kNodeName;
    if (is_node_) {
      node_.assign(size, '\0');
      return {};
    }
    const bool is_secret = name == kRootKeyName || name == kMasterKeysName;
    const auto mode = is_secret ? env::OpenMode::kCreatePrivate : env::OpenMode::kCreate;
    auto file = disk_.open(path, mode);
    if (!file.ok()) return forward_error(file);
    file_ = std::move(*file);
    return file_->preallocate(size);
  }
  Status on_data(uint64_t offset, std::string_view bytes) override {
    if (is_node_) {
      node_.replace(offset, bytes.size(), bytes);
      return {};
    }
    unsynced_ += bytes.size();
    return file_->write_at(offset, bytes);
  }

  // Makes durable what is finished, and now and then what is not.
  Task<Status> settle(env::Reactor& on, bool is_end) {
    if (is_end && file_ != nullptr) finished_.push_back(std::move(file_));
    for (auto& file : finished_) {
      if (Status synced = co_await file->sync(on); !synced.ok()) co_return synced;
    }
    finished_.clear();
    if (is_end) {
      for (const std::string& folder : folders_) {
        if (Status synced = co_await disk_.sync_folder(folder, on); !synced.ok()) co_return synced;
      }
    }
    if (file_ != nullptr && unsynced_ > kSyncEveryBytes) {
      unsynced_ = 0;
      co_return co_await file_->sync(on);
    }
    co_return Status();
  }
  [[nodiscard]] const std::string& node() const { return node_; }

 private:
  env::Disk& disk_;
  const std::string folder_;
  std::unique_ptr<env::File> file_;
  std::vector<std::unique_ptr<env::File>> finished_;
  std::set<std::string> folders_;  // that files were written to
  uint64_t unsynced_ = 0;
  bool is_node_ = false;
  std::string node_;
};

// Feeds the whole file to the reader.
Task<Status> read_through(env::Env& env, const std::string& path, cli::BackupReader& reader, Writer* writer,
                          cli::Progress& progress, std::string_view what) {
  auto file = env.disk().open(path, env::OpenMode::kRead);
  if (!file.ok()) co_return forward_error(file);
  Result<uint64_t> size = (*file)->size();
  if (!size.ok()) co_return forward_error(size);
  std::string bytes(kReadBytes, '\0');
  for (uint64_t offset = 0; offset < *size;) {
    Result<size_t> count = (*file)->read_at(offset, bytes);
    if (!count.ok()) co_return forward_error(count);
    if (*count == 0) break;
    if (Status good = reader.feed(std::string_view(bytes).substr(0, *count)); !good.ok()) co_return good;
    offset += *count;
    progress.bytes(what, offset, *size);
    if (writer != nullptr) {
      if (Status settled = co_await writer->settle(env.reactor(0), false); !settled.ok()) co_return settled;
    }
  }
  co_return reader.finish();
}

Status is_usable(env::Disk& disk, const std::string& folder) {
  if (!disk.exists(folder)) return {};
  Result<std::vector<std::string>> names = disk.list(folder);
  if (!names.ok()) return forward_error(names);
  for (const std::string& name : *names) {
    if (name == kLockName) continue;
    return fail(FolderErrc::kMismatch, "the folder " + folder + " is not empty (it holds " + name +
                                           "). Restore into a new one, and move or remove the old one yourself");
  }
  return {};
}

Task<Status> write_folder(env::Env& env, const RestoreOptions& options, cli::Progress& progress) {
  env::Disk& disk = env.disk();
  env::Reactor& here = env.reactor(0);
  const std::string checkpoints = options.data_dir + "/" + std::string(kCheckpointFolder);
  const std::string log = options.data_dir + "/" + std::string(kLogFolder);
  for (const std::string& folder : {options.data_dir, checkpoints, log}) {
    if (Status made = disk.make_folder(folder); !made.ok()) co_return made;
  }
  Result<std::unique_ptr<env::FileLock>> lock = lock_folder(disk, options.data_dir);
  if (!lock.ok()) co_return forward_error(lock);
  Writer writer(disk, options.data_dir);
  cli::BackupReader reader(writer);
  Status done = co_await read_through(env, options.file, reader, &writer, progress, "restore:");
  if (done.ok()) done = co_await writer.settle(here, true);
  if (done.ok()) done = co_await env::replace_file(disk, here, options.data_dir, std::string(kNodeName), writer.node());
  co_return done;
}

Task<Status> restore_all(env::Env& env, const RestoreOptions& options, cli::Progress& progress, Checker& checker) {
  if (Status usable = is_usable(env.disk(), options.data_dir); !usable.ok()) co_return usable;
  cli::BackupReader reader(checker);
  if (Status whole = co_await read_through(env, options.file, reader, nullptr, progress, "checking:"); !whole.ok())
    co_return whole;
  if (!checker.has_node()) co_return fail(cli::BackupErrc::kDamaged, "the backup does not end with the file \"node\"");
  co_return co_await write_folder(env, options, progress);
}

Task<int> run(env::Env& env, RestoreOptions options) {
  cli::Progress progress(env.clock(), options.quiet);
  Checker checker;
  const Status done = co_await restore_all(env, options, progress, checker);
  progress.done();
  if (!done.ok()) {
    cli::complain("restore: " + done.error().message());
    co_return cli::kExitBad;
  }
  if (!options.quiet) {
    std::fprintf(stderr, "restore: done, %llu files, %s; start it with: keelson serve --data-dir %s\n",
                 static_cast<unsigned long long>(checker.header().files),
                 cli::readable_bytes(checker.header().bytes).c_str(), options.data_dir.c_str());
  }
  co_return cli::kExitGood;
}

}  // namespace

int restore(RestoreOptions options) {
  return cli::run_on_env([&options](env::Env& env) { return run(env, options); });
}

}  // namespace keelson::server
