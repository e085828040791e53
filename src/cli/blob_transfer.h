// Moves one object: a file or a stream into an object, an object into a file or a stream, an object to another.
//
// Large content goes in parts, several at a time. Content is checked on both ways: what is sent carries its CRC32C,
// which the server compares, and what the server says it has stored is compared here (its CRC32C, else its MD5 as
// entity tag); what comes is compared with the object's checksum, else its MD5. Memory: a buffer of 256 KiB for each
// part under way of a file; a whole part each for streams, which cannot be read twice.
//
// Interrupted: an upload is gone on with if the server still has its parts and they are the file's; a download if the
// object is still the same (its entity tag), from the parts that lie beside the target, checked once more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_plan.h"
#include "cli/blob_service.h"
#include "env/env.h"

namespace keelson::cli {

struct TransferOptions {
  uint64_t part_bytes = kPartBytesDefault;
  // An object above this is copied on the server in parts: one request takes long without a sign of life.
  uint64_t copy_whole_bytes_max = uint64_t{1} << 30;
  bool resume = true;
  bool no_clobber = false;        // what is there already stays
  std::string content_type = {};  // empty: by the name
  std::string cache_control = {};
  std::string storage_class = {};
  Pairs metadata = {};          // names without "x-amz-meta-"
  std::string version_id = {};  // of the source; empty: the current one

  // What a new object is told beside its content, but for the type.
  [[nodiscard]] bool has_metadata() const {
    return !content_type.empty() || !cache_control.empty() || !storage_class.empty() || !metadata.empty();
  }
};

// What the functions below work with; lives longer than they.
struct TransferContext {
  env::Env& env;
  BlobService& service;
  const TransferOptions& options;
  TransferMeter& meter;
  Turns& parts;  // as many parts may be under way, over all objects

  [[nodiscard]] env::Reactor& reactor() const { return env.reactor(0); }
  [[nodiscard]] unsigned parallel() const { return std::max(1U, service.target().parallel); }
};

struct TransferOutcome {
  uint64_t size_bytes = 0;
  uint64_t resumed_bytes = 0;  // that were there from an earlier attempt
  bool is_checked = false;     // its content, against a checksum of the server's
  bool is_skipped = false;     // it was there, and no_clobber was given
};

// A stream that is read once, such as standard input. Belongs to the reactor.
class BlobInput {
 public:
  virtual ~BlobInput() = default;
  // At least one byte; 0 at the end.
  virtual Task<Result<size_t>> read(std::span<char> into) = 0;
};
class BlobOutput {
 public:
  virtual ~BlobOutput() = default;
  virtual Status write(std::string_view bytes) = 0;
};

Task<Result<TransferOutcome>> upload_file(TransferContext context, std::string path, BlobUrl to);
Task<Result<TransferOutcome>> upload_stream(TransferContext context, BlobInput& from, BlobUrl to);
// `known` is what a listing said of the object, if one did: it saves a request for a small one. Missing folders of
// `path` are made.
Task<Result<TransferOutcome>> download_file(TransferContext context, BlobUrl from, std::string path,
                                            std::optional<Entry> known);
Task<Result<TransferOutcome>> download_stream(TransferContext context, BlobUrl from, BlobOutput& to);
// On the server.
Task<Result<TransferOutcome>> copy_object(TransferContext context, BlobUrl from, BlobUrl to);

// Is the file's content the object's? By a checksum of the whole if the server gives one; nullopt if it gives none.
Task<Result<std::optional<bool>>> same_content(TransferContext context, BlobUrl object, std::string path);

// Removes an upload and its parts.
Task<Status> abort_upload(BlobService& service, std::string bucket, std::string key, std::string id);

}  // namespace keelson::cli
