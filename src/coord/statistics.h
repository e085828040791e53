// What the coordination service counts; written on the shard's reactor, read by any thread.
#pragma once

#include "base/metrics.h"

namespace keelson::coord {

struct Statistics {
  Gauge streams;
  Gauge watchers;
  Gauge watchers_behind;  // of these: told old events, or waiting for their client
  Gauge watched_keys;     // different ones
  Gauge watched_ranges;
  Gauge bytes_waiting;       // for clients to take them, as of the last event
  Counter events_delivered;  // to a watcher each
  Counter deliveries;
  Counter fell_behind;      // a client's queue was full
  Counter catch_up_slices;  // pieces of history read
  Counter catch_up_events;
  Counter compacted_watchers;  // cancelled, since a compaction overtook them
  Gauge leases;                // on the leader alone
  Counter leases_expired;
  Counter keep_alives;
};

}  // namespace keelson::coord
