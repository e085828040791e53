// Compaction by itself, as etcd's --auto-compaction-mode and --auto-compaction-retention have it; off unless asked for.
//
// periodic: keeps what is younger than the retention. The revision is noted ten times in each retention, or each hour
// if
//   that is shorter; the one of a retention ago is compacted to as often as the retention, or an hour, passes, first
//   when a whole retention has passed. What fails is tried again at the next note. (etcd server,
//   etcdserver/api/v3compactor/ periodic.go.)
// revision: keeps the last so many revisions; looks every five minutes (revision.go).
//
// The leader alone does it. Times are monotonic and begin anew with each leader.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "engine/coord/types.h"

namespace keelson::coord {

struct AutoCompactionOptions {
  enum class Mode : uint8_t { kPeriodic, kRevision };
  Mode mode = Mode::kPeriodic;
  // periodic: milliseconds; revision: revisions. 0: off.
  int64_t retention = 0;
};

// The rule without a clock or a shard: told the time and the revision, says what to compact to.
class AutoCompaction {
 public:
  AutoCompaction(AutoCompactionOptions options, int64_t now_ms, Revision present);

  // How long until look() is due, always the same. 0: never.
  [[nodiscard]] int64_t interval_ms() const { return interval_ms_; }
  // Call it each interval.
  [[nodiscard]] std::optional<Revision> look(int64_t now_ms, Revision present);
  // What look() named was compacted, now or before.
  void succeeded(int64_t now_ms, Revision revision);

 private:
  [[nodiscard]] std::optional<Revision> look_periodic(int64_t now_ms);

  AutoCompactionOptions options_;
  int64_t interval_ms_ = 0;
  // periodic.
  size_t notes_max_ = 0;
  std::deque<Revision> notes_;
  int64_t last_success_ms_ = 0;
  bool was_first_ = false;  // the first whole retention has passed
  // revision.
  Revision last_compacted_ = 0;
};

}  // namespace keelson::coord
