// What a shard needs of its log, and the seam at which a replicated log takes the local one's place.
//
// A shard appends records, each with the shard's next index (from 1, without a gap); the log says when each is
// committed: durable as configured on one node, agreed by a quorum in a cluster. Only then does the shard apply it.
// Outcomes come in the order of the appends of a shard; an append that is committed at once may overtake others that
// wait (durability is switched, or another part of theirs must be synced), and the shard keeps the order. A reactor
// uses its own CommitLog object, on its own thread.
//
//   Buffer& payload = log.begin(shard, index, time_ms);
//   payload.append(...);
//   if (log.end(waiter) == Append::kCommitted) apply_now();   // else waiter.committed() follows
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"

namespace keelson::log {

using ShardId = uint16_t;

enum class LogErrc : uint8_t {
  kOk = 0,
  kFull,      // no room on the disk: refused, may pass
  kFailed,    // a write or sync failed: this log takes nothing more until the program starts anew
  kRefused,   // not committed and never will be (a replicated log lost its leadership)
  kDamaged,   // bytes on disk that were once good are not
  kTooLarge,  // a record above the limit
  kStopped,   // the log is shutting down
  // Of a log that several nodes agree on (log/agreed_log.h):
  kTimedOut,    // not known whether it is in the log, or will be
  kNoLeader,    // nobody could be asked: not in the log, or nothing may be answered
  kNotLeader,   // only the shard's leader, another node, can do this
  kNotOwner,    // the shard does not have this slot (any more)
  kManyShards,  // a record on several shards: each has a log of its own
};
std::error_code make_error_code(LogErrc code);

// Told once, on the appending reactor's thread, what became of a record. Must live until then.
class CommitWaiter {
 public:
  virtual ~CommitWaiter() = default;
  // kOk: committed. Anything else: it is not in the log, and what was appended behind it to the same shard is refused
  // too.
  virtual void committed(LogErrc outcome) = 0;
  CommitWaiter* next = nullptr;  // for the log
};

enum class Append : uint8_t {
  kCommitted,  // already (durability `interval` or `never`): apply now; the waiter is not used
  kPending,    // waiter.committed() follows in a later turn
};

class CommitLog {
 public:
  virtual ~CommitLog() = default;
  // Whether about `payload_bytes` more can be taken now. Ask before begin(); kOk is a promise for the present turn.
  virtual LogErrc admit(size_t payload_bytes) = 0;
  // Opens a record of one shard. Append the payload to the buffer that is returned (do not touch what is in it), then
  // end().
  virtual Buffer& begin(ShardId shard, uint64_t index, int64_t time_ms) = 0;
  // Opens a further part, of another shard: all parts of one begin()..end() are committed and recovered together or not
  // at all.
  virtual Buffer& also(ShardId shard, uint64_t index) = 0;
  virtual Append end(CommitWaiter& waiter) = 0;
  // Hands on what has been appended so far. Whatever other reactors append after being told of it (a shard given back
  // to its owner) comes behind it in the log. Otherwise this happens by itself at the end of the turn.
  virtual void hand_over() = 0;
  // Can an append that was admitted still come back as kRefused? If so, what was done ahead of the commit must be
  // undoable.
  [[nodiscard]] virtual bool can_refuse() const = 0;
};

// Payload bytes of one begin()..end(), all parts: Redis's proto-max-bulk-len (512 MiB) with room for a few of them.
inline constexpr size_t kRecordBytesMax = size_t{1} << 30;

}  // namespace keelson::log

template <>
struct std::is_error_code_enum<keelson::log::LogErrc> : std::true_type {};
