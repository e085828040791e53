// One reactor's part of the HTTP server: its connections, their time-outs, their flushes at the end of a turn.
//
// Time-outs cost a request nothing but a store: a connection keeps the tick at which it is overdue, and four times a
// second all connections are looked at. Everything here is the reactor's own, but for the counters, which any thread
// may read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/metrics.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/server.h"

namespace keelson::net::http {

// A tick at which something is overdue; 0: never.
using Deadline = uint32_t;

// A connection as its reactor's books see it; enters and leaves them by itself.
class ServerConnection {
 public:
  explicit ServerConnection(ServerLocal& local);
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;
  virtual ~ServerConnection();

  // The turn ends: what was gathered goes out. Does not end the connection before a later turn.
  virtual void at_turn_end() = 0;
  virtual void check_deadlines(uint32_t tick) = 0;
  // The server stops: ends it after what is under way, at once if that is nothing.
  virtual void end_when_idle() = 0;
  virtual void kill() = 0;

 protected:
  void wish_turn_end();
  ServerLocal& local_;

 private:
  friend class ServerLocal;
  size_t place_ = 0;  // in ServerLocal::connections_
  bool is_turn_end_wished_ = false;
};

// What a connection has to send: gathered in a buffer, handed to the stream at the end of the turn, the rest sent as
// the client takes it.
class Output {
 public:
  // More than this unsent, and whoever sends waits until half of it is gone.
  static constexpr size_t kPauseBytes = 64 << 10;

  Output(ServerLocal& local, env::Stream& stream) : local_(local), stream_(stream) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() = default;

  // Append here.
  [[nodiscard]] Buffer& buffer() { return out_; }
  [[nodiscard]] size_t buffered() const { return out_.size() + sending_.size(); }
  [[nodiscard]] bool is_full() const { return buffered() > kPauseBytes; }
  [[nodiscard]] bool is_sending() const { return is_sending_; }
  [[nodiscard]] bool is_broken() const { return is_broken_; }

  // Sends what the stream takes now; the rest follows by itself.
  void flush();
  // Waits until no more than this is unsent. False: the connection is broken.
  [[nodiscard]] Task<bool> drain(size_t bytes_max);
  // Sends these bytes behind what is gathered, without copying them.
  [[nodiscard]] Task<bool> write_through(std::string_view bytes);
  // Nothing more is sent; whoever waits goes on in a later turn.
  void fail();
  // True if the client has not taken a byte for too long.
  [[nodiscard]] bool is_overdue(uint32_t tick) const { return overdue_at_ != 0 && tick >= overdue_at_; }

 private:
  struct Waiting;
  Task<void> send_rest();
  void wake();

  ServerLocal& local_;
  env::Stream& stream_;
  Buffer out_;
  Buffer sending_;
  bool is_sending_ = false;
  bool is_broken_ = false;
  Deadline overdue_at_ = 0;
  std::vector<Waiting*> waiters_;
  std::unique_ptr<env::TaskScope> tasks_;  // last: its coroutine uses the rest
};

class ServerLocal {
 public:
  ServerLocal(Server& server, env::Reactor& on);
  ServerLocal(const ServerLocal&) = delete;
  ServerLocal& operator=(const ServerLocal&) = delete;
  ~ServerLocal();

  [[nodiscard]] env::Reactor& reactor() { return reactor_; }
  [[nodiscard]] const ServerOptions& options() const { return server_.options_; }
  [[nodiscard]] const Handler& handler() const { return server_.handler_; }
  [[nodiscard]] bool is_stopping() const { return is_stopping_; }
  // Runs the connection beside the others.
  void serve(std::unique_ptr<env::Stream> stream, TlsContext* tls, bool is_tls);
  // Ends connections, and the task when none is left.
  Task<void> stop();

  [[nodiscard]] Deadline after(uint32_t timeout_ms) const;
  // The same, where 0 stands for no time-out.
  [[nodiscard]] Deadline deadline_after(uint32_t timeout_ms) const { return timeout_ms == 0 ? 0 : after(timeout_ms); }
  // "Date: ...\r\n", of the last tick.
  [[nodiscard]] std::string_view date_line() const { return date_line_; }

  // Written on the reactor, read by any thread.
  struct Counters {
    Counter accepted, refused, requests, requests_http2, faults, timeouts, received, sent;
    Counter responses[5];
    Gauge active;
  };
  Counters counters;
  void count_response(uint16_t status) { counters.responses[status / 100 - 1].add(); }

 private:
  friend class ServerConnection;

  Task<void> run(std::unique_ptr<env::Stream> stream, TlsContext* tls, bool is_tls);
  void tick();
  void refresh_date();

  Server& server_;
  env::Reactor& reactor_;
  bool is_stopping_ = false;
  uint32_t tick_ = 1;
  std::string date_line_;
  std::vector<ServerConnection*> connections_;
  std::vector<ServerConnection*> turn_end_;
  env::Timer ticker_;
  env::Timer grace_;
  env::TaskScope tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
