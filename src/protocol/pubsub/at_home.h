// What handlers do with a subscription on its own reactor: opens it, and hands on. Runs there.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "protocol/pubsub/home.h"
#include "protocol/pubsub/service.h"
#include "shard/run_on.h"

namespace keelson::pubsub {

struct Checked {
  CallStatus status;
  topics::LeaseRules rules{};
  int64_t ack_deadline_ms = 0;
};
struct AckedAtHome {
  CallStatus status;
  Subscription::Acked acked{};
  topics::LeaseRules rules{};
};
struct ModifiedAtHome {
  CallStatus status;
  std::vector<bool> is_valid{};
  topics::LeaseRules rules{};
};

// There, and not detached.
[[nodiscard]] Task<Home::Opened> open_attached(Home& home, std::string name);
[[nodiscard]] Task<Checked> check_at(Home& home, std::string name);
[[nodiscard]] Task<Subscription::Pulled> pull_at(Home& home, std::string name, size_t count_max, int64_t until_ns);
[[nodiscard]] Task<AckedAtHome> acknowledge_at(Home& home, std::string name, std::vector<LeaseId> ids, bool waits);
[[nodiscard]] Task<ModifiedAtHome> modify_at(Home& home, std::string name, std::vector<LeaseId> ids,
                                             std::vector<int32_t> seconds);
[[nodiscard]] Task<CallStatus> seek_at(Home& home, std::string name, std::vector<topic::CursorPosition> positions);

// Runs one of these, from any reactor.
template <class T>
[[nodiscard]] shard::RunOn<T> run_at(env::Reactor& here, PubsubLocal& there, Task<T> task) {
  return shard::run_on(here, there.tasks, there.reactor, std::move(task));
}

}  // namespace keelson::pubsub
