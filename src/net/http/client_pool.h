// Connections to one HTTP/1.1 server, kept for the next request.
//
//   ClientPool pool(network, reactor, {.to = address, .host = "h"});
//   Result<ClientPool::Lease> lease = co_await pool.acquire();
//   Result<Response> response = co_await (*lease)->request(...);     // read its body, or the connection is not kept
//
// or, when the answer is small, all in one: co_await pool.fetch(request, bytes_max).
//
// A lease that ends with its exchange over goes back to the pool; any other connection is closed. A server may close a
// kept connection at any moment, so a request on one may fail with kBroken without having been looked at: fetch() tries
// such a request once more on a new connection if its method is idempotent (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
//
// Belongs to one reactor, and outlives its leases and whoever waits for one.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/client.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::net::http {

struct ClientPoolOptions {
  // Whose host may be a name: it is looked up when a connection is made, and again after one could not be. Its
  // addresses are tried in the order in which the network gives them.
  env::Address to;
  TlsContext* tls = nullptr;     // a client context, or none; outlives the pool
  std::string server_name = {};  // what the server's certificate must carry
  uint32_t connections_max = 16;
  uint32_t waiting_max = 1024;  // for a connection to come free; more are refused with kBusy
  uint32_t wait_timeout_ms = 10'000;
  uint32_t connect_timeout_ms = 5'000;
  uint32_t idle_timeout_ms = 30'000;  // less than servers have, so that they seldom close first
  ClientOptions client = {};
};

class ClientPool {
 public:
  // A connection for one exchange, or several after each other.
  class Lease {
   public:
    Lease(ClientPool& pool, std::unique_ptr<Client> client, bool is_reused)
        : pool_(&pool), client_(std::move(client)), is_reused_(is_reused) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(client_, other.client_);
      std::swap(is_reused_, other.is_reused_);
      return *this;
    }
    ~Lease() {
      if (client_ != nullptr) pool_->give_back(std::move(client_));
    }
    Client* operator->() { return client_.get(); }
    Client& operator*() { return *client_; }
    // Has it served before? Then it may have been closed meanwhile.
    [[nodiscard]] bool is_reused() const { return is_reused_; }

   private:
    ClientPool* pool_;  // never null
    std::unique_ptr<Client> client_;
    bool is_reused_;
  };

  struct Fetched {
    Response head;
    std::string body;
  };

  ClientPool(env::Network& network, env::Reactor& reactor, ClientPoolOptions options);
  ClientPool(const ClientPool&) = delete;
  ClientPool& operator=(const ClientPool&) = delete;
  ~ClientPool();

  // A kept connection, a new one, or the next that comes free.
  Task<Result<Lease>> acquire();
  // One exchange. The answer's body is at most this large.
  Task<Result<Fetched>> fetch(Client::Request request, size_t bytes_max);

  [[nodiscard]] size_t open_count() const { return open_; }  // kept and leased
  [[nodiscard]] size_t idle_count() const { return idle_.size(); }

 private:
  struct Waiter;
  struct Connecting;
  struct Idle {
    std::unique_ptr<Client> client;
    int64_t since_ns = 0;
  };

  void give_back(std::unique_ptr<Client> client);
  void wake_one(std::unique_ptr<Client> client);
  void drop_old();
  Task<Result<Lease>> connect();
  Task<void> connect_into(Connecting& state);
  Task<Result<std::unique_ptr<env::Stream>>> connect_to_any();

  env::Network& network_;
  env::Reactor& reactor_;
  const ClientPoolOptions options_;
  std::vector<std::string> hosts_;  // numeric; empty: not looked up, or none of them answered
  size_t open_ = 0;
  std::deque<Idle> idle_;  // the one that served last stands last
  std::deque<Waiter*> waiters_;
  env::Timer sweeper_;
};

}  // namespace keelson::net::http
