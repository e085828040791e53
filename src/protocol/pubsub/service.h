// Google Pub/Sub's API (version 1) of one node: gRPC in front, topics behind.
//
// Connections are spread over all reactors; a call is answered on its connection's reactor. A subscription works on the
// reactor that owns the shard of its cursor (home.h), and what it has for a stream is posted to the stream's.
//
// Limits: a request may have request_bytes_max, of which Publish takes Google's 10 MB; calls of one connection are
// bounded by http.http2.streams_max, connections by http.connections_max; what waits for a stream by kUnsentBytesMax.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "net/grpc/call.h"
#include "net/grpc/server.h"
#include "net/http/server.h"
#include "protocol/pubsub/home.h"
#include "protocol/pubsub/methods.h"
#include "protocol/pubsub/resources.h"
#include "topics/topics.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::pubsub {

struct PubsubOptions {
  size_t request_bytes_max = size_t{20} << 20;
  int32_t partitions = 4;  // of topics that are made here
  net::http::ServerOptions http = {};
};
// Of connections that carry long-lived streams.
[[nodiscard]] net::http::ServerOptions http_options_for_pubsub();

// Where a stream hears of its subscription; of the stream's reactor. Never within a call of the stream's.
class StreamInbox {
 public:
  virtual ~StreamInbox() = default;
  virtual void delivered(std::vector<Grant> grants) = 0;
  virtual void ended(CallStatus why) = 0;
  virtual void changed(const topics::LeaseRules& rules) = 0;
};

// One reactor's part.
struct PubsubLocal {
  PubsubLocal(topics::Topics& topics, Resources& resources, env::Reactor& on, StreamPost& post)
      : reactor(on), home(topics, resources, on, post), tasks(on) {}
  env::Reactor& reactor;
  Home home;
  std::map<uint64_t, StreamInbox*> streams;  // by their number
  uint64_t last_stream = 0;
  uint64_t published = 0;                   // requests: chooses partitions
  std::set<net::grpc::Call*> stream_calls;  // they are ended when the service stops; the others end by themselves
  std::array<MethodCounts, kMethodCount> methods;
  Counter messages_published;
  Counter bytes_published;
  env::TaskScope tasks;  // of calls from other reactors
};

class Handlers;

class PubsubService final : public StreamPost {
 public:
  // Made, stopped and destroyed on reactor 0. `topics` is started, and outlives the service.
  PubsubService(env::Env& env, topics::Topics& topics, PubsubOptions options);
  ~PubsubService() override;

  Status listen(const env::Address& at, net::TlsContext* tls);
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return http_->addresses(); }
  // Takes no more calls, ends streams and pulls with UNAVAILABLE, waits for the others. Before topics' stop().
  Task<void> stop();

  // Deletes what has expired: subscriptions that nobody has used for their time to live, snapshots. Also called by
  // itself, each kExpireEveryMs.
  static constexpr int64_t kExpireEveryMs = 3'600'000;
  Task<void> expire();

  [[nodiscard]] const PubsubOptions& options() const { return options_; }
  [[nodiscard]] topics::Topics& topics() { return topics_; }
  [[nodiscard]] Resources& resources() { return resources_; }
  [[nodiscard]] env::Env& env() { return env_; }
  [[nodiscard]] PubsubLocal& local(env::Reactor& reactor) { return *locals_[reactor.index()]; }
  // Where the subscription works.
  [[nodiscard]] PubsubLocal& home_of(std::string_view subscription);
  // What was granted and never sent. Any reactor.
  void give_back(const std::string& subscription, std::vector<LeaseId> ids);
  // A subscription's document was written or deleted.
  [[nodiscard]] Task<void> refresh(env::Reactor& here, std::string subscription);

  // To a stream, wherever it is. Any reactor.
  void deliver(const StreamAddress& to, const std::string& subscription, std::vector<Grant> grants) override;
  void end(const StreamAddress& to, CallStatus why) override;
  void changed(const StreamAddress& to, const topics::LeaseRules& rules) override;

  // Any thread: counters may be read.
  [[nodiscard]] const std::vector<std::unique_ptr<PubsubLocal>>& locals() const { return locals_; }
  [[nodiscard]] net::http::ServerCounts http_counts() const { return http_->counts(); }
  // Of the subscriptions at work, with how much their topics hold for them.
  struct Backlog {
    SubscriptionFigures figures;
    uint64_t undelivered = 0;  // not acknowledged, including what a filter will pass over
  };
  [[nodiscard]] Task<std::vector<Backlog>> backlogs(env::Reactor& here);

 private:
  Task<net::grpc::CallStatus> run(net::grpc::Call& call, size_t method);
  Task<void> expire_forever();

  env::Env& env_;
  topics::Topics& topics_;
  const PubsubOptions options_;
  Resources resources_;
  std::vector<std::unique_ptr<PubsubLocal>> locals_;
  std::unique_ptr<Handlers> handlers_;
  net::grpc::Methods methods_;
  std::unique_ptr<net::http::Server> http_;
  std::atomic<bool> is_stopping_{false};
  Bell stopping_;                          // reactor 0's
  std::unique_ptr<env::TaskScope> tasks_;  // reactor 0's
};

}  // namespace keelson::pubsub
