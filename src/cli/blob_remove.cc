// `keelson blob mb`, `rm`, `rb` and `presign`.
#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "cli/blob_errors.h"
#include "cli/blob_run.h"
#include "cli/blob_text.h"
#include "cli/blob_verbs.h"
#include "cli/blob_walk.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

namespace {

// DeleteObjects takes so many.
constexpr size_t kDeleteBatchMax = 1000;

struct Removal {
  BlobStage& stage;
  std::string bucket;
  uint64_t removed = 0;
  uint64_t failures = 0;
};

std::string named(const std::string& bucket, const RemoteObject& object) {
  std::string text = shown(BlobUrl{bucket, object.key}.text());
  if (!object.version_id.empty()) text += " (version " + object.version_id + ")";
  return text;
}

Task<Status> remove_batch(Removal& removal, std::vector<RemoteObject> objects) {
  if (objects.empty()) co_return Status();
  BlobStage& stage = removal.stage;
  if (stage.options.dry_run) {
    for (const RemoteObject& object : objects) stage.console.line("would delete: " + named(removal.bucket, object));
    co_return Status();
  }
  BlobRequest request{.method = "POST", .bucket = removal.bucket, .query = {{"delete", ""}}};
  request.content = delete_document(objects);
  request.headers = {{"content-md5", to_base64(s3::digest_of(s3::DigestKind::kMd5, request.content))},
                     {"content-type", "application/xml"}};
  Result<BlobAnswer> answer = co_await stage.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<std::vector<DeleteFailure>> failed = parse_delete_result(answer->content);
  if (!failed.ok()) co_return forward_error(failed);
  for (const DeleteFailure& one : *failed) {
    stage.console.complain("delete: " + shown(BlobUrl{removal.bucket, one.key}.text()) + " failed: the server says " +
                           one.code + ": " + one.message);
  }
  for (const RemoteObject& object : objects) {
    const bool is_gone =
        std::none_of(failed->begin(), failed->end(), [&](const DeleteFailure& one) { return one.key == object.key; });
    if (is_gone) stage.console.told("delete: " + named(removal.bucket, object));
  }
  removal.failures += failed->size();
  removal.removed += objects.size() - std::min(objects.size(), failed->size());
  co_return Status();
}

// Every key below the prefix that the filter takes: its current version, or all of them.
template <class Pages>
Task<Status> remove_listed(Removal& removal, size_t prefix_bytes, Pages& pages, bool with_versions) {
  while (true) {
    Result<std::optional<ListPage>> page = co_await pages.next();
    if (!page.ok()) co_return forward_error(page);
    if (!*page) co_return Status();
    std::vector<RemoteObject> batch;
    for (RemoteObject& object : (*page)->objects) {
      if (!removal.stage.options.filter.takes(std::string_view(object.key).substr(prefix_bytes))) continue;
      if (!with_versions) object.version_id.clear();
      batch.push_back(std::move(object));
      if (batch.size() < kDeleteBatchMax) continue;
      if (Status done = co_await remove_batch(removal, std::exchange(batch, {})); !done.ok()) co_return done;
    }
    if (Status done = co_await remove_batch(removal, std::move(batch)); !done.ok()) co_return done;
  }
}

Task<Status> remove_below(Removal& removal, std::string prefix, bool with_versions) {
  if (with_versions) {
    VersionPages pages(removal.stage.service, removal.bucket, prefix);
    co_return co_await remove_listed(removal, prefix.size(), pages, true);
  }
  ObjectPages pages(removal.stage.service, removal.bucket, prefix);
  co_return co_await remove_listed(removal, prefix.size(), pages, false);
}

Task<Status> remove_uploads(Removal& removal, std::string prefix) {
  BlobStage& stage = removal.stage;
  UploadPages pages(stage.service, removal.bucket, std::move(prefix));
  while (true) {
    Result<std::optional<UploadPage>> page = co_await pages.next();
    if (!page.ok()) co_return forward_error(page);
    if (!*page) co_return Status();
    for (const RemoteUpload& upload : (*page)->uploads) {
      const std::string text = "upload of " + shown(BlobUrl{removal.bucket, upload.key}.text());
      if (stage.options.dry_run) {
        stage.console.line("would abort the " + text);
        continue;
      }
      Status aborted = co_await abort_upload(stage.service, removal.bucket, upload.key, upload.id);
      if (!aborted.ok()) co_return aborted;
      ++removal.removed;
      stage.console.told("aborted the " + text);
    }
  }
}

Status outcome_of(const Removal& removal) {
  if (removal.failures == 0) return {};
  return fail(BlobErrc::kFailed, std::to_string(removal.failures) + " could not be removed");
}

Task<Status> remove_one(BlobStage& stage, BlobUrl url) {
  const std::string& version = stage.options.transfer.version_id;
  BlobRequest request{.method = "HEAD", .bucket = url.bucket, .key = url.key};
  if (!version.empty()) request.query.emplace_back("versionId", version);
  // S3 says yes to the removal of what is not there; a person who has mistyped a key wants to know. A delete marker can
  // be removed by its version, but not looked at.
  if (version.empty()) {
    Result<BlobAnswer> there = co_await stage.service.call(request);
    if (!there.ok()) co_return forward_error(there);
  }
  const std::string text = shown(url.text()) + (version.empty() ? "" : " (version " + version + ")");
  if (stage.options.dry_run) {
    stage.console.line("would delete: " + text);
    co_return Status();
  }
  request.method = "DELETE";
  Result<BlobAnswer> answer = co_await stage.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  stage.console.told("delete: " + text);
  co_return Status();
}

}  // namespace

Task<Status> blob_rm(BlobStage& stage) {
  const BlobOptions& options = stage.options;
  Result<BlobUrl> url = only_url(options, UrlNeeds::kBucket);
  if (!url.ok()) co_return forward_error(url);
  if (!options.recursive && !options.uploads) {
    if (url->key.empty()) {
      co_return fail(BlobErrc::kUsage, url->text() + " is a bucket: add --recursive for all that is in it, or remove " +
                                           "it with `keelson blob rb`");
    }
    if (options.versions) {
      co_return fail(BlobErrc::kUsage, "--versions goes with --recursive; one version is named by --version-id");
    }
    co_return co_await remove_one(stage, *url);
  }
  if (!options.transfer.version_id.empty()) {
    co_return fail(BlobErrc::kUsage, "a version is of one object: leave --recursive or --version-id out");
  }
  Removal removal{.stage = stage, .bucket = url->bucket};
  Status done;
  if (options.uploads) {
    done = co_await remove_uploads(removal, url->key);
  } else {
    done = co_await remove_below(removal, url->folder_key(), options.versions);
  }
  if (!done.ok()) co_return done;
  if (!options.dry_run) stage.console.told(std::to_string(removal.removed) + " removed");
  co_return outcome_of(removal);
}

Task<Status> blob_mb(BlobStage& stage) {
  Result<BlobUrl> url = only_url(stage.options, UrlNeeds::kBucket);
  if (!url.ok()) co_return forward_error(url);
  if (!url->key.empty()) co_return fail(BlobErrc::kUsage, url->text() + ": a bucket has no key: s3://bucket");
  BlobRequest request{.method = "PUT", .bucket = url->bucket};
  request.content = create_bucket_document(stage.service.target().region);
  Result<BlobAnswer> answer = co_await stage.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  stage.console.told("made: s3://" + url->bucket);
  co_return Status();
}

Task<Status> blob_rb(BlobStage& stage) {
  Result<BlobUrl> url = only_url(stage.options, UrlNeeds::kBucket);
  if (!url.ok()) co_return forward_error(url);
  if (!url->key.empty()) co_return fail(BlobErrc::kUsage, url->text() + ": a bucket has no key: s3://bucket");
  Removal removal{.stage = stage, .bucket = url->bucket};
  if (stage.options.force) {
    if (Status done = co_await remove_uploads(removal, ""); !done.ok()) co_return done;
    if (Status done = co_await remove_below(removal, "", true); !done.ok()) co_return done;
    if (Status done = outcome_of(removal); !done.ok()) co_return done;
  }
  if (stage.options.dry_run) {
    stage.console.line("would remove: s3://" + url->bucket);
    co_return Status();
  }
  BlobRequest request{.method = "DELETE", .bucket = url->bucket};
  Result<BlobAnswer> answer = co_await stage.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  stage.console.told("removed: s3://" + url->bucket);
  co_return Status();
}

Task<Status> blob_presign(BlobStage& stage) {
  const BlobOptions& options = stage.options;
  Result<BlobUrl> url = only_url(options, UrlNeeds::kKey);
  if (!url.ok()) co_return forward_error(url);
  BlobRequest request{.method = options.method, .bucket = url->bucket, .key = url->key};
  if (!options.transfer.version_id.empty()) request.query.emplace_back("versionId", options.transfer.version_id);
  const BlobTarget& target = stage.service.target();
  Result<std::string> signed_url = presigned_url(request, target.endpoint, target.keys, target.region,
                                                 stage.env.clock().wall_ms(), options.expires_s);
  if (!signed_url.ok()) co_return forward_error(signed_url);
  stage.console.line(*signed_url);
  co_return Status();
}

Task<Status> run_blob_verb(BlobStage& stage) {
  switch (stage.options.verb) {
    case BlobVerb::kCp:
      return blob_cp(stage);
    case BlobVerb::kSync:
      return blob_sync(stage);
    case BlobVerb::kLs:
      return blob_ls(stage);
    case BlobVerb::kRm:
      return blob_rm(stage);
    case BlobVerb::kDu:
      return blob_du(stage);
    case BlobVerb::kStat:
      return blob_stat(stage);
    case BlobVerb::kMb:
      return blob_mb(stage);
    case BlobVerb::kRb:
      return blob_rb(stage);
    case BlobVerb::kPresign:
      return blob_presign(stage);
  }
  KEELSON_CHECK(false, "a verb that is none");
}

}  // namespace keelson::cli
