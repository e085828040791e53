// The coordination service of one node: the shard with the coordination engine, for whoever uses it on any reactor
// (etcd's protocol, the cluster's state, dynamic configuration).
//
//   runtime options: a service "coord", one shard, durability `always`, engine CoordEngine, replay sink SilentSink
//   Service service(runtime, runtime.router(k), {});          // after runtime.start()
//   co_await service.start();
//   ... write(), query(), open_watch_stream(), leases() ...
//   co_await service.stop();                                  // before runtime.stop()
//
// Nothing here assumes that this node leads: a write goes to the leader through the shard and its log, and is answered
// from the local replica once that has applied it; watches are told what the local replica applies; a keep-alive goes
// to the leader by the LeaseKeeper that the cluster gives.
//
// Threads: made, started and stopped on reactor 0. What takes `here` may be called on any reactor, and goes on there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/result.h"
#include "base/task.h"
#include "coord/auto_compaction.h"
#include "coord/errors.h"
#include "coord/lease.h"
#include "coord/request.h"
#include "coord/statistics.h"
#include "coord/watch.h"
#include "engine/coord/commands.h"
#include "env/reactor.h"
#include "shard/runtime.h"

namespace keelson::coord {

// etcd's ReqTimeout(): 5 s for the disk and the network, and two elections of 1 s.
inline constexpr int64_t kRequestTimeoutMs = 7'000;

struct ServiceOptions {
  AutoCompactionOptions compaction;
  WatchOptions watch;
  // This node leads from the start: it is alone. In a cluster, leader_changed() says when it does.
  bool is_alone = true;
  // Keys that clients choose are hashed with it.
  uint64_t hash_secret = 0;
};

class Service {
 public:
  // `router`: of the service, which has one shard. Both outlive this.
  Service(shard::Runtime& runtime, const shard::Router& router, ServiceOptions options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  // Without stop() (a crash in simulation): after Runtime::abandon().
  ~Service();

  [[nodiscard]] Task<Status> start();
  // Ends watches with kClosed, answers new requests with kStopping, and waits for those under way; for at most
  // kStopMs, since a log without a leader may never say what became of them.
  [[nodiscard]] Task<void> stop();
  static constexpr int64_t kStopMs = 10'000;

  // A command (commands.h), logged and applied before it is answered. See request.h. kOk means that the engine has
  // answered: the sink may hold a failure of its own.
  template <class Body, class Sink>
  [[nodiscard]] Request<Sink> write(env::Reactor& here, const Body& body, std::unique_ptr<Sink> sink,
                                    int64_t timeout_ms = kRequestTimeoutMs) {
    return Request<Sink>(make_call(here, std::make_unique<Encoded>(body), true, Consistency::kLinearizable,
                                   std::move(sink), timeout_ms));
  }
  // A query.
  template <class Body, class Sink>
  [[nodiscard]] Request<Sink> query(env::Reactor& here, const Body& body, std::unique_ptr<Sink> sink,
                                    Consistency consistency = Consistency::kLinearizable,
                                    int64_t timeout_ms = kRequestTimeoutMs) {
    return Request<Sink>(
        make_call(here, std::make_unique<Encoded>(body), false, consistency, std::move(sink), timeout_ms));
  }

  // Permission to read the range is the caller's to ask for first (CheckAccess).
  [[nodiscard]] std::unique_ptr<WatchStream> open_watch_stream(env::Reactor& here);

  // Keep-alives and what is left of leases: answered here if this node leads, else by the cluster's keeper. Grants and
  // revocations are commands like others.
  [[nodiscard]] LeaseKeeper& leases();
  // How to reach the leader's keeper; for a cluster, before start(). Outlives this. Without one and not leading, the
  // answer is kNoLeader.
  void set_remote_leases(LeaseKeeper& remote);
  // The same, answered here or not at all (kNoLeader): for what another node has forwarded.
  [[nodiscard]] LeaseKeeper& local_leases();

  // On the shard's reactor: this node begins or ceases to lead the shard. It has applied everything of former terms. It
  // keeps the times of leases once a record that says so is agreed on.
  void leader_changed(bool is_here);
  // The shard's.
  [[nodiscard]] env::Reactor& home() const;
  [[nodiscard]] shard::ShardId shard_id() const;

  // Any thread.
  [[nodiscard]] const Statistics& statistics() const;
  [[nodiscard]] uint64_t requests_timed_out() const;

 private:
  struct Inside;

  [[nodiscard]] detail::CallPointer make_call(env::Reactor& here, std::unique_ptr<Encoded> body, bool is_write,
                                              Consistency consistency, std::unique_ptr<AnswerSink> sink,
                                              int64_t timeout_ms);

  std::unique_ptr<Inside> inside_;
};

}  // namespace keelson::coord
