// Inventories at work: on reactor 0, once for the whole service, each configuration that is due lists its bucket and
// writes the report.
//
// A run is a listing, not a snapshot: an object that comes or goes meanwhile may be in it or not, as in S3. It streams:
// one page of the listing, one gzip stream and one writer at a time. It takes at most kBusyPercent of a reactor's time.
// Data files become visible as they are complete; the manifest, its checksum and the symlink file are put last, so a
// manifest always names whole files. When a run has ended its slot is noted in the bucket's document
// "inventory-run/<id>", durable: a restart goes on with what is due. A run that a crash or a stop cut short begins
// again and, within its slot, writes the same names. What fails is told in the log and tried again kRetriesPerDay times
// a day.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/metrics.h"
#include "base/task.h"
#include "env/env.h"
#include "protocol/s3/bucket_view.h"
#include "protocol/s3/inventory.h"

namespace keelson::s3 {

class S3Service;

class InventoryWork {
 public:
  static constexpr int64_t kBusyPercent = 10;
  static constexpr int64_t kRetriesPerDay = 24;
  // Rows of a data file; the next one begins then.
  static constexpr uint64_t kFileRowsMax = 1'000'000;

  // Written by reactor 0, read from any thread.
  struct Counts {
    Counter runs;
    Counter failed_runs;
    Counter rows;
  };

  // `service` and `is_stopping` outlive it. `day_ms`: kDayMs, or shorter, for tests.
  InventoryWork(S3Service& service, env::Reactor& home, int64_t day_ms, const bool& is_stopping);

  // Looks for what is due until the service stops.
  Task<void> run();
  // One look now: runs what is due, one after the other.
  Task<void> look();

  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  using Name = std::pair<blob::BucketId, std::string>;
  Task<void> look_at(std::shared_ptr<const blob::Bucket> bucket);
  Task<void> run_one(std::shared_ptr<const blob::Bucket> bucket, InventoryConfiguration configuration, int64_t slot_ms);

  S3Service& service_;
  env::Reactor& home_;
  int64_t day_ms_;
  const bool& is_stopping_;
  Counts counts_;
  std::map<Name, int64_t> not_before_ns_;  // of what has failed
};

}  // namespace keelson::s3
