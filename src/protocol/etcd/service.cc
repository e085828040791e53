#include "protocol/etcd/service.h"

#include <array>
#include <utility>

#include "net/tls_stream.h"
#include "protocol/etcd/gateway.h"
#include "protocol/etcd/handlers.h"
#include "shard/call_on.h"

namespace keelson::etcd {

namespace {

using net::grpc::CallStatus;
using net::grpc::Code;
using net::grpc::Read;

// What gRPC takes beyond what a request may be: etcd's room for what is around it.
constexpr size_t kMessageOverheadBytes = 512 << 10;

using UnaryMember = Task<Reply> (Handlers::*)(Pipe&, std::string_view);
using StreamMember = Task<CallStatus> (Handlers::*)(Pipe&);

struct HandlerRow {
  UnaryMember unary = nullptr;
  StreamMember stream = nullptr;
};

constexpr std::array<HandlerRow, kMethodCount> kHandlers = {{
#define ETCD_UNARY(package, service, method, message, path, note) {&Handlers::service##_##method, nullptr},
#define ETCD_STREAM(package, service, method, message, path, note) {nullptr, &Handlers::service##_##method},
#define ETCD_REFUSED ETCD_UNARY
#define ETCD_NO(package, service, method, message, path, note) {nullptr, nullptr},
#include "protocol/etcd/method_table.def"
#undef ETCD_NO
#undef ETCD_REFUSED
#undef ETCD_STREAM
#undef ETCD_UNARY
}};

// In its reactor's list as long as it is under way.
class Listed {
 public:
  Listed(PipeList& list, Pipe& pipe) : list_(list), pipe_(pipe) { list_.add(pipe_); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { list_.remove(pipe_); }

 private:
  PipeList& list_;
  Pipe& pipe_;
};

// How often the leader is looked for, and how often in a row there may be none: etcd's three elections of a second.
constexpr int64_t kLeaderLookNs = 250'000'000;
constexpr int kLeaderlessLooksMax = 12;

// A stream that ends when there is no leader, while it lasts.
class LeaderWanted {
 public:
  LeaderWanted(std::atomic<uint32_t>& count, bool is_wanted) : count_(count), is_wanted_(is_wanted) {
    if (is_wanted_) ++count_;
  }
  LeaderWanted(const LeaderWanted&) = delete;
  LeaderWanted& operator=(const LeaderWanted&) = delete;
  ~LeaderWanted() {
    if (is_wanted_) --count_;
  }

 private:
  std::atomic<uint32_t>& count_;
  const bool is_wanted_;
};

CallStatus not_implemented(size_t method) {
  const MethodRow& row = method_table()[method];
  return {Code::kUnimplemented, "method " + std::string(row.name) + " not implemented"};
}

}  // namespace

net::http::ServerOptions http_options_for_etcd() {
  net::http::ServerOptions options;
  options.connections_max = 10'000;
  options.idle_timeout_ms = 0;
  // Each watcher of a client that does not share streams is a stream.
  options.http2.streams_max = 16'384;
  // A client that has vanished is found out: etcd asks after two hours, which is long for who wants its memory back.
  options.http2.ping_after_ms = 60'000;
  options.http2.ping_timeout_ms = 20'000;
  return options;
}

EtcdService::EtcdService(env::Env& env, coord::Service& coord, Members& members, EtcdOptions options)
    : env_(env),
      coord_(coord),
      members_(members),
      options_(std::move(options)),
      handlers_(std::make_unique<Handlers>(*this)),
      methods_(options_.request_bytes_max + kMessageOverheadBytes) {
  std::vector<env::Reactor*> reactors;
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    reactors.push_back(&env.reactor(i));
    locals_.push_back(std::make_unique<EtcdLocal>(env.reactor(i), options_.token_ttl_ms));
  }
  for (const MethodRow& row : method_table()) {
    methods_.add(row.grpc_path, [this](net::grpc::Call& call, size_t method) { return run(call, method); });
  }
  net::http::ServerOptions http = options_.http;
  // Streams of requests have no end; one message is bounded by gRPC's reader, and the gateway reads no more than one.
  http.limits.body_bytes_max = UINT64_MAX;
  http_ = std::make_unique<net::http::Server>(env.network(), reactors, http,
                                              [this](net::http::Exchange& exchange) { return handle(exchange); });
  tasks_ = std::make_unique<env::TaskScope>(env.reactor(0));
  tasks_->spawn(watch_leader());
}

EtcdService::~EtcdService() = default;

Status EtcdService::listen(const env::Address& at, net::TlsContext* tls) { return http_->listen(at, tls); }

Task<void> EtcdService::stop() {
  is_stopping_ = true;
  env::Reactor& here = env_.reactor(0);
  for (const auto& local : locals_) {
    co_await shard::call_on(here, local->reactor, [&] { local->pipes.cancel_all(status_of(ProtocolErrc::kStopped)); });
  }
  co_await http_->stop();
  co_await tasks_->join();
}

Task<CallStatus> EtcdService::check_leader(Pipe& pipe) {
  if (!pipe.wants_leader()) co_return CallStatus{};
  const RaftFacts raft = co_await members_.raft(pipe.reactor());
  co_return raft.leader != 0 ? CallStatus{} : status_of(coord::ServiceErrc::kNoLeader);
}

Task<void> EtcdService::watch_leader() {
  env::Reactor& here = env_.reactor(0);
  int leaderless_looks = 0;
  while (!is_stopping_) {
    co_await env::sleep_for(here, kLeaderLookNs);
    if (leader_wanted_ == 0) {
      leaderless_looks = 0;
      continue;
    }
    const RaftFacts raft = co_await members_.raft(here);
    leaderless_looks = raft.leader == 0 ? leaderless_looks + 1 : 0;
    if (leaderless_looks < kLeaderlessLooksMax) continue;
    for (const auto& local : locals_) {
      co_await shard::call_on(here, local->reactor,
                              [&] { local->pipes.cancel_all(status_of(coord::ServiceErrc::kNoLeader), true); });
    }
  }
}

Task<void> EtcdService::handle(net::http::Exchange& exchange) {
  if (net::grpc::Methods::is_grpc(exchange.request())) return methods_.handle(exchange);
  return handle_gateway(*this, exchange);
}

Task<Reply> EtcdService::call(size_t method, Pipe& pipe, std::string_view message) {
  EtcdLocal& here = local(pipe.reactor());
  MethodCounts& counts = here.metrics.methods[method];
  const Listed listed(here.pipes, pipe);
  counts.started.add();
  const int64_t started_ns = here.reactor.clock().monotonic_ns();
  Reply reply;
  if (is_stopping_) {
    reply.status = status_of(ProtocolErrc::kStopped);
  } else if (CallStatus leaderless = co_await check_leader(pipe); !leaderless.ok()) {
    reply.status = std::move(leaderless);
  } else if (const UnaryMember handler = kHandlers[method].unary; handler != nullptr) {
    reply = co_await (handlers_.get()->*handler)(pipe, message);
  } else {
    reply.status = not_implemented(method);
  }
  counts.ended[static_cast<size_t>(reply.status.code)].add();
  counts.latency_ns.record(static_cast<uint64_t>(here.reactor.clock().monotonic_ns() - started_ns));
  co_return reply;
}

Task<CallStatus> EtcdService::stream(size_t method, Pipe& pipe) {
  EtcdLocal& here = local(pipe.reactor());
  MethodCounts& counts = here.metrics.methods[method];
  const Listed listed(here.pipes, pipe);
  counts.started.add();
  here.metrics.streams.add(1);
  const LeaderWanted wanted(leader_wanted_, pipe.wants_leader());
  CallStatus status = is_stopping_ ? status_of(ProtocolErrc::kStopped) : co_await check_leader(pipe);
  if (status.ok()) status = co_await (handlers_.get()->*kHandlers[method].stream)(pipe);
  here.metrics.streams.add(-1);
  counts.ended[static_cast<size_t>(status.code)].add();
  co_return status;
}

Task<CallStatus> EtcdService::run(net::grpc::Call& call, size_t method) {
  GrpcPipe pipe(call);
  if (kHandlers[method].stream != nullptr) {
    call.read_without_timeout();
    co_return co_await stream(method, pipe);
  }
  std::string_view message;
  if (co_await call.read_only(message) != Read::kMessage) co_return call.failure();
  Reply reply = co_await this->call(method, pipe, message);
  if (reply.status.ok()) (void)co_await call.send(reply.message);
  co_return std::move(reply.status);
}

}  // namespace keelson::etcd
