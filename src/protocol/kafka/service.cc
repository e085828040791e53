#include "protocol/kafka/service.h"

#include <utility>

#include "base/logging.h"
#include "net/tls_stream.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/security.h"
#include "shard/call_on.h"

namespace keelson::kafka {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kTickNs = 1'000 * kNsPerMs;
constexpr int64_t kWarnEveryNs = 1'000 * kNsPerMs;
// Out of file descriptors, say.
constexpr int64_t kAcceptRetryNs = 100 * kNsPerMs;
// How long stop() waits for requests under way and for clients to take their last answers.
constexpr int64_t kStopGraceNs = 5'000 * kNsPerMs;
constexpr int64_t kStopPollNs = 5 * kNsPerMs;
// A node that comes up in a cluster serves nobody before it knows who may do what; connections wait for so long.
constexpr int64_t kKnowledgeNs = 30'000 * kNsPerMs;
constexpr int64_t kKnowledgePollNs = 20 * kNsPerMs;
// The peer of a connection without traffic is asked whether it is still there.
constexpr uint32_t kKeepaliveS = 300;
}  // namespace

Local::Local(KafkaService& owner, env::Reactor& on) : service(owner), reactor(on), tasks(on) {
  counters.by_api = std::vector<ApiCounters>(api_table().size());
}
Local::~Local() = default;

TopicTraffic& Local::traffic_of(const topic::TopicInfo& topic) {
  const auto found = traffic.find(topic.id);
  if (found != traffic.end()) return found->second;
  if (traffic.size() >= kTrafficTopicsMax) traffic.clear();
  TopicTraffic& made = traffic[topic.id];
  made.name = topic.name;
  return made;
}

bool Local::may_warn() {
  const int64_t now_ns = reactor.clock().monotonic_ns();
  if (warned_ns != 0 && now_ns - warned_ns < kWarnEveryNs) return false;
  warned_ns = now_ns;
  return true;
}

void Local::end_of_turn() {
  running_due.swap(due);
  // A session may end here.
  for (size_t i = 0; i < running_due.size(); ++i) {
    if (Session* session = running_due[i]) session->end_of_turn();
  }
  running_due.clear();
}

KafkaService::KafkaService(topics::Topics& topics, KafkaOptions options)
    : topics_(topics), options_(std::move(options)) {
  shard::Runtime& runtime = topics.runtime();
  accepting_ = std::make_unique<env::TaskScope>(runtime.reactor(0));
  for (unsigned i = 0; i < runtime.env().reactor_count(); ++i) {
    locals_.push_back(std::make_unique<Local>(*this, runtime.reactor(i)));
    runtime.reactor(i).post([this, i] {
      Local& here = local(i);
      here.tick = std::make_unique<env::Timer>(here.reactor, [this, &here] { tick(here); });
      here.tick->arm_after(kTickNs);
    });
  }
}

void KafkaService::set_security(Security& security) {
  security_ = &security;
  set_access(&security);
  set_quotas(&security);
}

KafkaService::~KafkaService() { topics_.runtime().abandon(); }

Status KafkaService::listen(const env::Address& at, net::TlsContext* tls) {
  auto listener = runtime().env().network().listen(runtime().reactor(0), at);
  if (!listener.ok()) return forward_error(listener);
  listeners_.push_back(std::move(*listener));
  addresses_.push_back(listeners_.back()->local());
  accepting_->spawn(accept_loop(*listeners_.back(), tls));
  return {};
}

Brokers KafkaService::brokers_for(const Session& session) const {
  const env::Address& local = session.local_address();
  const Endpoint reached{.host = local.host, .port = local.port};
  Broker here{.id = options_.node_id, .at = options_.advertised.value_or(reached), .rack = {}};
  if (cluster_ == nullptr) return Brokers(std::move(here));
  return {topics_, cluster_->map(), session.is_tls(), std::move(here)};
}

Task<void> KafkaService::accept_loop(env::Listener& listener, net::TlsContext* tls) {
  while (!is_stopping_) {
    Local& owner = local(next_reactor_);
    next_reactor_ = (next_reactor_ + 1) % reactor_count();
    auto stream = co_await listener.accept(owner.reactor);
    if (stream.ok()) {
      const bool is_one_too_many = connected_.fetch_add(1, std::memory_order_relaxed) >= options_.connections_max;
      owner.reactor.post([this, &owner, tls, is_one_too_many, accepted = std::move(*stream)]() mutable {
        owner.tasks.spawn(serve(owner, std::move(accepted), tls, is_one_too_many));
      });
    } else if (stream.error().code() == env::make_error_code(env::NetErrc::kClosed)) {
      co_return;
    } else {
      log_warn("kafka", "a connection could not be accepted", {{"why", stream.error().message()}});
      co_await env::sleep_for(runtime().reactor(0), kAcceptRetryNs);
    }
  }
}

Task<bool> KafkaService::wait_for_knowledge(Local& local) {
  const int64_t deadline_ns = local.reactor.clock().monotonic_ns() + kKnowledgeNs;
  while (security_ != nullptr && !security_->is_known()) {
    if (local.is_stopping || local.reactor.clock().monotonic_ns() > deadline_ns) co_return false;
    co_await env::sleep_for(local.reactor, kKnowledgePollNs);
  }
  co_return true;
}

Task<void> KafkaService::serve(Local& local, std::unique_ptr<env::Stream> stream, net::TlsContext* tls,
                               bool is_one_too_many) {
  if (is_one_too_many) {
    // Kafka closes too: the protocol has no word for it.
    local.counters.connections_refused.add();
    stream->close();
  } else if (!co_await wait_for_knowledge(local)) {
    if (local.may_warn()) log_warn("kafka", "a connection ends: it is not known yet who may do what", {});
    stream->close();
  } else {
    local.counters.connections.add();
    local.counters.connections_open.add(1);
    stream->set_keepalive(kKeepaliveS);
    if (tls != nullptr) stream = tls->wrap(std::move(stream));
    {
      Session session(*this, local, std::move(stream), tls != nullptr,
                      next_session_.fetch_add(1, std::memory_order_relaxed));
      co_await session.run();
    }
    local.counters.connections_open.add(-1);
  }
  connected_.fetch_sub(1, std::memory_order_relaxed);
}

void KafkaService::tick(Local& local) {
  const int64_t now_ns = local.reactor.clock().monotonic_ns();
  // A session that is killed ends in a later turn, so the map stays as it is.
  for (auto& [id, session] : local.sessions) session->check_limits(now_ns);
  local.tick->arm_after(kTickNs);
}

Task<size_t> KafkaService::session_count() {
  size_t count = 0;
  for (const auto& local : locals_) {
    count += co_await shard::call_on(runtime().reactor(0), local->reactor, [&] { return local->tasks.count(); });
  }
  co_return count;
}

Task<void> KafkaService::stop() {
  is_stopping_ = true;
  env::Reactor& home = runtime().reactor(0);
  for (auto& listener : listeners_) listener->close();
  co_await accepting_->join();
  for (const auto& local : locals_) {
    co_await shard::call_on(home, local->reactor, [&] {
      local->tick.reset();
      local->is_stopping = true;
      for (auto& [id, session] : local->sessions) session->end_when_idle();
      topics_.end_waits(local->reactor);
    });
  }
  if (groups_ != nullptr) co_await groups_->stop();
  const int64_t deadline_ns = home.clock().monotonic_ns() + kStopGraceNs;
  bool is_killed = false;
  while (co_await session_count() != 0) {
    if (!is_killed && home.clock().monotonic_ns() > deadline_ns) {
      is_killed = true;
      for (const auto& local : locals_) {
        co_await shard::call_on(home, local->reactor, [&] {
          for (auto& [id, session] : local->sessions) session->kill();
        });
      }
    }
    co_await env::sleep_for(home, kStopPollNs);
  }
}

}  // namespace keelson::kafka
