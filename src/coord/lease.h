// Leases: who answers keep-alives, and the rules of their times.
//
// A lease and its keys are the engine's, and stand in the log; how long it still has is known to one node alone, the
// one that leads: deadlines are kept in its memory by its monotonic clock (lease_clock.h). When one has passed, the
// leader logs the lease's end, which takes its keys. A new leader, and a node that starts anew, gives every lease its
// whole time to live again: never less than was promised, up to twice as much (etcd's rule, server/lease/lessor.go).
#pragma once

#include <cstdint>

#include "base/task.h"
#include "coord/errors.h"
#include "engine/coord/types.h"
#include "env/reactor.h"

namespace keelson::coord {

struct LeaseAnswer {
  ServiceErrc outcome = ServiceErrc::kOk;
  bool is_found = false;
  int64_t granted_ttl_s = 0;
  // What is left, in whole seconds, rounded down. After a keep-alive it is the granted one.
  int64_t ttl_s = 0;
};

// Where a lease's time is kept. Any reactor; the answer comes on `here`.
class LeaseKeeper {
 public:
  virtual ~LeaseKeeper() = default;
  // The lease begins anew.
  [[nodiscard]] virtual Task<LeaseAnswer> keep_alive(env::Reactor& here, LeaseId lease) = 0;
  [[nodiscard]] virtual Task<LeaseAnswer> time_to_live(env::Reactor& here, LeaseId lease) = 0;
};

}  // namespace keelson::coord
