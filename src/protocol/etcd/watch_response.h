// Deliveries of watches as etcdserverpb.WatchResponse. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "coord/watch.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

// What to send for a delivery, in order: one message, but for events of a watcher that wants fragments, which are cut
// where a message would become larger than `bytes_max` (an event larger than that goes alone). None for kClosed.
[[nodiscard]] std::vector<std::string> watch_responses(const HeaderFacts& facts, const coord::Delivery& delivery,
                                                       size_t bytes_max);
// The answer to a watch that was refused before it was made.
[[nodiscard]] std::string refused_watch(const HeaderFacts& facts, coord::Revision revision, coord::WatchId id,
                                        std::string_view reason);

}  // namespace keelson::etcd
