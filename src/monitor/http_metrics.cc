#include "monitor/http_metrics.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace keelson::monitor {

namespace {

using net::http::ServerCounts;

void write_one(std::span<const HttpServerMetrics> servers, std::string_view name, MetricType type,
               std::string_view unit, std::string_view help, uint64_t ServerCounts::* count, OpenMetrics& out) {
  out.family(name, type, unit, help);
  for (const HttpServerMetrics& one : servers) out.sample({{"server", one.server}}, one.counts.*count);
}

}  // namespace

void write_http_metrics(std::span<const HttpServerMetrics> servers, OpenMetrics& out) {
  using enum MetricType;
  write_one(servers, "keelson_http_connections", kGauge, "", "HTTP connections.", &ServerCounts::connections, out);
  write_one(servers, "keelson_http_connections_accepted", kCounter, "", "HTTP connections that were made.",
            &ServerCounts::connections_accepted, out);
  write_one(servers, "keelson_http_connections_refused", kCounter, "",
            "HTTP connections past the limit (http.max-connections, s3.max-connections).",
            &ServerCounts::connections_refused, out);
  out.family("keelson_http_requests", kCounter, "", "HTTP requests, by the version of HTTP.");
  for (const HttpServerMetrics& one : servers) {
    const uint64_t http2 = one.counts.requests_http2;
    out.sample({{"server", one.server}, {"version", "1"}}, one.counts.requests - http2);
    out.sample({{"server", one.server}, {"version", "2"}}, http2);
  }
  write_one(servers, "keelson_http_requests_active", kGauge, "", "HTTP requests that are being answered.",
            &ServerCounts::requests_active, out);
  out.family("keelson_http_responses", kCounter, "", "HTTP answers, by the class of their status.");
  constexpr std::array<std::string_view, 5> kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  for (const HttpServerMetrics& one : servers) {
    for (size_t i = 0; i < kClasses.size(); ++i) {
      out.sample({{"server", one.server}, {"class", kClasses[i]}}, one.counts.responses[i]);
    }
  }
  write_one(servers, "keelson_http_faults", kCounter, "", "Requests that were not HTTP, or past a limit of its.",
            &ServerCounts::faults, out);
  write_one(servers, "keelson_http_timeouts", kCounter, "", "HTTP clients that were silent for too long.",
            &ServerCounts::timeouts, out);
  write_one(servers, "keelson_http_received_bytes", kCounter, "bytes", "Bytes from HTTP clients, without TLS's own.",
            &ServerCounts::bytes_received, out);
  write_one(servers, "keelson_http_sent_bytes", kCounter, "bytes", "Bytes to HTTP clients, without TLS's own.",
            &ServerCounts::bytes_sent, out);
}

}  // namespace keelson::monitor
