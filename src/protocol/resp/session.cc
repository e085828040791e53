#include "protocol/resp/session.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "protocol/resp/blocking.h"
#include "protocol/resp/monitor_feed.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session_batch.h"

namespace keelson::resp {

namespace {
// A connection reads this much at first, and as much as its traffic asks for up to the second.
constexpr size_t kReadBytesMin = 1024;
constexpr size_t kReadBytesMax = 64 * 1024;
// What a large argument may make a read allocate ahead of its bytes.
constexpr size_t kReadAheadBytesMax = size_t{1} << 20;
// Bytes of commands that have not come whole, of one client: Redis's client-query-buffer-limit. Past it the connection
// ends.
constexpr size_t kInputBytesMax = size_t{1} << 30;
// Idle connections keep no larger buffers than this.
constexpr size_t kIdleBufferBytes = 2 * kReadBytesMin;
}  // namespace

Session::Session(KvService& service, Local& local, std::unique_ptr<env::Stream> stream, bool is_tls)
    : service_(service),
      local_(local),
      stream_(std::move(stream)),
      read_bytes_(kReadBytesMin),
      writer_(output_),
      tasks_(local.reactor) {
  client_.id = service.next_client_id();
  client_.is_tls = is_tls;
  client_.is_authenticated = local.config.password.empty();
  client_.connected_ns = client_.last_command_ns = reactor().clock().monotonic_ns();
  local_.sessions.emplace(client_.id, this);
}

Session::~Session() {
  if (is_flush_due_) std::erase(local_.flush_due, this);
  std::erase(local_.row, this);
  std::replace(local_.running_row.begin(), local_.running_row.end(), this, static_cast<Session*>(nullptr));
  local_.sessions.erase(client_.id);
}

Task<void> Session::run() {
  while (!is_killed_) {
    const Next next = run_input();
    if (next == Next::kBatch) {
      co_await end_batch();
    } else if (next == Next::kAlone) {
      co_await run_alone();
    } else if (next == Next::kGroup) {
      co_await run_group();
    } else if (next == Next::kPause) {
      co_await wait_for_pause();
    } else if (next == Next::kDrain) {
      flush();
      co_await wait_drained(kOutputPauseBytes / 2);
    } else if (next == Next::kEnd) {
      co_await send_last();
      break;
    } else {
      flush_at_turn_end();
      if (!co_await fill_input()) break;
      co_await Row{*this};
    }
  }
  kill();
  if (batch_ != nullptr) co_await end_batch();
  leave_monitor(*this);
  co_await service_.pubsub().forget(*this);
  reset_transaction();
}

Task<bool> Session::fill_input() {
  input_.consume(parser_.release());
  if (input_.empty()) {
    input_.shrink_if_empty(kIdleBufferBytes);
    output_.shrink_if_empty(kIdleBufferBytes);
  }
  if (!ahead_.empty()) {
    input_.append(ahead_.view());
    ahead_ = Buffer();
    co_return true;
  }
  if (input_.size() > kInputBytesMax) {
    log_warn("kv", "client closed: its command is too large (client-query-buffer-limit)",
             {{"client", client_.id}, {"address", remote().text()}, {"bytes", input_.size()}});
    co_return false;
  }
  const size_t missing = parser_.missing_bytes(input_.size());
  const size_t wanted = std::max(read_bytes_, std::min(missing, kReadAheadBytesMax));
  char* into = input_.reserve(wanted);
  is_reading_ = true;
  const env::IoOutcome got = co_await stream_->read({into, input_.room()});
  is_reading_ = false;
  if (got.error == env::NetErrc::kEof && !is_killed_) {
    // The client sends no more, but may still want its answers (printf 'PING\r\n' | nc).
    co_await send_last();
    co_return false;
  }
  if (!got.ok() || is_killed_) co_return false;
  input_.commit(got.count);
  local_.counters.input_bytes += got.count;
  if (got.count >= read_bytes_) {
    read_bytes_ = std::min(read_bytes_ * 2, kReadBytesMax);
  } else if (got.count < read_bytes_ / 4) {
    read_bytes_ = std::max(read_bytes_ / 2, kReadBytesMin);
  }
  co_return true;
}

void Session::flush() {
  if (is_sending_ || output_.empty() || is_killed_) return;
  const env::IoOutcome sent = stream_->try_write(output_.view());
  if (!sent.ok()) {
    kill();
    return;
  }
  local_.counters.output_bytes += sent.count;
  output_.consume(sent.count);
  if (output_.empty()) return;
  is_sending_ = true;
  tasks_.spawn(send_rest());
}

Task<void> Session::send_rest() {
  while (!output_.empty() && !is_killed_) {
    sending_.swap(output_);
    const env::IoOutcome sent = co_await stream_->write(sending_.view());
    local_.counters.output_bytes += sent.count;
    sending_.clear();
    if (!sent.ok()) kill();
    wake_drained();
  }
  sending_ = Buffer();
  is_sending_ = false;
  wake_drained();
}

void Session::wake_drained() {
  if (!drained_waiter_) return;
  // In a later turn: the waiter may end the session, and with it the coroutine that stands here.
  reactor().post([waiter = std::exchange(drained_waiter_, {})] { waiter.resume(); });
}

Task<void> Session::wait_drained(size_t bytes_max) {
  struct Drained {
    Session& session;
    bool await_ready() const noexcept { return !session.is_sending_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { session.drained_waiter_ = waiter; }
    void await_resume() const noexcept {}
  };
  while (is_sending_ && !is_killed_ && output_buffered_bytes() > bytes_max) co_await Drained{*this};
}

Task<void> Session::send_last() {
  flush();
  co_await wait_drained(0);
}

void Session::push(std::string_view encoded) {
  if (is_killed_) return;
  if (is_in_handler_ && blocked_ == nullptr) {
    pushes_.append(encoded);
  } else {
    output_.append(encoded);
  }
  if (is_over_output_limit()) {
    ++local_.counters.output_limit_disconnections;
    log_warn("kv", "client closed: it does not read what it is sent (client-output-buffer-limit)",
             {{"client", client_.id}, {"address", remote().text()}, {"bytes", output_buffered_bytes()}});
    kill();
    return;
  }
  flush_at_turn_end();
}

void Session::flush_at_turn_end() {
  if (is_flush_due_) return;
  is_flush_due_ = true;
  if (local_.flush_due.empty()) {
    reactor().at_turn_end([&local = local_] {
      // A flush may end a connection, but in a later turn.
      for (Session* session : local.flush_due) {
        session->is_flush_due_ = false;
        session->flush();
      }
      local.flush_due.clear();
    });
  }
  local_.flush_due.push_back(this);
}

bool Session::is_for_row() {
  if (is_killed_ || is_closing_ || ahead_next_ != ahead_end_) return false;
  has_looked_ahead_ = true;
  return look_ahead() && ahead_end_ == 1 && prefetch_first();
}

void Session::Row::await_suspend(std::coroutine_handle<> waiter) {
  session.row_waiter_ = waiter;
  Local& local = session.local_;
  if (local.row.empty()) local.reactor.at_turn_end([&local] { run_row(local); });
  local.row.push_back(&session);
}

void Session::run_row(Local& local) {
  local.running_row.swap(local.row);
  for (Session* session : local.running_row) {
    if (session != nullptr) session->prefetch_first_entry();
  }
  local.row_ns = local.reactor.clock().monotonic_ns();
  local.row_clock_ns = 0;
  // A session may end here, and end others.
  for (size_t i = 0; i < local.running_row.size(); ++i) {
    if (Session* session = std::exchange(local.running_row[i], nullptr)) {
      std::exchange(session->row_waiter_, {}).resume();
    }
  }
  local.running_row.clear();
  local.row_ns = 0;
}

void Session::end_when_idle() {
  is_closing_ = true;
  if (is_reading_ || blocked_ != nullptr) kill();
}

bool Session::is_over_output_limit() {
  const OutputLimit& limit = config().output_limits[client_class()];
  const size_t bytes = output_buffered_bytes() + pushes_.size();
  if (limit.hard_bytes != 0 && bytes > limit.hard_bytes) return true;
  if (limit.soft_bytes == 0 || bytes <= limit.soft_bytes) {
    over_soft_limit_since_ns_ = 0;
    return false;
  }
  const int64_t now_ns = reactor().clock().monotonic_ns();
  if (over_soft_limit_since_ns_ == 0) over_soft_limit_since_ns_ = now_ns;
  return now_ns - over_soft_limit_since_ns_ > int64_t{limit.soft_seconds} * 1'000'000'000;
}

void Session::check_limits(int64_t now_ns) {
  if (is_killed_) return;
  if (is_over_output_limit()) {
    ++local_.counters.output_limit_disconnections;
    kill();
    return;
  }
  const bool may_time_out =
      config().timeout_s != 0 && !client_.is_monitor && blocked_ == nullptr && subscriptions_.count() == 0;
  if (may_time_out && now_ns - client_.last_command_ns > int64_t{config().timeout_s} * 1'000'000'000) kill();
}

void Session::kill() {
  if (is_killed_) return;
  is_killed_ = true;
  stream_->close();
  if (blocked_ != nullptr) blocked_->cancel(BlockedWait::Wake::kGone);
  wake_drained();
}

bool Session::unblock(bool as_error) {
  if (blocked_ == nullptr) return false;
  blocked_->cancel(as_error ? BlockedWait::Wake::kUnblocked : BlockedWait::Wake::kTimedOut);
  return true;
}

Task<void> Session::read_ahead() {
  while (!is_killed_ && ahead_.size() < kReadBytesMax) {
    char* into = ahead_.reserve(kReadBytesMin);
    const env::IoOutcome got = co_await stream_->read({into, ahead_.room()});
    if (!got.ok()) {
      kill();
      co_return;
    }
    ahead_.commit(got.count);
    local_.counters.input_bytes += got.count;
  }
}

}  // namespace keelson::resp
