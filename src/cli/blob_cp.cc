// `keelson blob cp` and `sync`: who goes where.
#include <optional>
#include <utility>

#include "cli/blob_errors.h"
#include "cli/blob_run.h"
#include "cli/blob_text.h"
#include "cli/blob_verbs.h"
#include "cli/blob_walk.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kDash = "-";

// One end of a transfer, as it was typed.
struct Place {
  enum class Kind : uint8_t { kFile, kObject, kStream };
  Kind kind = Kind::kFile;
  std::string path = {};
  BlobUrl url = {};
};

Result<Place> parse_place(const std::string& text) {
  if (text == kDash) return Place{.kind = Place::Kind::kStream};
  if (!is_blob_url(text)) {
    if (text.empty()) return fail(BlobErrc::kUsage, "an empty name is no file");
    return Place{.kind = Place::Kind::kFile, .path = text};
  }
  Result<BlobUrl> url = parse_blob_url(text);
  if (!url.ok()) return forward_error(url);
  if (url->bucket.empty()) return fail(BlobErrc::kUsage, text + ": name a bucket: s3://bucket/key");
  return Place{.kind = Place::Kind::kObject, .url = std::move(*url)};
}

struct Ends {
  Place from;
  Place to;
};

Result<Ends> parse_ends(const BlobOptions& options) {
  if (options.places.size() != 2) return fail(BlobErrc::kUsage, "name two places: from where, and to where");
  Result<Place> from = parse_place(options.places[0]);
  if (!from.ok()) return forward_error(from);
  Result<Place> to = parse_place(options.places[1]);
  if (!to.ok()) return forward_error(to);
  if (from->kind != Place::Kind::kObject && to->kind != Place::Kind::kObject) {
    return fail(BlobErrc::kUsage, "one of the two places is an object: s3://bucket/key");
  }
  return Ends{std::move(*from), std::move(*to)};
}

bool is_folder(env::Disk& disk, const std::string& path) {
  const Result<env::FileInfo> info = disk.info(path);
  return info.ok() && info->kind == env::FileKind::kFolder;
}

// The job for one name below both ends.
Result<BlobJob> job_below(const Ends& ends, const Entry& entry) {
  BlobJob job{.known = entry};
  if (ends.from.kind == Place::Kind::kObject) {
    job.from = {.bucket = ends.from.url.bucket, .key = ends.from.url.folder_key() + entry.name};
  } else {
    job.path = path_below(ends.from.path, entry.name).value_or(ends.from.path + "/" + entry.name);
  }
  if (ends.to.kind == Place::Kind::kObject) {
    job.kind = ends.from.kind == Place::Kind::kObject ? BlobJobKind::kCopy : BlobJobKind::kUpload;
    job.to = {.bucket = ends.to.url.bucket, .key = ends.to.url.folder_key() + entry.name};
    return job;
  }
  job.kind = BlobJobKind::kDownload;
  auto path = path_below(ends.to.path, entry.name);
  if (!path) {
    return fail(BlobErrc::kUsage, "download: " + shown(job.from.text()) + " failed: no file can have the name " +
                                      shown(entry.name) + ". Copy it alone, to a name of your choice");
  }
  job.path = std::move(*path);
  return job;
}

std::unique_ptr<EntrySource> walk(BlobStage& stage, const Place& place) {
  if (place.kind == Place::Kind::kObject) return walk_objects(stage.service, place.url.bucket, place.url.folder_key());
  return walk_folder(stage.env.disk(), place.path);
}

Task<Status> copy_all(BlobStage& stage, Ends ends) {
  BlobRun run(stage);
  const std::unique_ptr<EntrySource> source = walk(stage, ends.from);
  Status walked;
  bool found = false;
  while (true) {
    Result<std::optional<Entry>> entry = co_await source->next();
    if (!entry.ok()) {
      walked = forward_error(entry);
      break;
    }
    if (!*entry) break;
    if (!stage.options.filter.takes((*entry)->name)) continue;
    found = true;
    Result<BlobJob> job = job_below(ends, **entry);
    if (job.ok()) {
      co_await run.add(std::move(*job));
    } else {
      run.failed(job.error().message());
    }
  }
  if (walked.ok() && !found && ends.from.kind == Place::Kind::kObject) {
    walked = fail(BlobErrc::kNotFound, ends.from.url.text() + ": there is nothing below it");
  }
  if (!walked.ok()) run.failed(walked.error().message());
  run.set_total(run.added_bytes());
  co_return co_await run.finish();
}

// The one job of a cp without --recursive, between a file and an object or two objects.
Result<BlobJob> single_job(BlobStage& stage, const Ends& ends) {
  env::Disk& disk = stage.env.disk();
  BlobJob job;
  std::string_view name;
  if (ends.from.kind == Place::Kind::kFile) {
    Result<env::FileInfo> info = disk.info(ends.from.path);
    if (!info.ok()) return forward_error(info);
    if (info->kind == env::FileKind::kFolder) {
      return fail(BlobErrc::kUsage, ends.from.path + " is a folder: add --recursive, or use `keelson blob sync`");
    }
    job.path = ends.from.path;
    name = last_part(job.path);
    job.known = Entry{.name = std::string(name), .size_bytes = info->size_bytes};
  } else {
    job.from = ends.from.url;
    if (job.from.key.empty()) {
      return fail(BlobErrc::kUsage, job.from.text() + " is a bucket: add --recursive, or name a key in it");
    }
    name = last_part(job.from.key);
  }
  if (ends.to.kind == Place::Kind::kObject) {
    job.kind = ends.from.kind == Place::Kind::kFile ? BlobJobKind::kUpload : BlobJobKind::kCopy;
    job.to = ends.to.url;
    if (job.to.key.empty() || job.to.key.ends_with('/')) job.to.key += name;
    return job;
  }
  job.kind = BlobJobKind::kDownload;
  job.path = ends.to.path;
  if (job.path.ends_with('/') || is_folder(disk, job.path)) {
    auto path = path_below(job.path, name);
    if (!path) return fail(BlobErrc::kUsage, "no file can be named as this key: name the file too");
    job.path = std::move(*path);
  }
  return job;
}

void tell_unchecked(BlobStage& stage, const BlobUrl& url) {
  stage.console.told(shown(url.text()) + " could not be checked: the server gives no checksum of the whole");
}

Task<Status> copy_stream(BlobStage& stage, Ends ends) {
  if (stage.options.recursive) co_return fail(BlobErrc::kUsage, "a stream is one object: leave --recursive out");
  if (stage.options.dry_run) {
    stage.console.line("would copy " + stage.options.places[0] + " to " + stage.options.places[1]);
    co_return Status();
  }
  TransferMeter meter;
  Turns parts(stage.reactor(), stage.service.target().parallel);
  const TransferContext context{
      .env = stage.env, .service = stage.service, .options = stage.options.transfer, .meter = meter, .parts = parts};
  const bool is_upload = ends.from.kind == Place::Kind::kStream;
  const BlobUrl& url = is_upload ? ends.to.url : ends.from.url;
  if (url.key.empty() || (is_upload && url.key.ends_with('/'))) {
    co_return fail(BlobErrc::kUsage, url.text() + ": a stream has no name, so name the whole key");
  }
  if (!is_upload) {
    Result<TransferOutcome> outcome = co_await download_stream(context, url, stage.output);
    if (!outcome.ok()) co_return forward_error(outcome);
    if (!outcome->is_checked) tell_unchecked(stage, url);
    co_return Status();
  }
  Result<TransferOutcome> outcome = co_await upload_stream(context, stage.input, url);
  if (!outcome.ok()) co_return forward_error(outcome);
  stage.console.told(outcome->is_skipped ? url.text() + " is there already, and stays"
                                         : "upload: - to " + shown(url.text()) + ", " +
                                               shown_size(outcome->size_bytes, stage.options.exact_bytes));
  if (!outcome->is_skipped && !outcome->is_checked) tell_unchecked(stage, url);
  co_return Status();
}

// Both sides of a sync, in step.
class Merge {
 public:
  Merge(std::unique_ptr<EntrySource> source, std::unique_ptr<EntrySource> target, const NameFilter& filter)
      : source_(std::move(source)), target_(std::move(target)), filter_(filter) {}

  struct Pair {
    std::optional<Entry> source;
    std::optional<Entry> target;
    [[nodiscard]] bool is_end() const { return !source && !target; }
  };
  // The next name that either side has.
  Task<Result<Pair>> next() {
    if (!is_source_read_) {
      if (Status read = co_await advance(*source_, next_source_); !read.ok()) co_return forward_error(read);
      is_source_read_ = true;
    }
    if (!is_target_read_) {
      if (Status read = co_await advance(*target_, next_target_); !read.ok()) co_return forward_error(read);
      is_target_read_ = true;
    }
    Pair pair;
    const bool takes_source = next_source_ && (!next_target_ || next_source_->name <= next_target_->name);
    const bool takes_target = next_target_ && (!next_source_ || next_target_->name <= next_source_->name);
    if (takes_source) {
      pair.source = std::exchange(next_source_, {});
      is_source_read_ = false;
    }
    if (takes_target) {
      pair.target = std::exchange(next_target_, {});
      is_target_read_ = false;
    }
    co_return pair;
  }

 private:
  // What is left out by the filter is so on both sides, so --delete does not touch it.
  Task<Status> advance(EntrySource& from, std::optional<Entry>& into) {
    do {
      Result<std::optional<Entry>> entry = co_await from.next();
      if (!entry.ok()) co_return forward_error(entry);
      into = std::move(*entry);
    } while (into && !filter_.takes(into->name));
    co_return Status();
  }

  const std::unique_ptr<EntrySource> source_;
  const std::unique_ptr<EntrySource> target_;
  const NameFilter& filter_;
  std::optional<Entry> next_source_;
  std::optional<Entry> next_target_;
  bool is_source_read_ = false;
  bool is_target_read_ = false;
};

class NoEntries final : public EntrySource {
 public:
  Task<Result<std::optional<Entry>>> next() override { co_return std::optional<Entry>(); }
};

Task<void> add_deletion(BlobRun& run, const Ends& ends, Entry entry) {
  BlobJob job;
  if (ends.to.kind == Place::Kind::kObject) {
    job.kind = BlobJobKind::kDeleteObject;
    job.from = {.bucket = ends.to.url.bucket, .key = ends.to.url.folder_key() + entry.name};
  } else {
    job.kind = BlobJobKind::kDeleteFile;
    job.path = path_below(ends.to.path, entry.name).value_or(ends.to.path + "/" + entry.name);
  }
  co_await run.add(std::move(job));
}

Task<void> sync_pair(BlobStage& stage, BlobRun& run, const Ends& ends, const Merge::Pair& pair) {
  const Entry* source = pair.source ? &*pair.source : nullptr;
  const Entry* target = pair.target ? &*pair.target : nullptr;
  SyncStep step = sync_step(source, target, stage.options.sync);
  const bool are_objects = ends.from.kind == Place::Kind::kObject && ends.to.kind == Place::Kind::kObject;
  if (step == SyncStep::kCompare && are_objects) {
    step = !source->etag.empty() && source->etag == target->etag ? SyncStep::kKeep : SyncStep::kTransfer;
  }
  if (step == SyncStep::kKeep || step == SyncStep::kIgnore) co_return;
  if (step == SyncStep::kDelete) {
    co_await add_deletion(run, ends, *target);
    co_return;
  }
  Result<BlobJob> job = job_below(ends, *source);
  if (!job.ok()) {
    run.failed(job.error().message());
    co_return;
  }
  job->if_different = step == SyncStep::kCompare;
  co_await run.add(std::move(*job));
}

}  // namespace

Task<Status> blob_cp(BlobStage& stage) {
  Result<Ends> ends = parse_ends(stage.options);
  if (!ends.ok()) co_return forward_error(ends);
  if (ends->from.kind == Place::Kind::kStream || ends->to.kind == Place::Kind::kStream) {
    co_return co_await copy_stream(stage, std::move(*ends));
  }
  const bool is_one_file = ends->from.kind == Place::Kind::kFile && !is_folder(stage.env.disk(), ends->from.path);
  if (stage.options.recursive && !is_one_file) {
    if (!stage.options.transfer.version_id.empty()) {
      co_return fail(BlobErrc::kUsage, "a version is of one object: leave --recursive or --version-id out");
    }
    co_return co_await copy_all(stage, std::move(*ends));
  }
  Result<BlobJob> job = single_job(stage, *ends);
  if (!job.ok()) co_return forward_error(job);
  BlobRun run(stage);
  run.set_one();
  if (job->known) run.set_total(job->known->size_bytes);
  if (job->kind == BlobJobKind::kDownload) job->known.reset();
  co_await run.add(std::move(*job));
  co_return co_await run.finish();
}

Task<Status> blob_sync(BlobStage& stage) {
  Result<Ends> ends = parse_ends(stage.options);
  if (!ends.ok()) co_return forward_error(ends);
  if (ends->from.kind == Place::Kind::kStream || ends->to.kind == Place::Kind::kStream) {
    co_return fail(BlobErrc::kUsage, "a sync is between folders; for streams there is `keelson blob cp`");
  }
  env::Disk& disk = stage.env.disk();
  if (ends->from.kind == Place::Kind::kFile && !is_folder(disk, ends->from.path)) {
    co_return fail(BlobErrc::kUsage, ends->from.path + " is no folder; for one file there is `keelson blob cp`");
  }
  const bool is_new_folder = ends->to.kind == Place::Kind::kFile && !disk.exists(ends->to.path);
  std::unique_ptr<EntrySource> target = is_new_folder ? std::make_unique<NoEntries>() : walk(stage, ends->to);
  Merge merge(walk(stage, ends->from), std::move(target), stage.options.filter);
  BlobRun run(stage);
  while (true) {
    Result<Merge::Pair> pair = co_await merge.next();
    if (!pair.ok()) {
      run.failed(pair.error().message());
      break;
    }
    if (pair->is_end()) break;
    co_await sync_pair(stage, run, *ends, *pair);
  }
  run.set_total(run.added_bytes());
  co_return co_await run.finish();
}

}  // namespace keelson::cli
