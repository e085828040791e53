// From settings to the coordination service and etcd's API, and their metrics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coord/service.h"
#include "monitor/open_metrics.h"
#include "protocol/etcd/service.h"
#include "server/settings.h"
#include "shard/runtime.h"

namespace keelson::server {

// The place of coordination among the services of the runtime, and its name.
inline constexpr size_t kCoordService = 2;
inline constexpr std::string_view kCoordName = "coord";
// All of it is one history, so one shard.
inline constexpr uint16_t kCoordShards = 1;

// What single values cannot show of etcd's settings.
void check_etcd_settings(const Settings& settings, std::vector<SettingError>& errors);

[[nodiscard]] shard::ServiceOptions make_coord_service(const Settings& settings);
// `hash_secret`: of the data folder.
[[nodiscard]] coord::ServiceOptions make_coord_options(const Settings& settings, uint64_t hash_secret);
[[nodiscard]] etcd::EtcdOptions make_etcd_options(const Settings& settings);
// Of a node that is alone: made of its id, so that they stay what they are.
[[nodiscard]] etcd::HeaderFacts lone_facts(std::string_view node_id);
// May clients of other machines connect? Where they need no certificate, users must be asked for: auth is on.
[[nodiscard]] Task<Status> check_etcd_access(const Settings& settings, coord::Service& service, env::Reactor& here);

void write_etcd_metrics(const etcd::EtcdService& service, const coord::Service& coord, monitor::OpenMetrics& out);

}  // namespace keelson::server
