// etcd's v3 API of one node: gRPC and its JSON gateway in front, the coordination service behind.
//
// One port carries all of it, as etcd's does: requests of gRPC (HTTP/2), JSON over HTTP/1.1 and HTTP/2 under /v3 (and
// /v3beta, /v3alpha), /health, /version and /metrics. Connections are spread over all reactors; a call is answered on
// its connection's reactor and crosses to the shard's with the engine's command alone.
//
// Limits: a message may be request_bytes_max and some for what is around it; an Alarm, a login, whatever: the same.
// Calls under way on one connection are bounded by http.http2.streams_max, connections by http.connections_max; what
// waits for a client that takes nothing by coord's watch limits and net/http's buffers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "coord/service.h"
#include "env/env.h"
#include "env/network.h"
#include "net/grpc/server.h"
#include "net/http/server.h"
#include "protocol/etcd/members.h"
#include "protocol/etcd/metrics.h"
#include "protocol/etcd/pipe.h"
#include "protocol/etcd/tokens.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::etcd {

// The version of etcd whose API this is: what clients look at to find out what they may ask for.
inline constexpr std::string_view kEtcdVersion = "3.4.23";
inline constexpr std::string_view kEtcdClusterVersion = "3.4.0";

struct EtcdOptions {
  size_t request_bytes_max = 1'572'864;  // etcd's --max-request-bytes: 1.5 MiB
  size_t txn_operations_max = 128;       // etcd's --max-txn-ops
  int64_t token_ttl_ms = 300'000;        // etcd's --auth-token-ttl
  net::http::ServerOptions http = {};
  // What /metrics shows; null: there is none.
  std::function<Task<std::string>(env::Reactor& here)> metrics_text;
};
// Of connections that carry long-lived streams: those are never idle in etcd's eyes.
[[nodiscard]] net::http::ServerOptions http_options_for_etcd();

// One reactor's part.
struct EtcdLocal {
  EtcdLocal(env::Reactor& on, int64_t token_ttl_ms) : reactor(on), tokens(token_ttl_ms) {}
  env::Reactor& reactor;
  Tokens tokens;
  PipeList pipes;
  Metrics metrics;
};

// What a call that is no stream is answered with.
struct Reply {
  net::grpc::CallStatus status;
  std::string message;  // with an OK status
};

class Handlers;

class EtcdService {
 public:
  // Made, stopped and destroyed on reactor 0. `coord` is started; all outlive the service.
  EtcdService(env::Env& env, coord::Service& coord, Members& members, EtcdOptions options);
  ~EtcdService();

  Status listen(const env::Address& at, net::TlsContext* tls);
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return http_->addresses(); }
  // Takes no more calls, ends those that wait for something, waits for the others. Before coord's stop().
  Task<void> stop();

  // Answers one request, on any reactor.
  Task<void> handle(net::http::Exchange& exchange);
  // A call that is no stream. `message` lives until it has ended.
  Task<Reply> call(size_t method, Pipe& pipe, std::string_view message);
  // A stream, to its end.
  Task<net::grpc::CallStatus> stream(size_t method, Pipe& pipe);

  [[nodiscard]] const EtcdOptions& options() const { return options_; }
  [[nodiscard]] env::Env& env() { return env_; }
  [[nodiscard]] coord::Service& coord() { return coord_; }
  [[nodiscard]] Members& members() { return members_; }
  [[nodiscard]] EtcdLocal& local(env::Reactor& reactor) { return *locals_[reactor.index()]; }
  // Any thread: counters may be read.
  [[nodiscard]] const std::vector<std::unique_ptr<EtcdLocal>>& locals() const { return locals_; }
  [[nodiscard]] net::http::ServerCounts http_counts() const { return http_->counts(); }

 private:
  Task<net::grpc::CallStatus> run(net::grpc::Call& call, size_t method);
  // OK, but where the call wants a leader and there is none.
  Task<net::grpc::CallStatus> check_leader(Pipe& pipe);
  Task<void> watch_leader();

  env::Env& env_;
  coord::Service& coord_;
  Members& members_;
  const EtcdOptions options_;
  std::vector<std::unique_ptr<EtcdLocal>> locals_;
  std::unique_ptr<Handlers> handlers_;
  net::grpc::Methods methods_;
  std::unique_ptr<net::http::Server> http_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<uint32_t> leader_wanted_{0};  // streams that end when there is no leader
  std::unique_ptr<env::TaskScope> tasks_;   // reactor 0's; last: its coroutines use the rest
};

}  // namespace keelson::etcd
