#include "protocol/pubsub/service.h"

#include <array>
#include <utility>

#include "net/tls_stream.h"
#include "protocol/pubsub/handlers.h"
#include "shard/call_on.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;
using net::grpc::Read;
using Run = Task<CallStatus> (*)(Handlers&, Call&);

template <class Request, class Response, auto kMember>
Task<CallStatus> run_unary(Handlers& handlers, Call& call) {
  std::string_view message;
  if (co_await call.read_only(message) != Read::kMessage) co_return call.failure();
  Request request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    co_return invalid("The request is not of its type.");
  }
  Response response;
  CallStatus status = co_await (handlers.*kMember)(call, request, response);
  if (status.ok()) (void)co_await call.send(response.SerializeAsString());
  co_return status;
}

template <auto kMember>
Task<CallStatus> run_stream(Handlers& handlers, Call& call) {
  call.read_without_timeout();
  return (handlers.*kMember)(call);
}

constexpr std::array<Run, kMethodCount> kRuns = {{
#define PUBSUB_UNARY(package, service, method, request, response, note) \
  &run_unary<request, response, &Handlers::service##_##method>,
#define PUBSUB_STREAM(package, service, method, request, response, note) &run_stream<&Handlers::service##_##method>,
#include "protocol/pubsub/method_table.def"
#undef PUBSUB_STREAM
#undef PUBSUB_UNARY
}};

Task<void> answer_not_grpc(net::http::Exchange& exchange) {
  (void)co_await exchange.respond(415, "text/plain", "This port speaks gRPC: Google Pub/Sub's API, version 1.\n");
}

}  // namespace

net::http::ServerOptions http_options_for_pubsub() {
  net::http::ServerOptions options;
  options.connections_max = 10'000;
  options.idle_timeout_ms = 0;
  options.http2.streams_max = 16'384;
  // Streams are silent for long; a client that has vanished is found out.
  options.http2.ping_after_ms = 60'000;
  options.http2.ping_timeout_ms = 20'000;
  // Streams of requests have no end; one message is bounded by gRPC's reader.
  options.limits.body_bytes_max = UINT64_MAX;
  return options;
}

PubsubService::PubsubService(env::Env& env, topics::Topics& topics, PubsubOptions options)
    : env_(env),
      topics_(topics),
      options_(std::move(options)),
      resources_(topics),
      handlers_(std::make_unique<Handlers>(*this)),
      methods_(options_.request_bytes_max),
      stopping_(env.reactor(0)) {
  // What clients send is answered to them; the library would write a line for each text that is no UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  std::vector<env::Reactor*> reactors;
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    reactors.push_back(&env.reactor(i));
    locals_.push_back(std::make_unique<PubsubLocal>(topics, resources_, env.reactor(i), *this));
  }
  for (const MethodRow& row : method_table()) {
    methods_.add(row.grpc_path, [this](Call& call, size_t method) { return run(call, method); });
  }
  http_ = std::make_unique<net::http::Server>(
      env.network(), reactors, options_.http, [this](net::http::Exchange& exchange) {
        return net::grpc::Methods::is_grpc(exchange.request()) ? methods_.handle(exchange) : answer_not_grpc(exchange);
      });
  tasks_ = std::make_unique<env::TaskScope>(env.reactor(0));
  tasks_->spawn(expire_forever());
}

PubsubService::~PubsubService() = default;

Status PubsubService::listen(const env::Address& at, net::TlsContext* tls) { return http_->listen(at, tls); }

Task<void> PubsubService::stop() {
  is_stopping_ = true;
  env::Reactor& here = env_.reactor(0);
  stopping_.ring();
  for (const auto& local : locals_) {
    co_await shard::call_on(here, local->reactor, [&] { local->home.close_all(stopped()); });
  }
  for (const auto& local : locals_) {
    co_await shard::call_on(here, local->reactor, [&] {
      // Calls may end meanwhile.
      const std::vector<Call*> calls(local->stream_calls.begin(), local->stream_calls.end());
      for (Call* const call : calls) {
        if (local->stream_calls.contains(call)) call->cancel(stopped());
      }
    });
  }
  co_await http_->stop();
  co_await tasks_->join();
  for (const auto& local : locals_) {
    co_await shard::call_on(here, local->reactor, [&] { local->home.clear(); });
  }
}

PubsubLocal& PubsubService::home_of(std::string_view subscription) {
  const std::string key = document_key(kSubscriptionDocuments, subscription);
  return *locals_[topics_.router().reactor_of(topics_.shard_of_name(key))];
}

Task<CallStatus> PubsubService::run(Call& call, size_t method) {
  PubsubLocal& here = local(call.reactor());
  MethodCounts& counts = here.methods[method];
  counts.started.add();
  const int64_t started_ns = here.reactor.clock().monotonic_ns();
  const bool is_stream = method_table()[method].is_stream;
  if (is_stream) here.stream_calls.insert(&call);
  CallStatus status = is_stopping_ ? stopped() : co_await kRuns[method](*handlers_, call);
  here.stream_calls.erase(&call);
  counts.ended[static_cast<size_t>(status.code)].add();
  if (!is_stream) {
    counts.latency_ns.record(static_cast<uint64_t>(here.reactor.clock().monotonic_ns() - started_ns));
  }
  co_return status;
}

// ---- From subscriptions to streams.

void PubsubService::deliver(const StreamAddress& to, const std::string& subscription, std::vector<Grant> grants) {
  PubsubLocal& there = *locals_[to.reactor];
  there.reactor.post([this, &there, stream = to.stream, subscription, grants = std::move(grants)]() mutable {
    const auto inbox = there.streams.find(stream);
    if (inbox != there.streams.end()) return inbox->second->delivered(std::move(grants));
    std::vector<LeaseId> ids;
    for (const Grant& grant : grants) ids.push_back(grant.id);
    give_back(subscription, std::move(ids));
  });
}

void PubsubService::give_back(const std::string& subscription, std::vector<LeaseId> ids) {
  PubsubLocal& there = home_of(subscription);
  there.reactor.post([&home = there.home, subscription, ids = std::move(ids)] {
    if (Subscription* const at = home.find(subscription)) at->give_back(ids);
  });
}

void PubsubService::end(const StreamAddress& to, CallStatus why) {
  PubsubLocal& there = *locals_[to.reactor];
  there.reactor.post([&there, stream = to.stream, why = std::move(why)]() mutable {
    const auto inbox = there.streams.find(stream);
    if (inbox != there.streams.end()) inbox->second->ended(std::move(why));
  });
}

void PubsubService::changed(const StreamAddress& to, const topics::LeaseRules& rules) {
  PubsubLocal& there = *locals_[to.reactor];
  there.reactor.post([&there, stream = to.stream, rules] {
    const auto inbox = there.streams.find(stream);
    if (inbox != there.streams.end()) inbox->second->changed(rules);
  });
}

}  // namespace keelson::pubsub
