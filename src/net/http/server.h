// The HTTP server: HTTP/1.1 and HTTP/2 on the same port, over TCP, TLS and the simulator alike.
//
// It runs on one reactor, or spreads its connections over several; a connection stays on its reactor. The version is
// told by the first bytes: the connection preface of HTTP/2 (RFC 9113 §3.4), which a client sends after ALPN "h2" in
// TLS, or with prior knowledge without; everything else is HTTP/1.1 or 1.0. "Upgrade: h2c" is ignored, as RFC 9113
// §3.1 asks. The parser is strict (parser.h): after a fault the connection is answered and closed.
//
// HTTP/1.1: keep-alive, pipelining (answers leave in order, those of one turn in one write), chunked bodies with
// trailers, Expect: 100-continue. A body is read as its handler asks for it (exchange.h). HTTP/2: every stream's
// handler runs beside the others; flow control follows read_body().
//
// Every wait has a time-out and every size a limit, all in ServerOptions.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/exchange.h"
#include "net/http/parser.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::net::http {

class ServerLocal;

// Limits of HTTP/2 beyond those of both versions.
struct Http2Limits {
  uint32_t streams_max = 128;  // at a time on one connection (SETTINGS_MAX_CONCURRENT_STREAMS)
  // What a client may have under way unread, for each stream and for all of a connection. The first is also what
  // read_body() may find buffered.
  uint32_t stream_window_bytes = 256 << 10;
  uint32_t connection_window_bytes = 1 << 20;
  // Frames that cost the server more than the client (RST_STREAM, SETTINGS, PING, PRIORITY, empty DATA, WINDOW_UPDATE):
  // a bucket of this many, refilled at this rate. Past it the connection ends with ENHANCE_YOUR_CALM. Ten thousand
  // requests a second that are all cancelled (CVE-2023-44487) are over in a tenth of a second. A PING behind content
  // that was sent since the last one is free: clients measure the bandwidth so, once in each round trip. So is the
  // RST_STREAM of a stream whose answer has begun: that is how a client ends a stream that has no end of its own.
  uint32_t control_burst = 1000;
  uint32_t control_per_s = 200;
  // A connection with streams of which nothing has come for this long is sent a PING, and is broken if nothing comes
  // within the other: so a client that has vanished does not keep its streams for ever. 0: never.
  uint32_t ping_after_ms = 0;
  uint32_t ping_timeout_ms = 20'000;
};

struct ServerOptions {
  Limits limits = {};
  Http2Limits http2 = {};
  uint32_t connections_max = 256;      // over all reactors; more are answered 503 and closed
  uint32_t head_timeout_ms = 10'000;   // from a request's first byte to the end of its head
  uint32_t idle_timeout_ms = 60'000;   // between requests; 0: never
  uint32_t body_timeout_ms = 60'000;   // without a byte of a body that is waited for
  uint32_t write_timeout_ms = 60'000;  // without the client taking a byte of an answer
  uint32_t stop_grace_ms = 10'000;     // stop() gives answers under way this long
  // Time-outs are looked at four times a second, so each may take a quarter of a second longer.

  // A handler that answers without having read the body: this much of it is read over to keep the connection.
  uint64_t drain_bytes_max = 256 << 10;
};

// What has happened since the start. Connections and requests under way are as of now.
struct ServerCounts {
  uint64_t connections = 0;
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;  // past connections_max
  uint64_t requests = 0;
  uint64_t requests_http2 = 0;   // of them
  uint64_t requests_active = 0;  // a handler is at work
  uint64_t faults = 0;           // requests that were not HTTP, or past a limit
  uint64_t timeouts = 0;
  uint64_t responses[5] = {};  // by class: 1xx .. 5xx
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;  // plain, in TLS too
};

// Made, listened with, stopped and destroyed on its home: the first of its reactors. Destroyed after stop() has ended,
// or when none of its reactors runs any more; over one reactor, at any time.
class Server {
 public:
  Server(env::Network& network, env::Reactor& reactor, const ServerOptions& options, Handler handler);
  // Connections are dealt out in turn.
  Server(env::Network& network, std::span<env::Reactor* const> reactors, const ServerOptions& options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // May be called for several addresses. `tls` may be null and must outlive the server.
  Status listen(const env::Address& at, TlsContext* tls);
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return addresses_; }
  // Serves a connection that somebody else made, on its own reactor, which is one of the server's; called there.
  void serve(std::unique_ptr<env::Stream> stream, bool is_tls = false);
  // Takes no more connections, ends idle ones, and waits for answers under way, as long as the grace lasts.
  Task<void> stop();

  // Any thread.
  [[nodiscard]] ServerCounts counts() const;
  [[nodiscard]] uint32_t connection_count() const { return connected_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t request_count() const { return counts().requests; }

 private:
  friend class ServerLocal;

  Task<void> accept_loop(env::Listener& listener, TlsContext* tls);
  void take(ServerLocal& local, std::unique_ptr<env::Stream> stream, TlsContext* tls);

  // Constant once it is made.
  env::Network& network_;
  const ServerOptions options_;
  const Handler handler_;
  std::vector<std::unique_ptr<ServerLocal>> locals_;  // each its reactor's; the first is the home's

  std::atomic<uint32_t> connected_{0};
  std::atomic<bool> is_stopping_{false};

  // The home's.
  size_t next_local_ = 0;
  std::vector<env::Address> addresses_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  std::unique_ptr<env::TaskScope> accepting_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
