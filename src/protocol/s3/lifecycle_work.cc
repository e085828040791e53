// Lifecycle rules at work: goes over the buckets that have some, and lets go what is due. Every removal is conditional
// on what was seen, so that an object which has changed meanwhile stays.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "protocol/s3/call.h"
#include "protocol/s3/service.h"

namespace keelson::s3 {

namespace {

constexpr uint32_t kPage = 1000;
constexpr int64_t kNsPerMs = 1'000'000;
// With a real day a round begins each hour; S3 itself works once a day. With a short one, ten times a day.
constexpr int64_t kRoundsPerDay = 24;
constexpr int64_t kRoundsPerShortDay = 10;
constexpr int64_t kRoundMsMin = 100;
// How often a loop that waits for its next round looks whether the service stops.
constexpr int64_t kLookMs = 100;
// Of one key, due, before they are let go; a key with more is done in several goes.
constexpr size_t kDueMax = 10'000;
// Between pages, so that others get their turn.
constexpr int64_t kPauseNs = 1 * kNsPerMs;

// What a round has done, for the log line.
struct RoundCounts {
  uint64_t removed = 0;
  uint64_t aborted = 0;
};

// One bucket's objects, version by version in the order of listings: keys rise, versions of a key go back in time.
class BucketRound {
 public:
  BucketRound(blobstore::Store& store, env::Reactor& on, std::shared_ptr<const BucketView> bucket, int64_t now_ms,
              const S3Options& options, const bool& is_stopping, RoundCounts& counts)
      : store_(store),
        on_(on),
        bucket_(std::move(bucket)),
        now_ms_(now_ms + (options.faults.lifecycle_is_a_day_early ? options.lifecycle_day_ms : 0)),
        day_ms_(options.lifecycle_day_ms),
        ignores_locks_(options.faults.lifecycle_ignores_locks),
        is_stopping_(is_stopping),
        counts_(counts) {}

  Task<void> run() {
    co_await objects();
    co_await uploads();
  }

 private:
  Task<void> objects() {
    blob::ListObjects list;
    list.bucket = bucket_->id();
    list.with_versions = true;
    list.with_meta = true;
    list.count_max = kPage;
    while (true) {
      blob::Answer answer;
      if (co_await store_.list(on_, list, answer) != log::LogErrc::kOk || !answer.ok()) co_return;
      for (size_t i = 0; i < answer.page.entries.size(); ++i) {
        if (is_stopping_) co_return;
        const bool is_last = i + 1 == answer.page.entries.size();
        const std::string* next_key = is_last ? nullptr : &answer.page.entries[i + 1].key;
        const bool is_known = !is_last || !answer.page.is_truncated;
        co_await visit(answer.page.entries[i], next_key, is_known);
      }
      if (!answer.page.is_truncated) break;
      list.after = answer.page.next_after;
      list.after_version = answer.page.next_after_version;
      co_await env::sleep_for(on_, kPauseNs);
    }
    co_await end_key();
  }

  // `next_key`: of the entry behind this one, if there is one; `is_next_known`: there is none otherwise.
  Task<void> visit(const blob::ObjectInfo& object, const std::string* next_key, bool is_next_known) {
    if (object.key != key_) {
      co_await end_key();
      key_ = object.key;
      noncurrent_ = 0;
    }
    const LifecycleConfiguration& rules = *bucket_->lifecycle;
    const LifecycleObject known{object.key, &object.meta.tags, object.meta.payload.size_bytes};
    bool is_due = false;
    if (object.is_latest && object.is_delete_marker) {
      const bool is_alone = is_next_known && (next_key == nullptr || *next_key != object.key);
      is_due = is_alone && expires_delete_marker(rules, object.key, object.modified_ms, now_ms_, day_ms_);
      if (is_due) co_await remove(object, true);
    } else if (object.is_latest) {
      const auto expiration = expiration_of(rules, known, object.modified_ms, day_ms_);
      is_due = expiration && expiration->at_ms <= now_ms_;
      // With versions the object gets a delete marker, without it goes.
      if (is_due) expired_ = object;
    } else {
      is_due = is_noncurrent_due(rules, known, newer_ms_, noncurrent_, now_ms_, day_ms_);
      if (is_due) due_.push_back({object.version, object.is_null});
      if (due_.size() == kDueMax) co_await let_go();
      ++noncurrent_;
    }
    newer_ms_ = object.modified_ms;
  }

  // What is due of a key goes from the oldest version to the current one: whether one is due hangs on newer ones (how
  // many there are, and when it stopped being current), so a round that was broken off is gone on with as if it had not
  // been.
  Task<void> end_key() {
    co_await let_go();
    if (expired_ && !is_stopping_) co_await remove(*expired_, false);
    expired_.reset();
  }

  Task<void> let_go() {
    while (!due_.empty() && !is_stopping_) {
      blob::ObjectInfo object;
      object.key = key_;
      object.version = due_.back().version;
      object.is_null = due_.back().is_null;
      due_.pop_back();
      co_await remove(object, true);
    }
  }

  Task<void> remove(const blob::ObjectInfo& object, bool is_version) {
    blob::DeleteObject command;
    command.bucket = bucket_->id();
    command.key = object.key;
    if (is_version) {
      if (object.is_null) {
        command.is_null_version = true;
      } else {
        command.version = object.version;
      }
    }
    if (object.is_latest) command.condition.if_version = object.version;
    command.bypasses_governance = ignores_locks_;
    blob::Answer answer;
    if (co_await store_.apply(on_, command, answer) == log::LogErrc::kOk && answer.ok()) ++counts_.removed;
  }

  Task<void> uploads() {
    const auto& rules = bucket_->lifecycle->rules;
    if (std::none_of(rules.begin(), rules.end(), [](const LifecycleRule& rule) { return rule.abort_upload_days; })) {
      co_return;
    }
    blob::ListUploads list;
    list.bucket = bucket_->id();
    list.count_max = kPage;
    while (true) {
      blob::Answer answer;
      if (co_await store_.list_uploads(on_, list, answer) != log::LogErrc::kOk || !answer.ok()) co_return;
      for (const blob::UploadInfo& upload : answer.uploads) {
        if (is_stopping_) co_return;
        if (!is_upload_due(*bucket_->lifecycle, upload.key, upload.initiated_ms, now_ms_, day_ms_)) continue;
        const blob::AbortUpload abort{bucket_->id(), upload.key, upload.id};
        blob::Answer aborted;
        if (co_await store_.apply(on_, abort, aborted) == log::LogErrc::kOk && aborted.ok()) ++counts_.aborted;
      }
      if (!answer.is_truncated || answer.uploads.empty()) co_return;
      list.after = answer.uploads.back().key;
      list.after_upload = answer.uploads.back().id;
      co_await env::sleep_for(on_, kPauseNs);
    }
  }

  blobstore::Store& store_;
  env::Reactor& on_;
  std::shared_ptr<const BucketView> bucket_;
  int64_t now_ms_;
  int64_t day_ms_;
  bool ignores_locks_;
  const bool& is_stopping_;
  RoundCounts& counts_;
  struct Due {
    blob::Version version;
    bool is_null;
  };
  std::string key_;
  std::vector<Due> due_;                     // noncurrent versions of key_, newest first
  std::optional<blob::ObjectInfo> expired_;  // its current version
  uint32_t noncurrent_ = 0;                  // noncurrent versions of key_ that were newer
  int64_t newer_ms_ = 0;  // when the version before this one was made, and this one stopped being current
};

}  // namespace

Task<void> S3Service::run_lifecycle() {
  env::Reactor& here = env_.reactor(0);
  RoundCounts counts;
  blob::ListBuckets list;
  while (true) {
    blob::Answer answer;
    if (co_await store_.query_buckets(here, list, answer) != log::LogErrc::kOk || !answer.ok()) co_return;
    for (const auto& bucket : answer.buckets) {
      if (is_stopping_) co_return;
      if (!bucket->documents.contains(kLifecycleDocument)) continue;
      auto view = locals_[0]->buckets.view_of(bucket);
      if (!view->lifecycle) continue;
      BucketRound round(store_, here, std::move(view), clock().wall_ms(), options_, is_stopping_, counts);
      co_await round.run();
    }
    if (!answer.is_truncated || answer.buckets.empty()) break;
    list.after = answer.buckets.back()->name;
  }
  if (counts.removed + counts.aborted > 0) {
    log_info("s3", "lifecycle rules have let go", {{"versions", counts.removed}, {"uploads", counts.aborted}});
  }
}

Task<void> S3Service::lifecycle_loop() {
  const bool is_short = options_.lifecycle_day_ms < kDayMs;
  const int64_t round_ms =
      std::max(kRoundMsMin, options_.lifecycle_day_ms / (is_short ? kRoundsPerShortDay : kRoundsPerDay));
  int64_t due_ns = clock().monotonic_ns() + round_ms * kNsPerMs;
  while (!is_stopping_) {
    co_await env::sleep_for(env_.reactor(0), std::min(kLookMs, round_ms) * kNsPerMs);
    if (is_stopping_ || clock().monotonic_ns() < due_ns) continue;
    co_await run_lifecycle();
    due_ns = clock().monotonic_ns() + round_ms * kNsPerMs;
  }
}

}  // namespace keelson::s3
