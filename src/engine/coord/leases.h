// Leases: what was granted, and which keys hang on each.
//
// A lease's keys are a ring through their latest versions (version.h), so that attaching and detaching cost a step and
// no memory but a version's own. How long a lease still has is not known here (commands.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "engine/coord/answer.h"
#include "engine/coord/version.h"

namespace keelson::coord {

struct Lease {
  int64_t ttl_s = 0;
  uint64_t grant = 0;
  uint64_t keys = 0;
  Version* ring = nullptr;  // one of its keys; null: none
};

// Hears of a lease that is about to be added or removed.
class LeaseObserver {
 public:
  virtual ~LeaseObserver() = default;
  // null: it is not there, and about to be.
  virtual void before_change(LeaseId id, const Lease* lease) = 0;
};

class Leases {
 public:
  using Map = std::map<LeaseId, Lease>;

  [[nodiscard]] const Lease* find(LeaseId id) const;
  [[nodiscard]] const Map& all() const { return leases_; }
  // One that is not there.
  void add(LeaseId id, const Lease& lease);
  // One whose keys are gone.
  void remove(LeaseId id);
  void clear() { leases_.clear(); }

  // A version becomes its key's latest, or is so no longer. Nothing happens if it has no lease, or one that is not
  // there.
  void attach(Version& version);
  void detach(Version& version);
  // null: nobody. Outlives its being set.
  void set_observer(LeaseObserver* observer) { observer_ = observer; }
  // In the order of their keys.
  [[nodiscard]] static std::vector<const Version*> keys_of(const Lease& lease);

  [[nodiscard]] static LeaseInfo info(LeaseId id, const Lease& lease) {
    return {.id = id, .granted_ttl_s = lease.ttl_s, .grant = lease.grant};
  }

 private:
  [[nodiscard]] Lease* find_mutable(LeaseId id);

  Map leases_;
  LeaseObserver* observer_ = nullptr;
};

}  // namespace keelson::coord
