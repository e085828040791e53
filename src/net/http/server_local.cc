#include "net/http/server_local.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "net/http/http1_connection.h"
#include "net/http/http2_connection.h"
#include "net/tls_stream.h"

namespace keelson::net::http {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr uint32_t kTickMs = 250;
// A piece that is written without copying: the client must take so much within the write time-out.
constexpr size_t kWriteThroughBytes = 256 << 10;
// A connection that has sent everything keeps no larger buffer than this.
constexpr size_t kKeptBytes = 16 << 10;

}  // namespace

ServerConnection::ServerConnection(ServerLocal& local) : local_(local), place_(local.connections_.size()) {
  local_.connections_.push_back(this);
  if (local_.connections_.size() == 1) {
    local_.refresh_date();
    local_.ticker_.arm_after(kTickMs * kNsPerMs);
  }
}

ServerConnection::~ServerConnection() {
  if (is_turn_end_wished_) std::erase(local_.turn_end_, this);
  local_.connections_[place_] = local_.connections_.back();
  local_.connections_[place_]->place_ = place_;
  local_.connections_.pop_back();
  if (local_.connections_.empty()) local_.ticker_.disarm();
}

void ServerConnection::wish_turn_end() {
  if (is_turn_end_wished_) return;
  is_turn_end_wished_ = true;
  if (local_.turn_end_.empty()) {
    local_.reactor_.at_turn_end([&local = local_] {
      for (size_t i = 0; i < local.turn_end_.size(); ++i) {
        local.turn_end_[i]->is_turn_end_wished_ = false;
        local.turn_end_[i]->at_turn_end();
      }
      local.turn_end_.clear();
    });
  }
  local_.turn_end_.push_back(this);
}

void Output::flush() {
  if (is_sending_ || out_.empty() || is_broken_) return;
  const env::IoOutcome sent = stream_.try_write(out_.view());
  if (!sent.ok()) {
    fail();
    return;
  }
  local_.counters.sent.add(sent.count);
  out_.consume(sent.count);
  if (out_.empty()) {
    out_.shrink_if_empty(kKeptBytes);
    return;
  }
  is_sending_ = true;
  if (tasks_ == nullptr) tasks_ = std::make_unique<env::TaskScope>(local_.reactor());
  tasks_->spawn(send_rest());
}

Task<void> Output::send_rest() {
  while (!out_.empty() && !is_broken_) {
    sending_.swap(out_);
    overdue_at_ = local_.after(local_.options().write_timeout_ms);
    const env::IoOutcome sent = co_await stream_.write(sending_.view());
    overdue_at_ = 0;
    local_.counters.sent.add(sent.count);
    sending_.clear();
    if (!sent.ok()) fail();
    wake();
  }
  sending_.shrink_if_empty(0);
  is_sending_ = false;
  wake();
}

// Somebody who waits until the stream has taken something.
struct Output::Waiting {
  explicit Waiting(Output& the_output)
      : output(the_output), timer(output.local_.reactor(), [this] { handle.resume(); }) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { std::erase(output.waiters_, this); }
  bool await_ready() const noexcept { return !output.is_sending_; }
  void await_suspend(std::coroutine_handle<> waiter) {
    handle = waiter;
    output.waiters_.push_back(this);
  }
  void await_resume() const noexcept {}

  Output& output;
  std::coroutine_handle<> handle;
  env::Timer timer;
};

void Output::wake() {
  // In a later turn: a waiter may end the connection, and with it the coroutine that stands here.
  for (Waiting* waiter : waiters_) waiter->timer.arm_after(0);
  waiters_.clear();
}

Task<bool> Output::drain(size_t bytes_max) {
  flush();
  while (is_sending_ && !is_broken_ && (buffered() > bytes_max || bytes_max == 0)) {
    Waiting waiting(*this);
    co_await waiting;
  }
  co_return !is_broken_;
}

Task<bool> Output::write_through(std::string_view bytes) {
  if (!co_await drain(0)) co_return false;
  is_sending_ = true;
  while (!bytes.empty() && !is_broken_) {
    const std::string_view part = bytes.substr(0, kWriteThroughBytes);
    overdue_at_ = local_.after(local_.options().write_timeout_ms);
    const env::IoOutcome sent = co_await stream_.write(part);
    overdue_at_ = 0;
    local_.counters.sent.add(sent.count);
    if (!sent.ok()) fail();
    bytes.remove_prefix(part.size());
  }
  is_sending_ = false;
  co_return !is_broken_;
}

void Output::fail() {
  is_broken_ = true;
  wake();
}

ServerLocal::ServerLocal(Server& server, env::Reactor& on)
    : server_(server),
      reactor_(on),
      ticker_(on, [this] { tick(); }),
      grace_(on,
             [this] {
               for (ServerConnection* connection : connections_) connection->kill();
             }),
      tasks_(on) {}

ServerLocal::~ServerLocal() = default;

Deadline ServerLocal::after(uint32_t timeout_ms) const { return tick_ + (timeout_ms + kTickMs - 1) / kTickMs + 1; }

void ServerLocal::tick() {
  ++tick_;
  refresh_date();
  // A connection that is overdue is closed, which ends it in a later turn.
  for (ServerConnection* connection : connections_) connection->check_deadlines(tick_);
  ticker_.arm_after(kTickMs * kNsPerMs);
}

void ServerLocal::refresh_date() { date_line_ = "Date: " + format_http_date(reactor_.clock().wall_ms()) + "\r\n"; }

void ServerLocal::serve(std::unique_ptr<env::Stream> stream, TlsContext* tls, bool is_tls) {
  tasks_.spawn(run(std::move(stream), tls, is_tls));
}

Task<void> ServerLocal::run(std::unique_ptr<env::Stream> stream, TlsContext* tls, bool is_tls) {
  constexpr std::array<std::string_view, 2> kProtocols = {"h2", "http/1.1"};
  if (tls != nullptr) stream = tls->wrap(std::move(stream), {}, kProtocols);
  is_tls = is_tls || tls != nullptr;
  const bool is_one_too_many = server_.connected_.fetch_add(1, std::memory_order_relaxed) >= options().connections_max;
  Buffer received;
  {
    Http1Connection connection(*this, std::move(stream), is_tls);
    if (is_one_too_many) {
      counters.refused.add();
      co_await connection.refuse({503, "too many connections"});
    } else {
      counters.accepted.add();
      if (co_await connection.run() == Http1Connection::End::kHttp2) {
        stream = connection.take_stream();
        received = connection.take_received();
      }
    }
  }
  if (stream != nullptr) {
    Http2Connection connection(*this, std::move(stream), is_tls, std::move(received));
    co_await connection.run();
  }
  server_.connected_.fetch_sub(1, std::memory_order_relaxed);
}

Task<void> ServerLocal::stop() {
  is_stopping_ = true;
  for (ServerConnection* connection : connections_) connection->end_when_idle();
  grace_.arm_after(options().stop_grace_ms * kNsPerMs);
  co_await tasks_.join();
  grace_.disarm();
}

}  // namespace keelson::net::http
