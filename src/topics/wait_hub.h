// Who waits for something to read in the partitions of one reactor's shards. For this folder alone; that reactor's
// thread.
//
// A wait is known here by a number alone, so whoever waits may vanish at any moment. A point is looked at once when it
// comes, and again whenever its partition was touched; a wait is told once, and forgotten then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "log/commit_log.h"
#include "topics/asking.h"

namespace keelson::topics::detail {

struct PointAt {
  log::ShardId shard = 0;
  WaitPoint point;
};

// How far a partition can be read.
struct Ends {
  bool exists = false;
  int64_t high_watermark = 0;
  int64_t last_stable = 0;
};

struct Woken {
  unsigned origin = 0;  // the reactor
  uint64_t wait = 0;
  PartitionId by;
};

class WaitHub {
 public:
  void add(unsigned origin, uint64_t wait, std::vector<PointAt> points);
  void remove(uint64_t wait);

  // Does anybody wait on it?
  [[nodiscard]] bool has(log::ShardId shard, const PartitionId& partition) const;
  // Points of this shard that were added since the last call.
  [[nodiscard]] std::vector<PartitionId> take_unseen(log::ShardId shard);
  // Everything is to be looked at again; gives the shards.
  std::vector<log::ShardId> forget_what_was_seen();
  // Likewise, of one shard: the partitions that somebody waits on.
  [[nodiscard]] std::vector<PartitionId> partitions(log::ShardId shard) const;
  // The partition stands so: whom to wake. Once that is done for all that were touched, they are to be forgotten with
  // remove().
  void look(log::ShardId shard, const PartitionId& partition, const Ends& ends, std::vector<Woken>& woken);
  [[nodiscard]] size_t count() const { return points_of_.size(); }

 private:
  struct Entry {
    uint64_t wait = 0;
    unsigned origin = 0;
    int64_t offset = 0;
    bool is_committed_only = false;
  };
  struct Place {
    log::ShardId shard = 0;
    PartitionId partition;
    auto operator<=>(const Place&) const = default;
  };
  struct Wait {
    unsigned origin = 0;
    std::vector<Place> places;
  };

  std::map<Place, std::vector<Entry>> entries_;
  boost::unordered_flat_map<uint64_t, Wait> points_of_;
  std::map<log::ShardId, std::vector<PartitionId>> unseen_;
};

}  // namespace keelson::topics::detail
