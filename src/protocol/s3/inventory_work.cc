#include "protocol/s3/inventory_work.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/logging.h"
#include "protocol/s3/call.h"
#include "protocol/s3/gzip.h"
#include "protocol/s3/own_object.h"
#include "protocol/s3/service.h"

namespace keelson::s3 {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// About a millisecond of listing, formatting and compressing at a time.
constexpr uint32_t kPage = 250;
constexpr int64_t kPauseNsMin = 1 * kNsPerMs;
// With a real day a look each minute; with a short one, ten times a day.
constexpr int64_t kLooksPerDay = 24 * 60;
constexpr int64_t kLooksPerShortDay = 10;
constexpr int64_t kLookMsMin = 100;
// How often a loop that waits for its next look sees whether the service stops.
constexpr int64_t kStopMs = 100;

// The run of one configuration.
class InventoryRun {
 public:
  InventoryRun(S3Service& service, env::Reactor& home, std::shared_ptr<const blob::Bucket> bucket,
               const InventoryConfiguration& configuration, int64_t slot_ms, const bool& is_stopping)
      : service_(service),
        home_(home),
        bucket_(std::move(bucket)),
        configuration_(configuration),
        slot_ms_(slot_ms),
        is_stopping_(is_stopping),
        place_(inventory_place(configuration, bucket_->name, service.clock().wall_ms())) {}

  // kServiceUnavailable also if the service stops.
  Task<S3Result<>> run() {
    if (auto good = co_await find_destination(); !good) co_return good;
    if (auto good = co_await write_rows(); !good) co_return good;
    const std::string manifest = inventory_manifest(configuration_, bucket_->name, place_.started_ms, files_);
    const std::string checksum = to_hex(digest_of(DigestKind::kMd5, manifest));
    // The checksum is what readers wait for: it comes last.
    const std::string symlinks = inventory_symlinks(configuration_, files_);
    if (auto good = co_await put_small(place_.symlink_key(), symlinks, "text/plain"); !good) co_return good;
    if (auto good = co_await put_small(place_.manifest_key(), manifest, "application/json"); !good) co_return good;
    co_return co_await put_small(place_.checksum_key(), checksum, "text/plain");
  }

  [[nodiscard]] uint64_t rows() const { return rows_; }
  [[nodiscard]] size_t file_count() const { return files_.size(); }

 private:
  Task<S3Result<>> find_destination() {
    auto bucket = co_await service_.store().find_bucket(home_, configuration_.destination_bucket);
    if (bucket == nullptr) co_return s3_fail(ErrorCode::kNoSuchBucket, "The destination bucket does not exist.");
    destination_ = service_.local(home_).buckets.view_of(std::move(bucket));
    if (decide_delivery(*destination_, kInventoryService, place_.manifest_key(), bucket_->name) == Decision::kDeny) {
      co_return s3_fail(ErrorCode::kAccessDenied, "The destination bucket's policy denies it.");
    }
    co_return S3Result<>();
  }

  Task<S3Result<>> write_rows() {
    blob::ListObjects list;
    list.bucket = bucket_->id;
    list.prefix = configuration_.filter_prefix.value_or(std::string());
    list.with_versions = configuration_.all_versions;
    list.with_meta = configuration_.needs_meta();
    list.count_max = kPage;
    while (true) {
      const int64_t began_ns = home_.clock().monotonic_ns();
      blob::Answer answer;
      const log::LogErrc outcome = co_await service_.store().list(home_, list, answer);
      if (auto good = check_outcome(outcome, answer); !good) co_return good;
      if (auto good = co_await write_page(answer.page); !good) co_return good;
      if (!answer.page.is_truncated) break;
      list.after = std::move(answer.page.next_after);
      list.after_version = answer.page.next_after_version;
      if (is_stopping_) co_return s3_fail(ErrorCode::kServiceUnavailable, "The server stops.");
      const int64_t busy_ns = home_.clock().monotonic_ns() - began_ns;
      const int64_t pause_ns = busy_ns * (100 - InventoryWork::kBusyPercent) / InventoryWork::kBusyPercent;
      co_await env::sleep_for(home_, std::max(kPauseNsMin, pause_ns));
    }
    co_return co_await end_file();
  }

  Task<S3Result<>> write_page(const blob::ListPage& page) {
    text_.clear();
    for (const blob::ObjectInfo& object : page.entries) {
      append_inventory_row(text_, configuration_, bucket_->name, object);
    }
    rows_ += page.entries.size();
    if (page.entries.empty()) co_return S3Result<>();
    if (!file_) {
      if (auto good = begin_file(); !good) co_return good;
    }
    file_rows_ += page.entries.size();
    packed_.clear();
    gzip_->write(text_, packed_);
    if (!packed_.empty()) {
      if (auto good = co_await file_->append(packed_); !good) co_return good;
    }
    if (file_rows_ >= InventoryWork::kFileRowsMax) co_return co_await end_file();
    co_return S3Result<>();
  }

  S3Result<std::optional<Encryption>> encryption_of(std::string_view key) {
    return server_encryption(*destination_, key, service_.options().master_keys.get(), home_.random(),
                             configuration_.is_encrypted);
  }

  S3Result<> begin_file() {
    const std::string uuid =
        inventory_uuid(bucket_->id, configuration_.id, slot_ms_, static_cast<uint32_t>(files_.size()));
    std::string key = place_.data_key(uuid);
    auto encryption = encryption_of(key);
    if (!encryption) return std::unexpected(std::move(encryption.error()));
    file_.emplace(service_.store(), home_, destination_, std::move(key), std::move(*encryption));
    gzip_.emplace();
    file_rows_ = 0;
    return {};
  }

  Task<S3Result<>> end_file() {
    if (!file_) co_return S3Result<>();
    packed_.clear();
    gzip_->finish(packed_);
    if (auto good = co_await file_->append(packed_); !good) co_return good;
    if (auto good = co_await file_->put("application/gzip", service_.clock().wall_ms()); !good) co_return good;
    files_.push_back({file_->key(), file_->size_bytes(), file_->md5_hex()});
    file_.reset();
    gzip_.reset();
    co_return S3Result<>();
  }

  Task<S3Result<>> put_small(std::string key, std::string content, std::string content_type) {
    auto encryption = encryption_of(key);
    if (!encryption) co_return std::unexpected(std::move(encryption.error()));
    OwnObject object(service_.store(), home_, destination_, std::move(key), std::move(*encryption));
    if (auto good = co_await object.append(content); !good) co_return good;
    co_return co_await object.put(std::move(content_type), service_.clock().wall_ms());
  }

  S3Service& service_;
  env::Reactor& home_;
  std::shared_ptr<const blob::Bucket> bucket_;
  const InventoryConfiguration& configuration_;
  int64_t slot_ms_;
  const bool& is_stopping_;
  InventoryPlace place_;
  std::shared_ptr<const BucketView> destination_;
  std::optional<OwnObject> file_;
  std::optional<GzipWriter> gzip_;
  std::string text_, packed_;
  uint64_t rows_ = 0, file_rows_ = 0;
  std::vector<InventoryFile> files_;
};

std::optional<int64_t> last_slot_of(const blob::Bucket& bucket, const std::string& id) {
  const auto found = bucket.documents.find(std::string(kInventoryRunPrefix) + id);
  if (found == bucket.documents.end()) return std::nullopt;
  const std::string& text = found->second;
  int64_t slot_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), slot_ms);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return slot_ms;
}

}  // namespace

InventoryWork::InventoryWork(S3Service& service, env::Reactor& home, int64_t day_ms, const bool& is_stopping)
    : service_(service), home_(home), day_ms_(day_ms), is_stopping_(is_stopping) {}

Task<void> InventoryWork::run() {
  const int64_t looks = day_ms_ < kDayMs ? kLooksPerShortDay : kLooksPerDay;
  const int64_t look_ms = std::max(kLookMsMin, day_ms_ / looks);
  int64_t due_ns = home_.clock().monotonic_ns() + look_ms * kNsPerMs;
  while (!is_stopping_) {
    co_await env::sleep_for(home_, std::min(kStopMs, look_ms) * kNsPerMs);
    if (is_stopping_ || home_.clock().monotonic_ns() < due_ns) continue;
    co_await look();
    due_ns = home_.clock().monotonic_ns() + look_ms * kNsPerMs;
  }
}

Task<void> InventoryWork::look() {
  blob::ListBuckets list;
  while (true) {
    blob::Answer answer;
    if (co_await service_.store().query_buckets(home_, list, answer) != log::LogErrc::kOk || !answer.ok()) co_return;
    for (const auto& bucket : answer.buckets) {
      if (is_stopping_) co_return;
      co_await look_at(bucket);
    }
    if (!answer.is_truncated || answer.buckets.empty()) co_return;
    list.after = answer.buckets.back()->name;
  }
}

Task<void> InventoryWork::look_at(std::shared_ptr<const blob::Bucket> bucket) {
  const auto& documents = bucket->documents;
  for (auto at = documents.lower_bound(kInventoryDocumentPrefix);
       at != documents.end() && at->first.starts_with(kInventoryDocumentPrefix); ++at) {
    if (is_stopping_) co_return;
    auto configuration = InventoryConfiguration::parse(at->second);
    if (!configuration) {
      log_error("s3", "a document of a bucket cannot be read", {{"bucket", bucket->name}, {"document", at->first}});
      continue;
    }
    const int64_t now_ms = service_.clock().wall_ms();
    if (!is_inventory_due(*configuration, last_slot_of(*bucket, configuration->id), now_ms, day_ms_)) continue;
    const auto failed = not_before_ns_.find({bucket->id, configuration->id});
    if (failed != not_before_ns_.end() && home_.clock().monotonic_ns() < failed->second) continue;
    const int64_t slot_ms = inventory_slot_ms(configuration->is_weekly, now_ms, day_ms_);
    co_await run_one(bucket, std::move(*configuration), slot_ms);
  }
}

Task<void> InventoryWork::run_one(std::shared_ptr<const blob::Bucket> bucket, InventoryConfiguration configuration,
                                  int64_t slot_ms) {
  const int64_t began_ns = home_.clock().monotonic_ns();
  InventoryRun work(service_, home_, bucket, configuration, slot_ms, is_stopping_);
  S3Result<> done = co_await work.run();
  if (done) {
    blob::ConfigureBucket change;
    change.bucket = bucket->id;
    change.set_documents.emplace_back(std::string(kInventoryRunPrefix) + configuration.id, std::to_string(slot_ms));
    blob::Answer answer;
    const log::LogErrc outcome = co_await service_.store().change_bucket(home_, change, answer);
    done = check_outcome(outcome, answer);
  }
  if (!done && is_stopping_) co_return;
  const Name name{bucket->id, configuration.id};
  if (done) {
    not_before_ns_.erase(name);
    counts_.runs.add();
    counts_.rows.add(work.rows());
    log_info("s3", "an inventory is written",
             {{"bucket", bucket->name},
              {"id", configuration.id},
              {"objects", work.rows()},
              {"files", work.file_count()},
              {"took_ms", (home_.clock().monotonic_ns() - began_ns) / kNsPerMs}});
    co_return;
  }
  // A bucket that went takes its configurations along; there are few failures beside.
  if (not_before_ns_.size() >= InventoryConfiguration::kConfigurationsMax) not_before_ns_.clear();
  not_before_ns_[name] = home_.clock().monotonic_ns() + day_ms_ / kRetriesPerDay * kNsPerMs;
  counts_.failed_runs.add();
  log_warn("s3", "an inventory could not be written",
           {{"bucket", bucket->name}, {"id", configuration.id}, {"why", done.error().text()}});
}

}  // namespace keelson::s3
