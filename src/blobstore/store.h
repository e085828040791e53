// Blobs of one node: the volumes of every blob shard, and what a protocol needs to use them from any reactor.
//
//   auto writer = store.new_writer(here, bucket.id, key);
//   while (bytes come) { Status s = co_await writer->append(bytes); ... }
//   Result<Payload> payload = co_await writer->finish();            // synced
//   PutObject put{bucket.id, key, {.payload = *payload, ...}};
//   Answer answer;
//   LogErrc outcome = co_await store.apply(here, put, answer);       // durable as configured, applied
//   // keep `writer` until here: while it lives, its volumes are not taken back
//
//   Opened opened = co_await store.open_object(here, HeadObject{bucket.id, key});
//   BlobReader& r = *opened.reader;  r.seek(first, count);
//   for (;;) { Result<std::string_view> piece = co_await r.next(); ... empty: end }
//
// An object whose command was not applied is not there, and its bytes are dead space that compaction takes back: so a
// writer that is dropped (a client that went away) needs no clean-up.
//
// Threads: the Store is made, started and stopped on reactor 0. Everything that takes `here` may be called on any
// reactor, and goes on there; writers and readers belong to the reactor that made them. Volumes belong to their shard's
// reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "blobstore/sealing.h"
#include "blobstore/volume_set.h"
#include "engine/blob/answer.h"
#include "engine/blob/commands.h"
#include "env/env.h"
#include "env/reactor.h"
#include "log/commit_log.h"
#include "shard/router.h"
#include "shard/runtime.h"

namespace keelson::blobstore {

using blob::Answer;
using blob::BucketId;
using blob::Payload;
using log::LogErrc;

struct StoreOptions {
  std::string folder;  // holds <shard>/<volume>.vol; usually <data>/blob
  VolumeOptions volume;
  // A volume is rewritten when at least this share of it is dead.
  unsigned compact_dead_percent = 30;
  // Share of each reactor's time that compaction and scrub may take together, in percent; 0 switches them off.
  unsigned background_percent = 10;
  int64_t compact_every_ms = 10'000;
  // A scrub of everything begins this long after the last one has ended; 0: never.
  int64_t scrub_every_ms = int64_t{7} * 24 * 3'600'000;
};

// Puts one payload down. Dropping it at any point is fine. One call at a time.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Takes the bytes; returns when they are with the volume (back-pressure). They stay readable until then. kFull:
  // no room; after an error only destroying it is left.
  virtual Task<Status> append(std::string_view bytes) = 0;
  // Everything appended is on disk, synced (or inline, if small). Once.
  virtual Task<Result<Payload>> finish() = 0;
  [[nodiscard]] virtual uint64_t size_bytes() const = 0;
};

struct WriterOptions {
  // A Content-Length lets the payload lie in one piece; it need not be true.
  std::optional<uint64_t> size_expected{};
  // A part of an upload: never inline (PutPart takes extents alone).
  bool is_part = false;
  // The data key that the payload is sealed with; parts of one upload share it. None: it is stored as it is.
  std::optional<SecretKey> key{};
  // With zstd, if that helps.
  bool compress = false;
};

// Gives back a payload. While it lives its volumes stay, even if the object is removed.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  // From `offset_bytes` on, at most `length_bytes`; both within the payload's size. Before the first next(): all of it.
  virtual void seek(uint64_t offset_bytes, uint64_t length_bytes) = 0;
  // The next piece, of at most kPieceBytesMax, empty at the end; holds until the next call. Its CRC has been checked.
  // An error names file and offset, or says that what is stored cannot be decoded; nothing of a damaged chunk is handed
  // out.
  virtual Task<Result<std::string_view>> next() = 0;
  // The data key that the payload was sealed with; before the first next(). Without one, reading a payload that is
  // sealed is kRefused, and with another one kDamaged. One that is not sealed needs none.
  virtual void use_key(const SecretKey& /*data_key*/) {}
};
inline constexpr size_t kPieceBytesMax = size_t{256} << 10;

struct Opened {
  LogErrc outcome = LogErrc::kOk;      // could the shard be asked?
  Answer answer;                       // HeadObject's
  std::unique_ptr<BlobReader> reader;  // if answer.ok()
};

class Store {
 public:
  // For this folder alone.
  struct Inside;

  // `runtime` holds the service `service` (shards [first, first+count)). All outlive the store.
  Store(env::Env& env, shard::Runtime& runtime, shard::Router router, StoreOptions options);
  ~Store();

  // After Runtime::start(): reads the folders, removes what no shard knows, begins background work. An error means that
  // blobs cannot be served.
  Task<Status> start();
  // Ends background work. No writer or reader may be left. Before Runtime::stop().
  Task<void> stop();

  [[nodiscard]] const shard::Router& router() const { return router_; }
  [[nodiscard]] uint16_t shard_count() const { return router_.shard_count(); }
  [[nodiscard]] shard::ShardId shard_of(BucketId bucket, std::string_view key) const {
    return static_cast<shard::ShardId>(router_.first_shard() +
                                       blob::shard_of_object(bucket, key, router_.shard_count()));
  }

  // One command on an object, an upload or a part. kOk: it stands in the log, has been applied and `answer` is filled
  // (answer.error may still say no). Anything else: it was not done. `body` and `answer` outlive the task.
  template <class Body>
  Task<LogErrc> apply(env::Reactor& here, const Body& body, Answer& answer) {
    blob::Encoded encoded(body);
    const shard::ShardId shard = shard_of(body.bucket, body.key);
    encoded.set_mark(blob::make_mark(static_cast<uint16_t>(shard - router_.first_shard()), here.random().next()));
    co_return co_await run(here, shard, encoded.command(), true, answer);
  }
  // One query on an object, an upload or a part (HeadObject, ListParts).
  template <class Body>
  Task<LogErrc> query(env::Reactor& here, const Body& body, Answer& answer) {
    const blob::Encoded encoded(body);
    co_return co_await run(here, shard_of(body.bucket, body.key), encoded.command(), false, answer);
  }
  // A command on a bucket or the service: on every shard or none.
  template <class Body>
  Task<LogErrc> change_bucket(env::Reactor& here, const Body& body, Answer& answer) {
    const blob::Encoded encoded(body);
    co_return co_await run_on_all(here, encoded.command(), answer);
  }
  // FindBucket, ListBuckets and FindDocuments: asks one shard, of this reactor if there is one.
  template <class Body>
  Task<LogErrc> query_buckets(env::Reactor& here, const Body& body, Answer& answer) {
    const blob::Encoded encoded(body);
    co_return co_await run(here, nearest_shard(here), encoded.command(), false, answer);
  }
  // The bucket, or null. Usually without leaving this reactor.
  Task<std::shared_ptr<const blob::Bucket>> find_bucket(env::Reactor& here, std::string name);

  // Over all shards, merged in order. Filled: answer.page.
  Task<LogErrc> list(env::Reactor& here, blob::ListObjects what, Answer& answer);
  // Filled: answer.uploads, prefixes, is_truncated.
  Task<LogErrc> list_uploads(env::Reactor& here, blob::ListUploads what, Answer& answer);
  // Summed over all shards, without volumes. 0: all buckets.
  Task<LogErrc> usage(env::Reactor& here, BucketId bucket, Answer& answer);

  [[nodiscard]] std::unique_ptr<BlobWriter> new_writer(env::Reactor& here, BucketId bucket, std::string_view key,
                                                       WriterOptions options = {});
  // Finds the object and pins its volumes in one step.
  Task<Opened> open_object(env::Reactor& here, blob::HeadObject what);
  // A part of an upload that is under way (UploadPartCopy reads objects, so this is for tests and tools).
  Task<Opened> open_payload(env::Reactor& here, BucketId bucket, std::string key, Payload payload);

  // Backups: between the two no volume is removed. Reactor 0; may be nested.
  void hold_volumes();
  void release_volumes();

  // Reactor 0: one round now, on every shard; returns when it is done.
  Task<Status> compact_now();
  struct ScrubFinding {
    BucketId bucket = 0;
    std::string key;
    blob::Version version = 0;
    uint32_t part_number = 0;  // not 0: a part of an upload that is under way
    std::string what;          // file, offset and what is wrong there
  };
  static constexpr size_t kScrubFindingsMax = 1000;
  struct ScrubReport {
    uint64_t extents = 0;
    uint64_t bytes = 0;
    uint64_t damaged = 0;
    std::vector<ScrubFinding> findings;  // what rotted; at most kScrubFindingsMax
  };
  Task<Result<ScrubReport>> scrub_now();

  // Any thread.
  [[nodiscard]] const StoreStats& stats(unsigned reactor_index) const;

 private:
  Task<LogErrc> run(env::Reactor& here, shard::ShardId shard, const engine::Command& command, bool is_write,
                    Answer& answer);
  Task<LogErrc> run_on_all(env::Reactor& here, const engine::Command& command, Answer& answer);
  [[nodiscard]] shard::ShardId nearest_shard(env::Reactor& here) const;

  shard::Router router_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace keelson::blobstore
