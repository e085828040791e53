#include "net/http/server.h"

#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "env/hand_off.h"
#include "net/http/server_local.h"

namespace keelson::net::http {

namespace {

// After accept() has failed (no descriptors are left, say) the listener rests for this long.
constexpr int64_t kAcceptRestNs = 100'000'000;

Task<void> stop_local(ServerLocal& local, std::move_only_function<void(bool)> deliver) {
  co_await local.stop();
  deliver(true);
}

}  // namespace

Server::Server(env::Network& network, env::Reactor& reactor, const ServerOptions& options, Handler handler)
    : Server(network, std::vector<env::Reactor*>{&reactor}, options, std::move(handler)) {}

Server::Server(env::Network& network, std::span<env::Reactor* const> reactors, const ServerOptions& options,
               Handler handler)
    : network_(network),
      options_(options),
      handler_(std::move(handler)),
      accepting_(std::make_unique<env::TaskScope>(*reactors.front())) {
  for (env::Reactor* reactor : reactors) locals_.push_back(std::make_unique<ServerLocal>(*this, *reactor));
}

Server::~Server() {
  accepting_.reset();
  locals_.clear();
}

Status Server::listen(const env::Address& at, TlsContext* tls) {
  Result<std::unique_ptr<env::Listener>> listener = network_.listen(locals_.front()->reactor(), at);
  if (!listener.ok()) return forward_error(listener);
  addresses_.push_back((*listener)->local());
  listeners_.push_back(std::move(*listener));
  accepting_->spawn(accept_loop(*listeners_.back(), tls));
  return {};
}

Task<void> Server::accept_loop(env::Listener& listener, TlsContext* tls) {
  while (!is_stopping_) {
    ServerLocal& owner = *locals_[next_local_];
    next_local_ = (next_local_ + 1) % locals_.size();
    Result<std::unique_ptr<env::Stream>> accepted = co_await listener.accept(owner.reactor());
    if (accepted.ok()) {
      take(owner, std::move(*accepted), tls);
      continue;
    }
    if (is_stopping_ || accepted.error().code() == env::NetErrc::kClosed) break;
    log_warn("http", "cannot accept a connection", {{"why", accepted.error().message()}});
    co_await env::sleep_for(locals_.front()->reactor(), kAcceptRestNs);
  }
}

void Server::take(ServerLocal& local, std::unique_ptr<env::Stream> stream, TlsContext* tls) {
  if (&local == locals_.front().get()) {
    local.serve(std::move(stream), tls, false);
    return;
  }
  local.reactor().post(
      [&local, tls, taken = std::move(stream)]() mutable { local.serve(std::move(taken), tls, false); });
}

void Server::serve(std::unique_ptr<env::Stream> stream, bool is_tls) {
  for (const auto& local : locals_) {
    if (&local->reactor() != &stream->reactor()) continue;
    local->serve(std::move(stream), nullptr, is_tls);
    return;
  }
  KEELSON_CHECK(false, "a stream of a reactor that the server does not run on");
}

Task<void> Server::stop() {
  is_stopping_ = true;
  for (auto& listener : listeners_) listener->close();
  co_await accepting_->join();
  env::Reactor& home = locals_.front()->reactor();
  // One after the other would do as well; at once, the grace runs once for all.
  std::vector<std::unique_ptr<env::HandOff<bool>>> ends;
  std::vector<std::unique_ptr<env::TaskScope>> scopes;
  for (const auto& local : locals_) {
    ends.push_back(std::make_unique<env::HandOff<bool>>(home));
    scopes.push_back(std::make_unique<env::TaskScope>(local->reactor()));
    local->reactor().post([&part = *local, &scope = *scopes.back(), deliver = ends.back()->deliverer()]() mutable {
      scope.spawn(stop_local(part, std::move(deliver)));
    });
  }
  for (const auto& end : ends) {
    env::HandOff<bool>& ended = *end;
    [[maybe_unused]] const bool done = co_await ended;
  }
  for (size_t i = 0; i < scopes.size(); ++i) {
    // A scope goes where it was used, after the task in it has ended.
    locals_[i]->reactor().post([scope = std::move(scopes[i])] {});
  }
}

ServerCounts Server::counts() const {
  ServerCounts all;
  all.connections = connected_.load(std::memory_order_relaxed);
  for (const auto& local : locals_) {
    const ServerLocal::Counters& part = local->counters;
    all.connections_accepted += part.accepted.value();
    all.connections_refused += part.refused.value();
    all.requests += part.requests.value();
    all.requests_http2 += part.requests_http2.value();
    all.requests_active += static_cast<uint64_t>(part.active.value());
    all.faults += part.faults.value();
    all.timeouts += part.timeouts.value();
    all.bytes_received += part.received.value();
    all.bytes_sent += part.sent.value();
    for (size_t i = 0; i < std::size(all.responses); ++i) all.responses[i] += part.responses[i].value();
  }
  return all;
}

}  // namespace keelson::net::http
