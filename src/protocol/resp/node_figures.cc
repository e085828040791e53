#include "protocol/resp/node_figures.h"

#include <algorithm>
#include <utility>

#include "engine/kv/keyspace.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session.h"
#include "protocol/resp/shard_agent.h"
#include "shard/loan.h"

namespace keelson::resp {

namespace {

void add_local(NodeFigures& figures, KvService& service, Local& local) {
  service.settle_counters(local);
  figures.counters.add(local.counters);
  figures.clients += local.sessions.size();
  figures.monitors += local.monitors.size();
  for (const auto& [id, session] : local.sessions) {
    if (session->subscriptions().count() != 0) ++figures.pubsub_clients;
    const uint64_t input = session->input_capacity_bytes();
    const uint64_t output = session->output_buffered_bytes();
    figures.client_buffer_bytes += sizeof(Session) + input + output;
    figures.input_buffer_bytes_max = std::max(figures.input_buffer_bytes_max, input);
    figures.output_buffer_bytes_max = std::max(figures.output_buffer_bytes_max, output);
  }
  const PubSub& pubsub = service.pubsub();
  figures.pubsub_channels += pubsub.home_channel_count(local.reactor, ChannelKind::kChannel);
  figures.pubsub_shard_channels += pubsub.home_channel_count(local.reactor, ChannelKind::kShardChannel);
  figures.commands_per_s += local.rates.commands_per_s();
  figures.input_bytes_per_s += local.rates.input_bytes_per_s();
  figures.output_bytes_per_s += local.rates.output_bytes_per_s();
  figures.memory_peak_bytes = std::max(figures.memory_peak_bytes, local.rates.memory_peak_bytes());
  for (const auto& [code, count] : local.errors_by_code) figures.errors_by_code[code] += count;
  if (local.reactor.index() == 0) {
    figures.pubsub_patterns = pubsub.pattern_count(local.reactor);
    figures.checkpoint = service.runtime().checkpoint_progress();
  }
}

void add_keyspace(KeyspaceFigures& figures, const kv::Keyspace& keyspace, int64_t now_ms) {
  figures.overhead_bytes += keyspace.overhead_bytes();
  figures.lazy_free_pending += keyspace.lazy_free_pending();
  for (uint16_t number = 0; number < figures.databases.size(); ++number) {
    DatabaseFigures& database = figures.databases[number];
    const uint64_t expires = keyspace.expiring_count(number);
    if (expires != 0) {
      // The mean of the shards' means, each by its weight.
      const double weight = static_cast<double>(expires) / static_cast<double>(database.expires + expires);
      const double ttl_ms = static_cast<double>(keyspace.average_ttl_ms(number, now_ms));
      const double mean_ms = static_cast<double>(database.average_ttl_ms);
      database.average_ttl_ms = static_cast<int64_t>(mean_ms + (ttl_ms - mean_ms) * weight);
    }
    database.keys += keyspace.size(number);
    database.expires += expires;
    figures.keys += keyspace.size(number);
  }
}

}  // namespace

Task<NodeFigures> gather_node_figures(KvService& service, env::Reactor& here) {
  NodeFigures figures;
  co_await service.on_each_reactor(here, [&](Local& local) { add_local(figures, service, local); });
  figures.memory_used_bytes = service.runtime().env().memory_used_bytes();
  figures.memory_peak_bytes = std::max(figures.memory_peak_bytes, figures.memory_used_bytes);
  if (service.host().process_figures) figures.process = service.host().process_figures();
  co_return figures;
}

Task<KeyspaceFigures> gather_keyspace_figures(Session& session) {
  KvService& service = session.service();
  KeyspaceFigures figures;
  figures.databases.resize(session.config().databases);
  for (shard::ShardId id = 0; id < service.runtime().router().shard_count(); ++id) {
    if (session.holds_shards()) {
      add_keyspace(figures, service.agent(id).keyspace(), service.runtime().clock(session.reactor().index()).now_ms());
      continue;
    }
    std::vector<shard::ShardId> one(1, id);
    shard::Loan loan = co_await shard::Loan::take(service.runtime(), session.reactor(), std::move(one));
    if (loan.damage() != nullptr) {
      ++figures.damaged_shards;
    } else {
      add_keyspace(figures, service.agent(id).keyspace(), loan.time_ms());
    }
  }
  co_return figures;
}

}  // namespace keelson::resp
