// From settings to consumer groups and transactions of Kafka's clients, and their metrics.
#pragma once

#include "base/task.h"
#include "env/reactor.h"
#include "monitor/open_metrics.h"
#include "protocol/kafka/group_host.h"
#include "protocol/kafka/groups.h"
#include "server/settings.h"
#include "topics/topics.h"
#include "topics/transactions.h"

namespace keelson::server {

[[nodiscard]] kafka::GroupOptions make_group_options(const Settings& settings);
[[nodiscard]] topics::TransactionsOptions make_transactions_options(const Settings& settings);

// The lag of groups is told of the first partitions that they have committed offsets of, by name of group, in a limited
// number.
[[nodiscard]] Task<void> write_group_metrics(kafka::Groups& groups, topics::Transactions& transactions,
                                             topics::Topics& topics, env::Reactor& here, monitor::OpenMetrics& out);

}  // namespace keelson::server
