// The verbs of `keelson blob`, on an Env: in the program a real one, in tests a simulated one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "cli/blob_plan.h"
#include "cli/blob_service.h"
#include "cli/blob_transfer.h"
#include "env/env.h"

namespace keelson::cli {

enum class BlobVerb : uint8_t { kCp, kSync, kLs, kRm, kDu, kStat, kMb, kRb, kPresign };

struct BlobOptions {
  BlobVerb verb = BlobVerb::kLs;
  std::vector<std::string> places = {};  // as they were typed
  TransferOptions transfer = {};         // its version_id is for stat, rm and presign too
  NameFilter filter = {};
  SyncRule sync = {};
  bool recursive = false;
  bool dry_run = false;
  bool json = false;
  bool exact_bytes = false;
  bool versions = false;
  bool uploads = false;
  bool force = false;
  bool summarize = false;
  std::string method = "GET";  // of presign
  int64_t expires_s = 3600;
};

// What the verbs show. Belongs to the reactor.
class BlobConsole {
 public:
  virtual ~BlobConsole() = default;
  // A line of the verb's result.
  virtual void line(std::string_view text) = 0;
  // What was done to one object; for those who did not ask for quiet.
  virtual void told(std::string_view text) = 0;
  // What failed, or must be known.
  virtual void complain(std::string_view text) = 0;
  // Where things stand; replaces what was said before.
  virtual void progress(std::string_view text) = 0;
};

// What a verb works with; lives longer than its task.
struct BlobStage {
  env::Env& env;
  BlobService& service;
  const BlobOptions& options;
  BlobConsole& console;
  BlobInput& input;    // for "-"
  BlobOutput& output;  // for "-"

  [[nodiscard]] env::Reactor& reactor() const { return env.reactor(0); }
};

// An error is one sentence that was not shown yet, or BlobErrc::kFailed where each failure was.
Task<Status> run_blob_verb(BlobStage& stage);

// Each verb; see run_blob_verb().
Task<Status> blob_cp(BlobStage& stage);
Task<Status> blob_sync(BlobStage& stage);
Task<Status> blob_ls(BlobStage& stage);
Task<Status> blob_rm(BlobStage& stage);
Task<Status> blob_du(BlobStage& stage);
Task<Status> blob_stat(BlobStage& stage);
Task<Status> blob_mb(BlobStage& stage);
Task<Status> blob_rb(BlobStage& stage);
Task<Status> blob_presign(BlobStage& stage);

// The one place of a verb that takes an s3:// URL; with a bucket, and a key if asked for.
enum class UrlNeeds : uint8_t { kNothing, kBucket, kKey };
[[nodiscard]] Result<BlobUrl> only_url(const BlobOptions& options, UrlNeeds needs);

}  // namespace keelson::cli
