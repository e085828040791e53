// From settings to Google Pub/Sub's API, and its metrics.
#pragma once

#include <vector>

#include "base/task.h"
#include "monitor/open_metrics.h"
#include "net/tls_stream.h"
#include "protocol/pubsub/service.h"
#include "server/settings.h"

namespace keelson::server {

// What single values cannot show.
void check_pubsub_settings(const Settings& settings, std::vector<SettingError>& errors);
[[nodiscard]] pubsub::PubsubOptions make_pubsub_options(const Settings& settings);
[[nodiscard]] net::TlsServerOptions pubsub_tls_options(const Settings& settings);

[[nodiscard]] Task<void> write_pubsub_metrics(pubsub::PubsubService& service, env::Reactor& here,
                                              monitor::OpenMetrics& out);

}  // namespace keelson::server
