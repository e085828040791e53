#include "cli/blob_run.h"

#include <utility>

#include "cli/blob_errors.h"
#include "cli/blob_text.h"
#include "cli/progress.h"

namespace keelson::cli {

namespace {

constexpr int64_t kTickNs = 200'000'000;

std::string counted(uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::string BlobJob::text() const {
  switch (kind) {
    case BlobJobKind::kUpload:
      return "upload: " + shown(path) + " to " + shown(to.text());
    case BlobJobKind::kDownload:
      return "download: " + shown(from.text()) + " to " + shown(path);
    case BlobJobKind::kCopy:
      return "copy: " + shown(from.text()) + " to " + shown(to.text());
    case BlobJobKind::kDeleteObject:
      return "delete: " + shown(from.text());
    case BlobJobKind::kDeleteFile:
      return "delete: " + shown(path);
  }
  return {};
}

BlobRun::BlobRun(BlobStage& stage)
    : stage_(stage),
      parts_(stage.reactor(), stage.service.target().parallel),
      context_{.env = stage.env,
               .service = stage.service,
               .options = stage.options.transfer,
               .meter = meter_,
               .parts = parts_},
      turns_(stage.reactor(), context_.parallel()),
      began_ns_(stage.env.clock().monotonic_ns()),
      tick_(stage.reactor(),
            [this] {
              show();
              tick_.arm_after(kTickNs);
            }),
      scope_(stage.reactor()) {
  tick_.arm_after(kTickNs);
}

BlobRun::~BlobRun() = default;

void BlobRun::show() {
  if (meter_.moved_bytes == 0 && done_ == 0) return;
  stage_.console.progress(progress_text({.done_bytes = meter_.moved_bytes,
                                         .total_bytes = total_bytes_ + meter_.announced_bytes,
                                         .objects = is_one_ ? 0 : done_,
                                         .took_ns = stage_.env.clock().monotonic_ns() - began_ns_}));
}

Task<void> BlobRun::add(BlobJob job) {
  if (job.known) added_bytes_ += job.known->size_bytes;
  if (stage_.options.dry_run) {
    stage_.console.line("would " + job.text() + (job.if_different ? ", if the contents differ" : ""));
    ++done_;
    co_return;
  }
  co_await turns_.take();
  scope_.spawn(run(std::move(job)));
}

void BlobRun::failed(const std::string& sentence) {
  ++failures_;
  if (listed_.size() < kListedMax) listed_.push_back(sentence);
  stage_.console.complain(sentence);
}

Task<void> BlobRun::run(BlobJob job) {
  Result<TransferOutcome> outcome = co_await transfer(job);
  if (!outcome.ok()) {
    std::string sentence = job.text() + " failed: " + outcome.error().message();
    if (is_one_) {
      one_error_.emplace(outcome.error().code(), std::move(sentence));
    } else {
      failed(sentence);
    }
  } else if (outcome->is_skipped) {
    ++skipped_;
  } else {
    ++done_;
    resumed_bytes_ += outcome->resumed_bytes;
    const bool is_transfer = job.kind != BlobJobKind::kDeleteFile && job.kind != BlobJobKind::kDeleteObject;
    if (is_transfer && !outcome->is_checked) ++unchecked_;
    std::string text = job.text();
    if (outcome->resumed_bytes != 0) text += ", " + readable_bytes(outcome->resumed_bytes) + " of it from before";
    stage_.console.told(text);
  }
  turns_.give_back();
}

Task<Result<TransferOutcome>> BlobRun::transfer(BlobJob job) {
  if (job.if_different) {
    BlobUrl object = job.kind == BlobJobKind::kUpload ? job.to : job.from;
    Result<std::optional<bool>> is_same = co_await same_content(context_, std::move(object), job.path);
    if (!is_same.ok()) co_return forward_error(is_same);
    // Where nothing can be compared the content goes over.
    if (is_same->value_or(false)) co_return TransferOutcome{.is_skipped = true};
  }
  switch (job.kind) {
    case BlobJobKind::kUpload:
      co_return co_await upload_file(context_, job.path, job.to);
    case BlobJobKind::kDownload:
      co_return co_await download_file(context_, job.from, job.path, job.known);
    case BlobJobKind::kCopy:
      co_return co_await copy_object(context_, job.from, job.to);
    case BlobJobKind::kDeleteObject: {
      BlobRequest request{.method = "DELETE", .bucket = job.from.bucket, .key = job.from.key};
      Result<BlobAnswer> answer = co_await stage_.service.call(std::move(request));
      if (!answer.ok()) co_return forward_error(answer);
      break;
    }
    case BlobJobKind::kDeleteFile:
      if (Status removed = stage_.env.disk().remove(job.path); !removed.ok()) co_return forward_error(removed);
      break;
  }
  co_return TransferOutcome{};
}

void BlobRun::sum_up() {
  std::string text = counted(done_, "object");
  if (meter_.moved_bytes != 0) text += ", " + readable_bytes(meter_.moved_bytes);
  if (resumed_bytes_ != 0) text += " (" + readable_bytes(resumed_bytes_) + " of it from before)";
  if (skipped_ != 0) text += ", " + std::to_string(skipped_) + " left as they are";
  if (stage_.service.retry_count() != 0)
    text += ", " + counted(stage_.service.retry_count(), "request") + " sent again";
  stage_.console.told(text);
  if (unchecked_ != 0) {
    stage_.console.told(counted(unchecked_, "object") +
                        " could not be checked: the server gives no checksum of the whole");
  }
}

Task<Status> BlobRun::finish() {
  co_await scope_.join();
  tick_.disarm();
  if (stage_.options.dry_run) co_return Status();
  if (one_error_) co_return std::unexpected<Error>(std::move(*one_error_));
  sum_up();
  if (failures_ == 0) co_return Status();
  if (failures_ > 1) {
    stage_.console.complain("What failed:");
    for (const std::string& one : listed_) stage_.console.complain("  " + one);
    if (failures_ > listed_.size()) {
      stage_.console.complain("  and " + std::to_string(failures_ - listed_.size()) + " more, see above");
    }
  }
  co_return fail(BlobErrc::kFailed, counted(failures_, "failure") + ". The same command goes on with what is missing");
}

}  // namespace keelson::cli
