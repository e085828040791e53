// What the HTTP servers of a node have done, as metrics: one family for all, a label for each.
#pragma once

#include <span>
#include <string_view>

#include "monitor/open_metrics.h"
#include "net/http/server.h"

namespace keelson::monitor {

struct HttpServerMetrics {
  std::string_view server;  // the label: "http", "s3"
  net::http::ServerCounts counts;
};

// keelson_http_...
void write_http_metrics(std::span<const HttpServerMetrics> servers, OpenMetrics& out);

}  // namespace keelson::monitor
