// The metrics of the kv service, gathered from every reactor.
#pragma once

#include "base/task.h"
#include "env/reactor.h"
#include "monitor/open_metrics.h"
#include "protocol/resp/service.h"

namespace keelson::server {

// From a coroutine on `here`. Visits every shard once, so it waits for shards that are lent.
Task<void> write_kv_metrics(resp::KvService& kv, env::Reactor& here, monitor::OpenMetrics& out);

}  // namespace keelson::server
