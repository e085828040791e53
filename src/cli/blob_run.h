// Runs many transfers side by side, shows how they get on, and remembers what failed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_verbs.h"
#include "env/reactor.h"

namespace keelson::cli {

enum class BlobJobKind : uint8_t { kUpload, kDownload, kCopy, kDeleteObject, kDeleteFile };

struct BlobJob {
  BlobJobKind kind = BlobJobKind::kUpload;
  std::string path = {};            // of the file, for uploads, downloads and deletions of files
  BlobUrl from = {};                // the object that is read or removed
  BlobUrl to = {};                  // the object that is written
  std::optional<Entry> known = {};  // the source, as it was listed
  bool if_different = false;        // compare the contents first

  // "upload: a.txt to s3://b/a.txt"
  [[nodiscard]] std::string text() const;
};

// Belongs to the reactor. Failures do not stop the others; they are shown when they happen, and counted.
class BlobRun {
 public:
  explicit BlobRun(BlobStage& stage);
  ~BlobRun();

  // Begins the job when there is room for one more; in a dry run only says what it would do.
  Task<void> add(BlobJob job);
  // Something that could not even be begun.
  void failed(const std::string& sentence);
  // Waits for all. BlobErrc::kFailed if something failed, with how much.
  Task<Status> finish();
  // All that is to come has been added, or is one object of this size: from now on shares can be told.
  void set_total(uint64_t bytes) { total_bytes_ = bytes; }
  // There is one object alone, which need not be counted: finish() then gives its error.
  void set_one() { is_one_ = true; }
  [[nodiscard]] uint64_t added_bytes() const { return added_bytes_; }

 private:
  // Failures that are listed once more at the end.
  static constexpr size_t kListedMax = 20;

  Task<void> run(BlobJob job);
  Task<Result<TransferOutcome>> transfer(BlobJob job);
  void show();
  void sum_up();

  BlobStage& stage_;
  TransferMeter meter_;
  Turns parts_;
  TransferContext context_;
  Turns turns_;  // of objects
  const int64_t began_ns_;
  env::Timer tick_;
  uint64_t added_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  bool is_one_ = false;
  std::optional<Error> one_error_;
  uint64_t done_ = 0;
  uint64_t skipped_ = 0;
  uint64_t unchecked_ = 0;
  uint64_t failures_ = 0;
  uint64_t resumed_bytes_ = 0;
  std::vector<std::string> listed_;
  env::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace keelson::cli
