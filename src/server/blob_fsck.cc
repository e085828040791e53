#include "server/blob_fsck.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "base/logging.h"
#include "blobstore/store.h"
#include "cli/blob_text.h"
#include "cli/progress.h"
#include "cli/run_env.h"
#include "engine/blob/answer.h"
#include "engine/blob/blob_engine.h"
#include "engine/coord/coord_engine.h"
#include "engine/kv/reply.h"
#include "engine/topic/topic_engine.h"
#include "env/disk.h"
#include "env/reactor.h"
#include "server/coord_setup.h"
#include "server/data_folder.h"
#include "server/kv_setup.h"
#include "server/overlay_disk.h"
#include "server/s3_setup.h"
#include "server/topic_setup.h"
#include "shard/runtime.h"

namespace keelson::server {

namespace {

constexpr uint64_t kNodeBytesMax = 64 << 10;
constexpr int64_t kProgressEveryNs = 100'000'000;
// No background work while everything is read: the next round would be in 11 days.
constexpr int64_t kNeverMs = 1'000'000'000;

// Takes kv's records and checkpoints, and keeps nothing of them.
class NoEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  void query(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override { return std::make_unique<Nothing>(); }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override {}

 private:
  struct Nothing final : engine::CheckpointSource {
    bool next(size_t, Buffer&) override { return true; }
  };
};

Result<NodeFile> read_node(env::Disk& disk, const std::string& data_dir) {
  const std::string path = data_dir + "/" + std::string(kNodeName);
  Result<std::string> text = env::read_file(disk, path, kNodeBytesMax);
  if (!text.ok()) return forward_error(text);
  Result<NodeFile> node = read_node_file(*text, path);
  if (!node.ok()) return forward_error(node);
  constexpr std::array<std::string_view, 3> kKnown = {kBlobName, kCoordName, kTopicName};
  const std::vector<ServiceShards>& found = node->services;
  if (found.size() > kKnown.size() ||
      !std::equal(found.begin(), found.end(), kKnown.begin(),
                  [](const ServiceShards& service, std::string_view name) { return service.name == name; })) {
    return fail(FolderErrc::kMismatch, path + " names services that this version of Keelson does not know");
  }
  return node;
}

shard::RuntimeOptions make_options(const std::string& data_dir, const NodeFile& node) {
  static kv::NullReply no_reply;
  static blob::NullAnswer no_answer;
  shard::RuntimeOptions options;
  options.folder = data_dir;
  options.checkpoint.log_bytes_min = std::numeric_limits<uint64_t>::max();
  shard::ServiceOptions& kv_service = options.services.emplace_back();
  kv_service.name = "kv";
  kv_service.engine_version = kKvEngineVersion;
  kv_service.shard_count = node.shards;
  kv_service.make_engine = [](shard::ShardId) { return std::make_unique<NoEngine>(); };
  kv_service.replay_sink = &no_reply;
  shard::ServiceOptions& blob_service = options.services.emplace_back();
  blob_service.name = kBlobName;
  blob_service.engine_version = blob::kBlobEngineVersion;
  blob_service.shard_count = node.shards_of(kBlobName);
  blob_service.make_engine = [](shard::ShardId) { return std::make_unique<blob::BlobEngine>(); };
  blob_service.replay_sink = &no_answer;
  if (node.shards_of(kCoordName) == 0) return options;  // of a server that knew no coordination yet
  shard::ServiceOptions& coord_service = options.services.emplace_back();
  coord_service.name = kCoordName;
  coord_service.engine_version = coord::kCoordEngineVersion;
  coord_service.shard_count = node.shards_of(kCoordName);
  coord_service.make_engine = [](shard::ShardId) { return std::make_unique<NoEngine>(); };
  coord_service.replay_sink = &no_reply;
  if (node.shards_of(kTopicName) == 0) return options;  // of a server that knew no topics yet
  shard::ServiceOptions& topic_service = options.services.emplace_back();
  topic_service.name = kTopicName;
  topic_service.engine_version = topic::kTopicEngineVersion;
  topic_service.shard_count = node.shards_of(kTopicName);
  topic_service.make_engine = [](shard::ShardId) { return std::make_unique<NoEngine>(); };
  topic_service.replay_sink = &no_reply;
  return options;
}

// The work on one folder.
class Fsck {
 public:
  Fsck(env::Env& env, std::string data_dir, const FsckWatcher& watcher)
      : view_(env), home_(view_.reactor(0)), data_dir_(std::move(data_dir)), watcher_(watcher) {}

  Task<Result<FsckReport>> run() {
    // Before the lock, whose file would be made.
    if (!view_.disk().exists(data_dir_ + "/" + std::string(kNodeName))) {
      co_return fail(FolderErrc::kUnusable,
                     data_dir_ + " is no data folder of Keelson: it has no file \"" + std::string(kNodeName) + "\"");
    }
    Result<std::unique_ptr<env::FileLock>> lock = lock_folder(view_.disk(), data_dir_);
    if (!lock.ok()) co_return forward_error(lock);
    Result<NodeFile> node = read_node(view_.disk(), data_dir_);
    if (!node.ok()) co_return forward_error(node);
    if (node->services.empty()) co_return report_;  // of a server that knew no blobs yet
    shard::Runtime runtime(view_, make_options(data_dir_, *node));
    if (Status started = co_await runtime.start(); !started.ok()) co_return forward_error(started);
    blobstore::StoreOptions options;
    options.folder = data_dir_ + "/" + std::string(kBlobFolder);
    options.background_percent = 100;
    options.compact_every_ms = kNeverMs;
    options.scrub_every_ms = 0;
    blobstore::Store store(view_, runtime, runtime.router(kBlobService), std::move(options));
    Status done = co_await store.start();
    if (done.ok()) done = co_await check(runtime, store);
    co_await store.stop();
    Status stopped = co_await runtime.stop(false);
    if (!done.ok()) co_return forward_error(done);
    if (!stopped.ok()) co_return forward_error(stopped);
    co_return report_;
  }

 private:
  Task<Status> check(shard::Runtime& runtime, blobstore::Store& store) {
    for (unsigned i = 0; i < store.shard_count(); ++i) {
      const auto& damage = runtime.shard(static_cast<shard::ShardId>(store.router().first_shard() + i)).damage();
      if (damage) {
        problem("the metadata of blob shard " + std::to_string(i) +
                " is damaged, its objects cannot be found: " + *damage);
      }
    }
    if (Status named = co_await learn_names(store); !named.ok()) co_return named;
    bool is_done = false;
    Status outcome;
    env::TaskScope scope(home_);
    scope.spawn(scrub(store, is_done, outcome));
    scope.spawn(tell_progress(store, is_done));
    co_await scope.join();
    co_return outcome;
  }

  // Findings name buckets by their ids.
  Task<Status> learn_names(blobstore::Store& store) {
    blob::ListBuckets question;
    while (true) {
      blob::Answer answer;
      const log::LogErrc asked = co_await store.query_buckets(home_, question, answer);
      if (asked == log::LogErrc::kDamaged) co_return Status();  // ids must do
      if (asked != log::LogErrc::kOk) co_return fail(asked, "blob: the shard does not answer");
      for (const auto& bucket : answer.buckets) names_[bucket->id] = bucket->name;
      if (answer.buckets.size() < question.count_max) co_return Status();
      question.after = answer.buckets.back()->name;
    }
  }

  Task<void> scrub(blobstore::Store& store, bool& is_done, Status& outcome) {
    Result<blobstore::Store::ScrubReport> scrubbed = co_await store.scrub_now();
    is_done = true;
    if (!scrubbed.ok()) {
      outcome = forward_error(scrubbed);
      co_return;
    }
    report_.extents = scrubbed->extents;
    report_.bytes = scrubbed->bytes;
    for (const auto& finding : scrubbed->findings) problem(place(finding) + ": " + finding.what);
    if (scrubbed->damaged > scrubbed->findings.size()) {
      const uint64_t more = scrubbed->damaged - scrubbed->findings.size();
      watcher_.problem("and " + std::to_string(more) + " more");
      report_.problems += more;
    }
  }

  Task<void> tell_progress(blobstore::Store& store, const bool& is_done) {
    while (!is_done) {
      const blobstore::StoreStats& stats = store.stats(0);
      if (watcher_.progress)
        watcher_.progress(stats.scrubbed_bytes.value(), static_cast<uint64_t>(stats.disk_bytes.value()));
      co_await env::sleep_for(home_, kProgressEveryNs);
    }
  }

  void problem(const std::string& sentence) {
    ++report_.problems;
    watcher_.problem(sentence);
  }

  std::string place(const blobstore::Store::ScrubFinding& finding) const {
    const auto name = names_.find(finding.bucket);
    const std::string bucket =
        name == names_.end() ? "bucket number " + std::to_string(finding.bucket) + ": " : "s3://" + name->second + "/";
    std::string text = bucket + cli::shown(finding.key);
    if (finding.part_number != 0) return text + ", part " + std::to_string(finding.part_number) + " of an upload";
    return text + ", version " + blob::version_text(finding.version);
  }

  OverlayEnv view_;
  env::Reactor& home_;
  const std::string data_dir_;
  const FsckWatcher& watcher_;
  FsckReport report_;
  std::map<blob::BucketId, std::string> names_;
};

Task<int> run(env::Env& env, FsckOptions options) {
  // What the parts say of the folder as they open it is found by the check itself, in its own words.
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  cli::Progress progress(env.clock(), options.quiet);
  const FsckWatcher watcher{
      .problem =
          [&progress](std::string_view sentence) {
            progress.clear();
            std::printf("%.*s\n", static_cast<int>(sentence.size()), sentence.data());
          },
      .progress = [&progress](uint64_t done, uint64_t total) { progress.bytes("checking:", done, total); }};
  Result<FsckReport> report = co_await check_blobs(env, options.data_dir, watcher);
  progress.clear();
  if (!report.ok()) {
    cli::complain("blob fsck: " + report.error().message());
    co_return cli::kExitBad;
  }
  std::printf("%llu extents, %s read; %llu problems\n", static_cast<unsigned long long>(report->extents),
              cli::readable_bytes(report->bytes).c_str(), static_cast<unsigned long long>(report->problems));
  co_return report->problems == 0 ? cli::kExitGood : cli::kExitBad;
}

}  // namespace

Task<Result<FsckReport>> check_blobs(env::Env& env, std::string data_dir, const FsckWatcher& watcher) {
  Fsck fsck(env, std::move(data_dir), watcher);
  co_return co_await fsck.run();
}

int blob_fsck(FsckOptions options) {
  return cli::run_on_env([&options](env::Env& env) { return run(env, options); });
}

}  // namespace keelson::server
