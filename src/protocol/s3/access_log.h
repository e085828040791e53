// Server access logs at work: lines about requests gather on each reactor, by source bucket, and become objects in the
// target bucket.
//
// Best effort, as in S3. Lines lie in memory until their object is put: a crash loses what was gathered since
// (interval_ms, or object_bytes of it, for each reactor and bucket), a graceful stop delivers it. Memory is bounded:
// past held_bytes_max() of a reactor lines are dropped and counted. An object that cannot be put is tried again
// kAttemptsMax times, then its lines are dropped, with a log line.
//
//   a request ends -> add() on its reactor -> batch of the bucket -> due or full -> reactor 0 puts the object
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/task.h"
#include "env/env.h"
#include "protocol/s3/bucket_view.h"

namespace keelson::s3 {

class S3Service;
struct Call;

struct AccessLogOptions {
  int64_t interval_ms = int64_t{5} * 60'000;  // a line is delivered at most this long after its request
  uint64_t object_bytes = uint64_t{4} << 20;  // or when there are so many of them
};

class AccessLog {
 public:
  // Objects wait for their target this often: with a look each second, about ten minutes.
  static constexpr unsigned kAttemptsMax = 600;
  // Source buckets with lines on one reactor; the lines of another wait for nobody and are dropped.
  static constexpr size_t kBatchesMax = 4096;

  // Of one reactor, read from any thread.
  struct Counts {
    Counter lines;
    Counter dropped_lines;
    Counter delivered_objects;  // reactor 0
    Counter delivered_bytes;    // reactor 0
    Counter failed_puts;        // reactor 0
    Gauge held_bytes;
  };

  // Made and destroyed on reactor 0; `service` outlives it.
  AccessLog(S3Service& service, env::Env& env, AccessLogOptions options);
  ~AccessLog();

  // The lines about a call that has been answered, on its reactor. For calls that are logged (Call::is_logged(), or a
  // copy whose source is).
  void add(const Call& call, std::string_view operation, int64_t began_ns, int64_t ended_ns);

  // Delivers what is due until `is_stopping`; reactor 0.
  Task<void> run(const bool& is_stopping);
  // Delivers everything, once; reactor 0. No add() beside it or after it is delivered.
  Task<void> flush();

  [[nodiscard]] const Counts& counts(unsigned reactor_index) const;
  [[nodiscard]] uint64_t held_bytes_max() const;

 private:
  struct Batch {
    std::shared_ptr<const BucketView> source;  // with its logging configuration at the first line
    std::string text;
    uint64_t lines = 0;
    int64_t day = 0;  // of its lines, if the log objects are partitioned by event
    int64_t due_ns = 0;
    unsigned reactor_index = 0;
    unsigned attempts = 0;
  };
  struct Local {
    explicit Local(env::Reactor& on) : reactor(on) {}
    env::Reactor& reactor;
    std::map<blob::BucketId, Batch> batches;
    Counts counts;
  };

  void add_line(Local& local, const std::shared_ptr<const BucketView>& source, const struct AccessLogEntry& entry);
  void seal(Local& local, Batch batch);
  static std::vector<Batch> take_due(Local& local, int64_t now_ns, bool all);
  Task<void> gather(bool all);
  Task<void> deliver_all(bool is_last);
  Task<bool> deliver(Batch& batch);
  Task<S3Result<>> put_object(std::shared_ptr<const BucketView> target, std::string key, std::string_view text);
  void release(const Batch& batch);

  S3Service& service_;
  env::Env& env_;
  AccessLogOptions options_;
  std::vector<std::unique_ptr<Local>> locals_;
  std::deque<Batch> queue_;  // reactor 0: to be put
};

}  // namespace keelson::s3
