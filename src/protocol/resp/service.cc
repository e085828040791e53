#include "protocol/resp/service.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "engine/kv/keyspace.h"
#include "net/tls_stream.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"
#include "shard/call_on.h"
#include "shard/visit.h"

namespace keelson::resp {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Ten times a second, as Redis's hz; sooner while there is work left over.
constexpr int64_t kTickNs = 100 * kNsPerMs;
constexpr int64_t kBusyTickNs = 1 * kNsPerMs;
constexpr uint64_t kTicksPerLimitCheck = 10;
// Keys of one shard that one tick expires: well under a millisecond.
constexpr size_t kExpiresPerTick = 200;
// Keys that one command may evict before it runs, and one tick.
constexpr size_t kEvictionsPerCommand = 32;
constexpr size_t kEvictionsPerTick = 1024;
// Evictions that wait at one reactor for its next turn.
constexpr uint32_t kEvictionsAskedMax = 256;
// Out of file descriptors, say.
constexpr int64_t kAcceptRetryNs = 100 * kNsPerMs;
// How long stop() waits for clients to take their last answers.
constexpr int64_t kStopGraceNs = 5'000 * kNsPerMs;
constexpr int64_t kStopPollNs = 5 * kNsPerMs;

uint16_t notify_classes_of(const KvConfig& config) {
  return config.notify_keyspace || config.notify_keyevent ? config.notify_classes : uint16_t{0};
}

// What CONFIG SET may change; the rest of the options is the keyspace's own.
void apply_encodings(kv::KeyspaceOptions& to, const KvConfig& config) {
  kv::KeyspaceOptions options = config.encodings;
  options.databases = to.databases;
  options.hash_secret = to.hash_secret;
  options.eviction_policy = config.maxmemory_policy;
  to = options;
}

}  // namespace

void LocalCounters::add(const LocalCounters& other) {
  connections_received += other.connections_received;
  connections_rejected += other.connections_rejected;
  commands_processed += other.commands_processed;
  input_bytes += other.input_bytes;
  output_bytes += other.output_bytes;
  keyspace_hits += other.keyspace_hits;
  keyspace_misses += other.keyspace_misses;
  expired_keys += other.expired_keys;
  evicted_keys += other.evicted_keys;
  error_replies += other.error_replies;
  protocol_errors += other.protocol_errors;
  output_limit_disconnections += other.output_limit_disconnections;
  blocked_clients += other.blocked_clients;
  total_pushes += other.total_pushes;
}

Local::Local(env::Reactor& on) : reactor(on), stats(std::make_unique<CommandStats>()), tasks(on) {}
Local::~Local() = default;

KvService::KvService(shard::Runtime& runtime, KvConfig config, Host host)
    : runtime_(runtime),
      host_(std::move(host)),
      is_cluster_(runtime.shard(0).replica() != nullptr),
      started_wall_ms_(runtime.env().clock().wall_ms()),
      slowlog_(std::make_unique<Slowlog>()),
      latency_(std::make_unique<LatencyMonitor>()),
      accepting_(std::make_unique<env::TaskScope>(runtime.reactor(0))),
      can_evict_(std::make_unique<std::atomic<bool>[]>(reactor_count())),
      evictions_asked_(std::make_unique<std::atomic<uint32_t>[]>(reactor_count())) {
  for (unsigned i = 0; i < reactor_count(); ++i) {
    locals_.push_back(std::make_unique<Local>(reactor(i)));
    locals_[i]->config = config;
    can_evict_[i] = true;
  }
  pubsub_ = std::make_unique<PubSub>(*this);
  for (shard::ShardId id = 0; id < runtime.router().shard_count(); ++id) {
    agents_.push_back(std::make_unique<ShardAgent>(*this, runtime.shard(id)));
    agents_[id]->set_notify_classes(notify_classes_of(config));
    apply_encodings(agents_[id]->keyspace().options(), config);
  }
  for (unsigned i = 0; i < reactor_count(); ++i) {
    reactor(i).post([this, i] {
      Local& here = local(i);
      here.tick = std::make_unique<env::Timer>(here.reactor, [this, &here] { tick(here); });
      here.tick->arm_after(kTickNs);
    });
  }
}

KvService::~KvService() { runtime_.abandon(); }

std::shared_ptr<const shard::ClusterMap> KvService::cluster_map() const {
  if (host_.cluster != nullptr) return host_.cluster->map();
  return std::make_shared<const shard::ClusterMap>();
}

Task<std::vector<shard::ShardId>> KvService::led_shards(env::Reactor& here) {
  std::vector<shard::ShardId> led;
  co_await on_each_reactor(here, [&](Local& local) {
    for (unsigned id = local.reactor.index(); id < router().shard_count(); id += reactor_count()) {
      if (runtime_.shard(static_cast<shard::ShardId>(id)).leads()) led.push_back(static_cast<shard::ShardId>(id));
    }
  });
  std::sort(led.begin(), led.end());
  co_return led;
}

uint64_t KvService::next_client_id() { return next_client_id_.fetch_add(1, std::memory_order_relaxed); }

Status KvService::listen(const env::Address& at, net::TlsContext* tls) {
  auto listener = runtime_.env().network().listen(reactor(0), at);
  if (!listener.ok()) return forward_error(listener);
  listeners_.push_back(std::move(*listener));
  addresses_.push_back(listeners_.back()->local());
  // INFO and CONFIG GET tell the port that was picked.
  if (host_.port == 0 && tls == nullptr) host_.port = addresses_.back().port;
  accepting_->spawn(accept_loop(*listeners_.back(), tls));
  return {};
}

Task<void> KvService::accept_loop(env::Listener& listener, net::TlsContext* tls) {
  while (!is_stopping_) {
    Local& owner = local(next_reactor_);
    next_reactor_ = (next_reactor_ + 1) % reactor_count();
    auto stream = co_await listener.accept(owner.reactor);
    if (stream.ok()) {
      // Decided here, in the order in which they came: the reactors that get them run in any order.
      const bool is_one_too_many = connected_.fetch_add(1, std::memory_order_relaxed) >= local(0).config.maxclients;
      owner.reactor.post([this, &owner, tls, is_one_too_many, accepted = std::move(*stream)]() mutable {
        owner.tasks.spawn(serve(owner, std::move(accepted), tls, is_one_too_many));
      });
    } else if (stream.error().code() == env::make_error_code(env::NetErrc::kClosed)) {
      co_return;
    } else {
      log_warn("kv", "a connection could not be accepted", {{"why", stream.error().message()}});
      co_await env::sleep_for(reactor(0), kAcceptRetryNs);
    }
  }
}

Task<void> KvService::serve(Local& local, std::unique_ptr<env::Stream> stream, net::TlsContext* tls,
                            bool is_one_too_many) {
  const bool is_tls = tls != nullptr;
  if (is_one_too_many) {
    ++local.counters.connections_rejected;
    // As much as Redis does: one try, and none through TLS.
    if (!is_tls) static_cast<void>(stream->try_write("-ERR max number of clients reached\r\n"));
    stream->close();
  } else {
    ++local.counters.connections_received;
    stream->set_keepalive(local.config.tcp_keepalive_s);
    if (is_tls) stream = tls->wrap(std::move(stream));
    Session session(*this, local, std::move(stream), is_tls);
    co_await session.run();
  }
  connected_.fetch_sub(1, std::memory_order_relaxed);
}

void KvService::tick(Local& local) {
  ++local.ticks;
  const bool has_more = tick_shards(local);
  const int64_t now_ns = local.reactor.clock().monotonic_ns();
  if (local.paused_until_ns != 0 && now_ns >= local.paused_until_ns) local.paused_until_ns = 0;
  if (local.ticks % kTicksPerLimitCheck == 0) {
    // A session that is killed ends in a later turn, so the map stays as it is.
    for (auto& [id, session] : local.sessions) session->check_limits(now_ns);
    const LocalCounters& counters = local.counters;
    local.rates.sample(now_ns, counters.commands_processed, counters.input_bytes, counters.output_bytes,
                       runtime_.env().memory_used_bytes());
  }
  local.tick->arm_after(has_more ? kBusyTickNs : kTickNs);
}

bool KvService::tick_shards(Local& local) {
  const KvConfig& config = local.config;
  const bool must_evict = config.maxmemory_bytes != 0 && config.maxmemory_policy != EvictionPolicy::kNoEviction &&
                          runtime_.env().memory_used_bytes() > config.maxmemory_bytes;
  bool has_more = false;
  size_t evicted = 0;
  const int64_t began_ns = local.reactor.clock().monotonic_ns();
  for (unsigned id = local.reactor.index(); id < runtime_.router().shard_count(); id += reactor_count()) {
    ShardAgent& shard_agent = agent(static_cast<shard::ShardId>(id));
    if (config.active_expire) has_more |= shard_agent.expire_due_keys(kExpiresPerTick * config.active_expire_effort);
    has_more |= shard_agent.free_lazily();
  }
  while (must_evict && evicted < kEvictionsPerTick && evict_next(local)) {
    ++evicted;
    if (runtime_.env().memory_used_bytes() <= config.maxmemory_bytes) break;
  }
  if (must_evict) can_evict_[local.reactor.index()].store(evicted != 0, std::memory_order_relaxed);
  if (has_more) report_latency(*this, local, "expire-cycle", local.reactor.clock().monotonic_ns() - began_ns);
  return has_more || evicted != 0;
}

bool KvService::evict_next(Local& local) {
  const unsigned shards_here =
      (runtime_.router().shard_count() + reactor_count() - 1 - local.reactor.index()) / reactor_count();
  for (unsigned i = 0; i < shards_here; ++i) {
    const unsigned turn = local.eviction_shard++ % shards_here;
    const auto id = static_cast<shard::ShardId>(local.reactor.index() + turn * reactor_count());
    if (agent(id).evict_keys(local.config, 1) != 0) return true;
  }
  return false;
}

void KvService::settle_counters(Local& local) {
  for (unsigned id = local.reactor.index(); id < runtime_.router().shard_count(); id += reactor_count()) {
    ShardAgent& shard_agent = agent(static_cast<shard::ShardId>(id));
    if (shard_agent.shard().is_lent()) continue;
    const kv::KeyspaceStats stats = shard_agent.keyspace().take_stats();
    local.counters.keyspace_hits += stats.hits;
    local.counters.keyspace_misses += stats.misses;
    local.counters.expired_keys += stats.expired;
  }
}

bool KvService::make_room(Local& local) {
  const KvConfig& config = local.config;
  const env::Env& env = runtime_.env();
  if (config.maxmemory_bytes == 0 || env.memory_used_bytes() <= config.maxmemory_bytes) return true;
  if (config.maxmemory_policy == EvictionPolicy::kNoEviction) return false;
  // A shard holds a part of the keys by chance, so all shards evict alike, wherever their reactor is.
  size_t evicted = 0;
  for (size_t i = 0; i < kEvictionsPerCommand && env.memory_used_bytes() > config.maxmemory_bytes; ++i) {
    const unsigned at = local.eviction_reactor++ % reactor_count();
    if (at == local.reactor.index()) {
      evicted += evict_next(local) ? 1 : 0;
    } else if (evictions_asked_[at].load(std::memory_order_relaxed) < kEvictionsAskedMax) {
      evictions_asked_[at].fetch_add(1, std::memory_order_relaxed);
      reactor(at).post([this, at] {
        evictions_asked_[at].fetch_sub(1, std::memory_order_relaxed);
        can_evict_[at].store(evict_next(*locals_[at]), std::memory_order_relaxed);
      });
    }
  }
  if (evicted != 0) return true;
  // Keys of shards that other nodes lead go when those evict them.
  if (is_cluster_) return true;
  can_evict_[local.reactor.index()].store(false, std::memory_order_relaxed);
  // The other reactors evict too.
  for (unsigned i = 0; i < reactor_count(); ++i) {
    if (can_evict_[i].load(std::memory_order_relaxed)) return true;
  }
  return false;
}

Task<void> KvService::on_each_reactor(env::Reactor& here, std::function<void(Local&)> visit) {
  for (unsigned i = 0; i < reactor_count(); ++i) {
    co_await shard::call_on(here, reactor(i), [&] { visit(local(i)); });
  }
}

Task<void> KvService::set_config(env::Reactor& here, KvConfig config) {
  co_await on_each_reactor(here, [&](Local& local) { local.config = config; });
  for (unsigned i = 0; i < reactor_count(); ++i) can_evict_[i].store(true, std::memory_order_relaxed);
  for (shard::ShardId id = 0; id < runtime_.router().shard_count(); ++id) {
    co_await shard::visit(runtime_, here, id, [&](shard::Shard&) {
      agent(id).set_notify_classes(notify_classes_of(config));
      apply_encodings(agent(id).keyspace().options(), config);
    });
  }
}

Task<bool> KvService::on_session(env::Reactor& here, uint64_t client_id, std::function<void(Session&)> visit) {
  for (unsigned i = 0; i < reactor_count(); ++i) {
    const bool found = co_await shard::call_on(here, reactor(i), [&] {
      const auto session = local(i).sessions.find(client_id);
      if (session == local(i).sessions.end()) return false;
      visit(*session->second);
      return true;
    });
    if (found) co_return true;
  }
  co_return false;
}

Task<size_t> KvService::session_count() {
  size_t count = 0;
  co_await on_each_reactor(reactor(0), [&](Local& local) { count += local.tasks.count(); });
  co_return count;
}

Task<void> KvService::stop() {
  is_stopping_ = true;
  for (auto& listener : listeners_) listener->close();
  co_await accepting_->join();
  co_await on_each_reactor(reactor(0), [](Local& local) {
    local.tick.reset();
    for (auto& [id, session] : local.sessions) session->end_when_idle();
  });
  const int64_t deadline_ns = reactor(0).clock().monotonic_ns() + kStopGraceNs;
  bool is_killed = false;
  while (co_await session_count() != 0) {
    if (!is_killed && reactor(0).clock().monotonic_ns() > deadline_ns) {
      is_killed = true;
      co_await on_each_reactor(reactor(0), [](Local& local) {
        for (auto& [id, session] : local.sessions) session->kill();
      });
      // A group without a majority would keep them for ever.
      if (is_cluster_) co_await runtime_.give_up_waiting();
    }
    co_await env::sleep_for(reactor(0), kStopPollNs);
  }
}

}  // namespace keelson::resp
