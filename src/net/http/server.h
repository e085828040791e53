// A small HTTP/1.1 server for the program's own endpoints: keep-alive, pipelining in order, limits and time-outs for
// everything.
//
// One reactor serves all its connections. A request is read whole (its body is limited) before the handler runs; the
// answer can be streamed. The parser is strict (parser.h); after a fault the connection is answered and closed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/message.h"
#include "net/http/parser.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::net::http {

struct ServerOptions {
  Limits limits = {};
  uint32_t connections_max = 256;      // more are answered 503 and closed
  uint32_t head_timeout_ms = 10'000;   // from a request's first byte to its last
  uint32_t idle_timeout_ms = 60'000;   // between requests
  uint32_t write_timeout_ms = 60'000;  // for one piece of an answer
};

// One request and its answer. Lives as long as the handler's task. Every handler answers exactly once: respond(), or
// begin(), any number of send(), end(). After a false the client is gone and the rest may be left out.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const RequestHead& request() const = 0;
  [[nodiscard]] virtual std::string_view body() const = 0;
  [[nodiscard]] virtual const env::Address& remote() const = 0;
  // Goes into the head of the answer; before respond() or begin().
  virtual void add_field(std::string name, std::string value) = 0;

  // Small answers, whole.
  virtual Task<bool> respond(uint16_t status, std::string content_type, std::string content) = 0;
  // Large ones. The size is not known ahead: chunked (in HTTP/1.0: until the connection closes).
  virtual Task<bool> begin(uint16_t status, std::string content_type) = 0;
  virtual Task<bool> send(std::string_view piece) = 0;
  virtual Task<bool> end() = 0;
};

// Runs on the server's reactor. Must not be a capturing coroutine lambda: let it call one with the captures as
// parameters.
using Handler = std::function<Task<void>(Exchange&)>;

class Server {
 public:
  Server(env::Network& network, env::Reactor& reactor, const ServerOptions& options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // May be called for several addresses. `tls` may be null and must outlive the server.
  Status listen(const env::Address& at, TlsContext* tls);
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return addresses_; }
  // Takes no more connections, ends idle ones, and waits for answers under way.
  Task<void> stop();

  [[nodiscard]] uint32_t connection_count() const { return static_cast<uint32_t>(connections_.size()); }
  [[nodiscard]] uint64_t request_count() const { return requests_; }

 private:
  class Connection;

  Task<void> accept_loop(env::Listener& listener, TlsContext* tls);
  Task<void> serve(std::unique_ptr<env::Stream> stream);

  env::Network& network_;
  env::Reactor& reactor_;
  ServerOptions options_;
  Handler handler_;
  bool is_stopping_ = false;
  uint64_t requests_ = 0;
  uint64_t next_id_ = 0;
  std::map<uint64_t, Connection*> connections_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  std::vector<env::Address> addresses_;
  std::unique_ptr<env::TaskScope> tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
