// From settings to topics and Kafka's protocol, and their metrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "env/env.h"
#include "monitor/open_metrics.h"
#include "net/tls_stream.h"
#include "protocol/kafka/service.h"
#include "server/settings.h"
#include "shard/runtime.h"
#include "topics/topics.h"

namespace keelson::server {

// The place of topics among the services of the runtime, and their name. A node of a cluster that was founded without
// topics has none.
inline constexpr size_t kTopicService = 3;
inline constexpr std::string_view kTopicName = "topic";
// The data folder's part with segments.
inline constexpr std::string_view kTopicFolder = "topic";

// What single values cannot show of the settings of topics and Kafka.
void check_topic_settings(const Settings& settings, std::vector<SettingError>& errors);

// `folder`: the data folder. `first_shard`: of the service, within the node. In a cluster its shards are replicated.
[[nodiscard]] shard::ServiceOptions make_topic_service(const Settings& settings, env::Env& env,
                                                       const std::string& folder, uint16_t shard_count,
                                                       shard::ShardId first_shard);
// `node`: the node's number in its cluster; 0: in none.
[[nodiscard]] topics::TopicsOptions make_topics_options(const Settings& settings, log::NodeId node);
// `id`: hexadecimal, of the data folder or the cluster: the same for as long as it lives.
[[nodiscard]] kafka::KafkaOptions make_kafka_options(const Settings& settings, const std::string& folder,
                                                     std::string_view id, log::NodeId node);
[[nodiscard]] net::TlsServerOptions kafka_tls_options(const Settings& settings);

[[nodiscard]] Task<void> write_topic_metrics(kafka::KafkaService& service, topics::Topics& topics, env::Reactor& here,
                                             monitor::OpenMetrics& out);

}  // namespace keelson::server
