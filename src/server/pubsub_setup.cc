#include "server/pubsub_setup.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "server/cluster_setup.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

constexpr std::string_view kListenKeys[] = {"pubsub.listen", "pubsub.tls.listen"};

void check_listener(const Settings& settings, std::string_view key, std::vector<SettingError>& errors) {
  const auto add = [&](std::string why) { errors.push_back({settings.origin(key), std::string(key), std::move(why)}); };
  if (settings.addresses(key).empty()) return;
  if (is_clustered(settings)) {
    if (settings.origin(key).kind != Origin::Kind::kDefault) {
      add("Pub/Sub is not offered on a node of a cluster yet (Kafka's protocol is): leave this empty, or "
          "cluster.listen");
    }
    return;
  }
  for (const env::Address& address : settings.addresses(key)) {
    const bool asks_for_certificates = key == "pubsub.tls.listen" && settings.text("pubsub.tls.auth-clients") == "yes";
    if (address.is_loopback() || !address.unix_path.empty() || asks_for_certificates) continue;
    add(address.text() +
        " can be reached from other machines, and everybody who reaches it could do everything. Listen on 127.0.0.1, "
        "or on pubsub.tls.listen alone with pubsub.tls.auth-clients=yes and pubsub.tls.ca");
  }
}

struct MethodTotals {
  std::string_view service;
  std::string_view name;
  uint64_t started = 0;
  std::array<uint64_t, net::grpc::kCodeCount> ended{};
  HistogramSnapshot latency{};
};

void write_methods(const pubsub::PubsubService& service, OpenMetrics& out) {
  std::vector<MethodTotals> used;
  for (size_t i = 0; i < pubsub::kMethodCount; ++i) {
    MethodTotals totals{pubsub::method_table()[i].service, pubsub::method_table()[i].name};
    for (const auto& local : service.locals()) {
      const pubsub::MethodCounts& counts = local->methods[i];
      totals.started += counts.started.value();
      for (size_t code = 0; code < net::grpc::kCodeCount; ++code) totals.ended[code] += counts.ended[code].value();
      counts.latency_ns.merge_into(totals.latency);
    }
    if (totals.started != 0) used.push_back(totals);
  }
  out.family("keelson_pubsub_calls_started", MetricType::kCounter, "", "Calls of Pub/Sub's API that have begun.");
  for (const MethodTotals& totals : used) {
    out.sample({{"service", totals.service}, {"method", totals.name}}, totals.started);
  }
  out.family("keelson_pubsub_calls", MetricType::kCounter, "", "Calls of Pub/Sub's API that have ended, by status.");
  for (const MethodTotals& totals : used) {
    for (size_t code = 0; code < net::grpc::kCodeCount; ++code) {
      if (totals.ended[code] == 0) continue;
      out.sample({{"service", totals.service},
                  {"method", totals.name},
                  {"code", net::grpc::code_name(static_cast<net::grpc::Code>(code))}},
                 totals.ended[code]);
    }
  }
  out.family("keelson_pubsub_call_duration_seconds", MetricType::kHistogram, "seconds",
             "How long calls take that are no streams; of a Pull with what it waits.");
  for (const MethodTotals& totals : used) {
    if (totals.latency.count == 0) continue;
    out.histogram_ns({{"service", totals.service}, {"method", totals.name}}, totals.latency);
  }
}

void write_subscriptions(const std::vector<pubsub::PubsubService::Backlog>& backlogs, int64_t now_ms,
                         OpenMetrics& out) {
  using Backlog = pubsub::PubsubService::Backlog;
  const auto family = [&](std::string_view name, MetricType type, std::string_view unit, std::string_view help,
                          auto value) {
    out.family(name, type, unit, help);
    for (const Backlog& one : backlogs) {
      if (type == MetricType::kCounter) {
        out.sample({{"subscription", one.figures.name}}, static_cast<uint64_t>(value(one)));
      } else {
        out.sample({{"subscription", one.figures.name}}, static_cast<int64_t>(value(one)));
      }
    }
  };
  constexpr auto kGauge = MetricType::kGauge;
  constexpr auto kCounter = MetricType::kCounter;
  family("keelson_pubsub_undelivered_messages", kGauge, "",
         "Messages that a subscription has not acknowledged, those that its filter passes over included. Of "
         "subscriptions that somebody uses.",
         [](const Backlog& one) { return one.undelivered; });
  family(
      "keelson_pubsub_oldest_unacked_age_seconds", kGauge, "seconds",
      "Age of the oldest message that was read for a subscription and is not acknowledged.", [&](const Backlog& one) {
        return one.figures.oldest_time_ms == 0 ? 0 : std::max<int64_t>(0, now_ms - one.figures.oldest_time_ms) / 1000;
      });
  family("keelson_pubsub_outstanding_messages", kGauge, "", "Messages that consumers have and may acknowledge.",
         [](const Backlog& one) { return one.figures.leased; });
  family("keelson_pubsub_streams", kGauge, "", "Streams of a subscription that are open.",
         [](const Backlog& one) { return one.figures.streams; });
  family("keelson_pubsub_delivered_messages", kCounter, "", "Messages that were handed to consumers.",
         [](const Backlog& one) { return one.figures.counts.delivered; });
  family("keelson_pubsub_redelivered_messages", kCounter, "", "Of these, those that had been handed out before.",
         [](const Backlog& one) { return one.figures.counts.redelivered; });
  family("keelson_pubsub_acked_messages", kCounter, "", "Acknowledgements.",
         [](const Backlog& one) { return one.figures.counts.acknowledged; });
  family("keelson_pubsub_nacked_messages", kCounter, "", "Negative acknowledgements.",
         [](const Backlog& one) { return one.figures.counts.nacked; });
  family("keelson_pubsub_expired_messages", kCounter, "", "Messages that were not acknowledged in time.",
         [](const Backlog& one) { return one.figures.counts.expired; });
  family("keelson_pubsub_dead_lettered_messages", kCounter, "", "Messages that went to the dead-letter topic.",
         [](const Backlog& one) { return one.figures.counts.dead_lettered; });
}

}  // namespace

void check_pubsub_settings(const Settings& settings, std::vector<SettingError>& errors) {
  const auto pair = [&](const std::string& one, const std::string& other) {
    if (settings.text(one).empty() || !settings.text(other).empty()) return;
    errors.push_back({settings.origin(one), one, "this needs " + other + " as well"});
  };
  pair("pubsub.tls.listen", "pubsub.tls.cert");
  pair("pubsub.tls.cert", "pubsub.tls.key");
  pair("pubsub.tls.key", "pubsub.tls.cert");
  if (settings.text("pubsub.tls.auth-clients") != "no") pair("pubsub.tls.auth-clients", "pubsub.tls.ca");
  for (const std::string_view key : kListenKeys) check_listener(settings, key, errors);
}

pubsub::PubsubOptions make_pubsub_options(const Settings& settings) {
  pubsub::PubsubOptions options;
  options.partitions = static_cast<int32_t>(settings.number("pubsub.partitions"));
  options.http = pubsub::http_options_for_pubsub();
  options.http.connections_max = static_cast<uint32_t>(settings.number("pubsub.max-connections"));
  return options;
}

net::TlsServerOptions pubsub_tls_options(const Settings& settings) {
  net::TlsServerOptions options;
  options.certificate_file = settings.text("pubsub.tls.cert");
  options.key_file = settings.text("pubsub.tls.key");
  options.ca_file = settings.text("pubsub.tls.ca");
  const std::string& clients = settings.text("pubsub.tls.auth-clients");
  if (clients == "optional") options.client_certificate = net::ClientCertificate::kOptional;
  if (clients == "yes") options.client_certificate = net::ClientCertificate::kRequired;
  return options;
}

Task<void> write_pubsub_metrics(pubsub::PubsubService& service, env::Reactor& here, OpenMetrics& out) {
  write_methods(service, out);
  uint64_t messages = 0, bytes = 0;
  for (const auto& local : service.locals()) {
    messages += local->messages_published.value();
    bytes += local->bytes_published.value();
  }
  out.counter("keelson_pubsub_published_messages", "", "Messages that Pub/Sub's clients have published.", messages);
  out.counter("keelson_pubsub_published_bytes", "bytes", "Bytes of their data.", bytes);
  write_subscriptions(co_await service.backlogs(here), here.clock().wall_ms(), out);
}

}  // namespace keelson::server
