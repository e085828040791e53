#include "net/http/client_pool.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "net/tls_stream.h"

namespace keelson::net::http {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

// Somebody who waits for a connection; resumed by its timer, so never from within whoever gives one back.
struct ClientPool::Waiter {
  explicit Waiter(ClientPool& the_pool) : pool(the_pool), timer(the_pool.reactor_, [this] { handle.resume(); }) {
    pool.waiters_.push_back(this);
    timer.arm_after(pool.options_.wait_timeout_ms * kNsPerMs);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    std::erase(pool.waiters_, this);
    if (may_connect) --pool.open_;  // destroyed before it could
    if (client != nullptr) pool.give_back(std::move(client));
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { handle = waiter; }
  void await_resume() const noexcept {}

  ClientPool& pool;
  std::coroutine_handle<> handle;
  std::unique_ptr<Client> client;
  bool may_connect = false;  // a place came free; it is counted in open_
  env::Timer timer;
};

struct ClientPool::Connecting {
  explicit Connecting(env::Reactor& reactor) : timer(reactor, [this] { handle.resume(); }) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { handle = waiter; }
  void await_resume() const noexcept {}

  std::coroutine_handle<> handle;
  std::optional<Result<std::unique_ptr<env::Stream>>> outcome;
  env::Timer timer;
};

ClientPool::ClientPool(env::Network& network, env::Reactor& reactor, ClientPoolOptions options)
    : network_(network), reactor_(reactor), options_(std::move(options)), sweeper_(reactor, [this] { drop_old(); }) {}

ClientPool::~ClientPool() { KEELSON_CHECK(waiters_.empty() && open_ == idle_.size(), "a pool goes before its leases"); }

Task<Result<ClientPool::Lease>> ClientPool::acquire() {
  if (!idle_.empty()) {
    std::unique_ptr<Client> client = std::move(idle_.back().client);
    idle_.pop_back();
    co_return Lease(*this, std::move(client), true);
  }
  if (open_ < options_.connections_max) {
    ++open_;
    co_return co_await connect();
  }
  if (waiters_.size() >= options_.waiting_max) {
    co_return fail(HttpErrc::kBusy, "http: too many wait for a connection to " + options_.to.text());
  }
  Waiter waiter(*this);
  co_await waiter;
  if (waiter.client != nullptr) co_return Lease(*this, std::move(waiter.client), true);
  if (std::exchange(waiter.may_connect, false)) co_return co_await connect();
  co_return fail(HttpErrc::kBusy, "http: no connection to " + options_.to.text() + " came free in time");
}

// A place in open_ has been taken for it.
Task<Result<ClientPool::Lease>> ClientPool::connect() {
  struct Place {
    ClientPool& pool;
    bool is_used = false;
    ~Place() {
      if (!is_used) --pool.open_, pool.wake_one(nullptr);
    }
  } place{*this};
  Connecting state(reactor_);
  env::TaskScope scope(reactor_);
  scope.spawn(connect_into(state));
  state.timer.arm_after(state.outcome ? 0 : options_.connect_timeout_ms * kNsPerMs);
  co_await state;
  if (!state.outcome) co_return fail(HttpErrc::kTimedOut, "http: cannot connect to " + options_.to.text() + " in time");
  if (!state.outcome->ok()) co_return forward_error(*state.outcome);
  std::unique_ptr<env::Stream> stream = std::move(**state.outcome);
  if (options_.tls != nullptr) {
    constexpr std::string_view kProtocols[] = {"http/1.1"};
    stream = options_.tls->wrap(std::move(stream), options_.server_name, kProtocols);
  }
  place.is_used = true;
  co_return Lease(*this, std::make_unique<Client>(std::move(stream), options_.client), false);
}

Task<void> ClientPool::connect_into(Connecting& state) {
  state.outcome.emplace(co_await connect_to_any());
  state.timer.arm_after(0);
}

Task<Result<std::unique_ptr<env::Stream>>> ClientPool::connect_to_any() {
  if (!options_.to.unix_path.empty()) co_return co_await network_.connect(reactor_, options_.to);
  if (hosts_.empty()) {
    Result<std::vector<std::string>> found = co_await network_.resolve(reactor_, options_.to.host);
    if (!found.ok()) co_return forward_error(found);
    hosts_ = std::move(*found);
  }
  const std::vector<std::string> hosts = hosts_;  // others may look the name up meanwhile
  Error last(make_error_code(env::NetErrc::kInvalid), "http: " + options_.to.host + " has no address");
  for (const std::string& host : hosts) {
    auto stream =
        co_await network_.connect(reactor_, env::Address{.host = host, .port = options_.to.port, .unix_path = {}});
    if (stream.ok()) co_return stream;
    last = stream.error();
  }
  hosts_.clear();
  co_return std::unexpected<Error>(std::move(last));
}

void ClientPool::give_back(std::unique_ptr<Client> client) {
  if (!client->is_reusable()) {
    client.reset();
    --open_;
    wake_one(nullptr);
    return;
  }
  wake_one(std::move(client));
}

// Hands the connection, or the place for one, to who waits longest.
void ClientPool::wake_one(std::unique_ptr<Client> client) {
  if (waiters_.empty()) {
    if (client == nullptr) return;
    idle_.push_back({std::move(client), reactor_.clock().monotonic_ns()});
    if (idle_.size() == 1) sweeper_.arm_after(options_.idle_timeout_ms * kNsPerMs);
    return;
  }
  Waiter& waiter = *waiters_.front();
  waiters_.pop_front();
  waiter.may_connect = client == nullptr;
  if (waiter.may_connect) ++open_;
  waiter.client = std::move(client);
  waiter.timer.arm_after(0);
}

void ClientPool::drop_old() {
  const int64_t old_ns = reactor_.clock().monotonic_ns() - options_.idle_timeout_ms * kNsPerMs;
  while (!idle_.empty() && idle_.front().since_ns <= old_ns) {
    idle_.pop_front();
    --open_;
  }
  if (!idle_.empty()) sweeper_.arm_at(idle_.front().since_ns + options_.idle_timeout_ms * kNsPerMs);
}

Task<Result<ClientPool::Fetched>> ClientPool::fetch(Client::Request request, size_t bytes_max) {
  while (true) {
    Result<Lease> lease = co_await acquire();
    if (!lease.ok()) co_return forward_error(lease);
    Result<Response> head = co_await (*lease)->request(request);
    if (!head.ok()) {
      const bool may_retry =
          lease->is_reused() && head.error().code() == HttpErrc::kBroken && is_idempotent(request.method);
      if (may_retry) continue;  // kept connections run out, so this ends
      co_return forward_error(head);
    }
    Result<std::string> body = co_await (*lease)->read_all(bytes_max);
    if (!body.ok()) co_return forward_error(body);
    co_return Fetched{std::move(*head), std::move(*body)};
  }
}

}  // namespace keelson::net::http
