#include "server/backup_source.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "blobstore/format.h"
#include "blobstore/store.h"
#include "cli/backup_archive.h"
#include "engine/topic/segment_file.h"
#include "env/disk.h"
#include "log/checkpoint_file.h"
#include "log/local_log.h"
#include "log/log_reader.h"
#include "server/data_folder.h"
#include "server/topic_setup.h"
#include "topics/topics.h"

namespace keelson::server {

namespace {

constexpr size_t kPieceBytes = 512 << 10;
constexpr int64_t kProgressEveryNs = 100'000'000;
constexpr int64_t kCheckpointPollNs = 10'000'000;
constexpr std::string_view kContentType = "application/vnd.keelson.backup";

struct Source {
  std::string path;
  std::string name;  // within the backup
  uint64_t bytes = 0;
};

// Keeps the runtime from removing or reusing files.
class FilesHold {
 public:
  explicit FilesHold(shard::Runtime& runtime) : runtime_(runtime) { runtime_.hold_files(); }
  FilesHold(const FilesHold&) = delete;
  FilesHold& operator=(const FilesHold&) = delete;
  ~FilesHold() { runtime_.release_files(); }

 private:
  shard::Runtime& runtime_;
};

// Keeps the blob store from removing volumes.
class VolumesHold {
 public:
  explicit VolumesHold(blobstore::Store& store) : store_(store) { store_.hold_volumes(); }
  VolumesHold(const VolumesHold&) = delete;
  VolumesHold& operator=(const VolumesHold&) = delete;
  ~VolumesHold() { store_.release_volumes(); }

 private:
  blobstore::Store& store_;
};

// Keeps topics from removing segments.
class SegmentsHold {
 public:
  explicit SegmentsHold(topics::Topics* topics) : topics_(topics) {
    if (topics_ != nullptr) topics_->hold_files();
  }
  SegmentsHold(const SegmentsHold&) = delete;
  SegmentsHold& operator=(const SegmentsHold&) = delete;
  ~SegmentsHold() {
    if (topics_ != nullptr) topics_->release_files();
  }

 private:
  topics::Topics* topics_;
};

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<Source> make_source(env::Disk& disk, const std::string& path, std::string_view folder) {
  Result<std::unique_ptr<env::File>> file = disk.open(path, env::OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  Result<uint64_t> size = (*file)->size();
  if (!size.ok()) return forward_error(size);
  return Source{path, std::string(folder) + (folder.empty() ? "" : "/") + name_of(path), *size};
}

Status add_source(env::Disk& disk, const std::string& path, std::string_view folder, std::vector<Source>& sources) {
  Result<Source> source = make_source(disk, path, folder);
  if (!source.ok()) return forward_error(source);
  sources.push_back(std::move(*source));
  return {};
}

// In the order in which they are sent: checkpoints, the log from its newest file to its oldest.
Result<std::vector<Source>> list_log(env::Disk& disk, const std::string& folder) {
  std::vector<std::pair<std::string, std::string_view>> paths;
  Result<std::vector<log::CheckpointFile>> checkpoints =
      log::list_checkpoints(disk, folder + "/" + std::string(kCheckpointFolder));
  if (!checkpoints.ok()) return forward_error(checkpoints);
  for (size_t i = 0; i < checkpoints->size(); ++i) {  // the newest of each shard stands first
    if (i == 0 || (*checkpoints)[i].shard != (*checkpoints)[i - 1].shard)
      paths.emplace_back((*checkpoints)[i].path, kCheckpointFolder);
  }
  Result<log::LogFolder> chain = log::scan_log_folder(disk, folder + "/" + std::string(kLogFolder));
  if (!chain.ok()) return forward_error(chain);
  for (auto segment = chain->chain.rbegin(); segment != chain->chain.rend(); ++segment) {
    if (segment->exists) paths.emplace_back(segment->path, kLogFolder);
  }
  std::vector<Source> sources;
  for (const auto& [path, into] : paths) {
    if (Status added = add_source(disk, path, into, sources); !added.ok()) return forward_error(added);
  }
  return sources;
}

// The segments of topics, as long as they are now.
Status list_segments(env::Disk& disk, const std::string& folder, std::vector<Source>& sources) {
  const std::string topics = folder + "/" + std::string(kTopicFolder);
  if (!disk.exists(topics)) return {};
  Result<std::vector<std::string>> shards = disk.list(topics);
  if (!shards.ok()) return forward_error(shards);
  for (const std::string& shard : *shards) {
    Result<std::vector<std::string>> names = disk.list(topics + "/" + shard);
    if (!names.ok()) return forward_error(names);
    for (const std::string& name : *names) {
      topic::SegmentName segment;
      if (!topic::parse_file_name(name, topic::kSegmentSuffix, segment) &&
          !topic::parse_file_name(name, topic::kIndexSuffix, segment)) {
        continue;
      }
      const std::string into = std::string(kTopicFolder) + "/" + shard;
      Status added = add_source(disk, topics + "/" + shard + "/" + name, into, sources);
      // Its removal was under way at the hold: the log has what made it useless.
      if (!added.ok() && added.error().code() == env::DiskErrc::kNotFound) continue;
      if (!added.ok()) return added;
    }
  }
  return {};
}

// What follows the log: segments and volumes as they are now, the root key, the node file.
Result<std::vector<Source>> list_rest(env::Disk& disk, const std::string& folder) {
  std::vector<Source> sources;
  if (Status listed = list_segments(disk, folder, sources); !listed.ok()) return forward_error(listed);
  const std::string blobs = folder + "/" + std::string(kBlobFolder);
  Result<std::vector<std::string>> shards = disk.list(blobs);
  if (!shards.ok()) return forward_error(shards);
  for (const std::string& shard : *shards) {
    const std::string into = std::string(kBlobFolder) + "/" + shard;
    Result<std::vector<std::string>> names = disk.list(blobs + "/" + shard);
    if (!names.ok()) return forward_error(names);
    for (const std::string& name : *names) {
      if (!blobstore::parse_volume_name(name)) continue;
      Status added = add_source(disk, blobs + "/" + shard + "/" + name, into, sources);
      // Its removal was under way at the hold, so nothing that is in the backup names it.
      if (!added.ok() && added.error().code() == env::DiskErrc::kNotFound) continue;
      if (!added.ok()) return forward_error(added);
    }
  }
  for (const std::string_view name : {kRootKeyName, kMasterKeysName}) {
    const std::string path = folder + "/" + std::string(name);
    if (!disk.exists(path)) continue;
    if (Status added = add_source(disk, path, "", sources); !added.ok()) return forward_error(added);
  }
  Status added = add_source(disk, folder + "/" + std::string(kNodeName), "", sources);
  if (!added.ok()) return forward_error(added);
  return sources;
}

// The answer under way: gathers frames and sends them.
class Sender {
 public:
  Sender(net::http::Exchange& exchange, std::function<bool()> may_go_on)
      : exchange_(exchange), may_go_on_(std::move(may_go_on)), writer_(out_) {}

  cli::BackupWriter& writer() { return writer_; }
  Task<Status> flush() {
    if (!may_go_on_()) co_return fail(cli::BackupErrc::kShort, "the server is stopping");
    const bool is_sent = co_await exchange_.send(out_.view());
    out_.clear();
    if (!is_sent) co_return fail(cli::BackupErrc::kShort, "the client has gone");
    co_return Status();
  }

 private:
  net::http::Exchange& exchange_;
  std::function<bool()> may_go_on_;
  Buffer out_;
  cli::BackupWriter writer_;
};

// Tells the client how far the checkpoints are, so that it sees that something goes on.
Task<void> tell_progress(shard::Runtime& runtime, env::Reactor& home, Sender& sender, const bool& is_done,
                         Status& outcome) {
  while (!is_done) {
    const shard::CheckpointProgress& progress = runtime.checkpoint_progress();
    sender.writer().progress("writing shard " + std::to_string(progress.shards_done) + " of " +
                             std::to_string(progress.shards_total));
    outcome = co_await sender.flush();
    if (!outcome.ok()) co_return;
    co_await env::sleep_for(home, kProgressEveryNs);
  }
}

Task<void> run_checkpoint(shard::Runtime& runtime, bool& is_done, Status& outcome) {
  outcome = co_await runtime.checkpoint_all();
  is_done = true;
}

// Writes every changed shard down while the client is told.
Task<Status> checkpoint_first(shard::Runtime& runtime, env::Reactor& home, Sender& sender) {
  bool is_done = false;
  Status checkpointed;
  Status told;
  env::TaskScope scope(home);
  scope.spawn(run_checkpoint(runtime, is_done, checkpointed));
  scope.spawn(tell_progress(runtime, home, sender, is_done, told));
  co_await scope.join();
  if (!told.ok()) co_return told;
  co_return checkpointed;
}

Task<Status> send_file(env::Disk& disk, const Source& source, Sender& sender) {
  Result<std::unique_ptr<env::File>> file = disk.open(source.path, env::OpenMode::kRead);
  if (!file.ok()) co_return forward_error(file);
  sender.writer().file(source.name, source.bytes);
  std::string piece;
  for (uint64_t end = source.bytes; end > 0;) {
    const uint64_t begin = end > kPieceBytes ? end - kPieceBytes : 0;
    piece.resize(end - begin);
    Result<size_t> count = (*file)->read_at(begin, piece);
    if (!count.ok()) co_return forward_error(count);
    if (*count != piece.size())
      co_return fail(env::DiskErrc::kIo, source.path + " has become shorter while it was read");
    sender.writer().data(begin, piece);
    if (Status sent = co_await sender.flush(); !sent.ok()) co_return sent;
    end = begin;
  }
  co_return Status();
}

void count(const std::vector<Source>& sources, cli::BackupHeader& header) {
  header.files += sources.size();
  for (const Source& source : sources) header.bytes += source.bytes;
}

// Checkpoints and log. The header before them tells what is known: volumes grow until they are sent.
Task<Status> send_log(env::Env& env, shard::Runtime& runtime, const std::string& folder, cli::BackupHeader& sent,
                      Sender& sender) {
  const FilesHold hold(runtime);
  Result<std::vector<Source>> sources = list_log(env.disk(), folder);
  if (!sources.ok()) co_return forward_error(sources);
  Result<std::vector<Source>> rest = list_rest(env.disk(), folder);
  if (!rest.ok()) co_return forward_error(rest);
  count(*sources, sent);
  cli::BackupHeader header = sent;
  count(*rest, header);
  sender.writer().header(header);
  for (const Source& source : *sources) {
    if (Status done = co_await send_file(env.disk(), source, sender); !done.ok()) co_return done;
  }
  co_return Status();
}

// Volumes, root key and node file, behind a header that is exact.
Task<Status> send_rest(env::Disk& disk, const std::string& folder, cli::BackupHeader& sent, Sender& sender) {
  Result<std::vector<Source>> sources = list_rest(disk, folder);
  if (!sources.ok()) co_return forward_error(sources);
  count(*sources, sent);
  sender.writer().header(sent);
  for (const Source& source : *sources) {
    if (Status done = co_await send_file(disk, source, sender); !done.ok()) co_return done;
  }
  co_return Status();
}

}  // namespace

Task<Status> send_backup(env::Env& env, shard::Runtime& runtime, blobstore::Store& store, topics::Topics* topics,
                         std::string folder, std::string version, net::http::Exchange& exchange,
                         std::function<bool()> may_go_on) {
  exchange.add_field("Content-Disposition", "attachment; filename=\"keelson.backup\"");
  if (!co_await exchange.begin(200, kContentType)) co_return fail(cli::BackupErrc::kShort, "the client has gone");
  // A failure from here on leaves the answer without its end, which tells the client.
  Sender sender(exchange, std::move(may_go_on));
  if (exchange.request().method() == "HEAD") {
    (void)co_await exchange.end();
    co_return Status();
  }
  if (Status done = co_await checkpoint_first(runtime, env.reactor(0), sender); !done.ok()) co_return done;
  if (Status synced = co_await runtime.local_log()->sync(); !synced.ok()) co_return synced;
  // Nobody is about to remove a file at the moment of the hold.
  while (runtime.checkpoint_progress().is_running) co_await env::sleep_for(env.reactor(0), kCheckpointPollNs);
  const VolumesHold volumes_hold(store);
  const SegmentsHold segments_hold(topics);
  cli::BackupHeader header{.created_wall_ms = env.clock().wall_ms(), .version = std::move(version)};
  if (Status sent = co_await send_log(env, runtime, folder, header, sender); !sent.ok()) co_return sent;
  if (Status sent = co_await send_rest(env.disk(), folder, header, sender); !sent.ok()) co_return sent;
  sender.writer().end();
  if (Status sent = co_await sender.flush(); !sent.ok()) co_return sent;
  if (!co_await exchange.end()) co_return fail(cli::BackupErrc::kShort, "the client has gone");
  co_return Status();
}

}  // namespace keelson::server
