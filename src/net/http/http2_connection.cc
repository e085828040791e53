#include "net/http/http2_connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "net/http/http2_exchange.h"

namespace keelson::net::http {

namespace {

constexpr size_t kReadBytes = 16 << 10;
// A connection that was quiet keeps no larger buffer than this.
constexpr size_t kIdleBufferBytes = 4 << 10;
// Content is framed up to Output::kPauseBytes; what is unsent beyond that are header blocks and control frames, which
// every frame of the client may ask for: with so much of them, it has to take some before more is read.
constexpr size_t kStopReadingBytes = 4 * Output::kPauseBytes;
// Rounds of "send, go on with who has sent" in one turn.
constexpr int kRoundsPerTurn = 4;
// Exchanges that wait for the connection's next streams, with the memory they hold (a few KiB each at most).
constexpr size_t kSparesMax = 16;
// Turns of streams that are over stay in their list until there are so many.
constexpr size_t kSendersDoneMax = 256;
constexpr uint32_t kLingerMs = 1000;
constexpr int kLingerReadsMax = 64;

}  // namespace

Http2Connection::Http2Connection(ServerLocal& local, std::unique_ptr<env::Stream> stream, bool is_tls, Buffer received)
    : ServerConnection(local),
      stream_(std::move(stream)),
      is_tls_(is_tls),
      output_(local, *stream_),
      in_(std::move(received)),
      control_tokens_(local.options().http2.control_burst),
      gone_(local.reactor(), [this] { std::exchange(gone_waiter_, {}).resume(); }),
      again_(local.reactor(), [this] { wish_turn_end(); }),
      tasks_(std::make_unique<env::TaskScope>(local.reactor())) {
  send_preface();
}

Http2Connection::~Http2Connection() {
  tasks_.reset();
  exchanges_.clear();  // handlers go before what they use
}

// RFC 9113 §3.4: SETTINGS first. The connection's window can only be told by WINDOW_UPDATE (§6.9.2).
void Http2Connection::send_preface() {
  const Http2Limits& limits = local_.options().http2;
  constexpr size_t kSettings = 4;
  Buffer& out = output_.buffer();
  append_frame_head(out, kSettings * kSettingBytes, FrameType::kSettings, 0, 0);
  append_setting(out, SettingId::kMaxConcurrentStreams, limits.streams_max);
  append_setting(out, SettingId::kInitialWindowSize, limits.stream_window_bytes);
  append_setting(out, SettingId::kMaxHeaderListSize, static_cast<uint32_t>(local_.options().limits.head_bytes_max));
  append_setting(out, SettingId::kNoRfc7540Priorities, 1);
  if (limits.connection_window_bytes > receive_window_) {
    const int64_t grows = limits.connection_window_bytes - receive_window_;
    append_window_update(out, 0, static_cast<uint32_t>(grows));
    receive_window_ += grows;
  }
  wish_turn_end();
}

Http2Exchange* Http2Connection::find(uint32_t stream) {
  if (last_found_ != nullptr && last_found_->stream_id() == stream) return last_found_;
  const auto found = std::find(streams_.begin(), streams_.end(), stream);
  if (found == streams_.end()) return nullptr;
  return last_found_ = exchanges_[static_cast<size_t>(found - streams_.begin())].get();
}

Http2Exchange& Http2Connection::add_exchange(uint32_t stream) {
  if (spare_.empty()) {
    exchanges_.push_back(std::make_unique<Http2Exchange>(*this));
  } else {
    exchanges_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  last_found_ = exchanges_.back().get();
  streams_.push_back(stream);
  last_found_->begin_stream(stream, exchanges_.size() - 1);
  last_found_->receive_window = first_receive_window_;
  last_found_->send_window = first_send_window_;
  overdue_at_ = 0;
  return *last_found_;
}

void Http2Connection::wake_later(uint32_t stream) {
  if (ready_.empty() || ready_.back() != stream) ready_.push_back(stream);
  wish_turn_end();
}

// --- the connection's life -------------------------------------------------------------------------------------------

// Suspends until no exchange is left.
struct Http2Connection::AllGone {
  Http2Connection& connection;
  bool await_ready() const noexcept { return connection.exchanges_.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) const noexcept { connection.gone_waiter_ = waiter; }
  void await_resume() const noexcept {}
};

Task<void> Http2Connection::run() {
  update_idle();
  bool goes_on = feed();
  while (goes_on && !is_dead_) {
    if (output_.buffered() > kStopReadingBytes && !co_await output_.drain(Output::kPauseBytes)) break;
    in_.shrink_if_empty(kIdleBufferBytes);
    char* to = in_.reserve(kReadBytes);
    const env::IoOutcome got = co_await stream_->read({to, kReadBytes});
    if (!got.ok()) {
      kill();
      break;
    }
    local_.counters.received.add(got.count);
    in_.commit(got.count);
    watch_for_ping();
    goes_on = feed();
  }
  co_await linger();
  // Handlers see that their client is gone; what they do meanwhile is theirs.
  for (const auto& exchange : exchanges_) {
    exchange->take_close();
    ready_.push_back(exchange->stream_id());
  }
  run_ready();
  co_await AllGone{*this};
  co_await tasks_->join();
}

void Http2Connection::run_ready() {
  for (size_t i = 0; i < ready_.size(); ++i) {
    const uint32_t stream = ready_[i];
    if (Http2Exchange* exchange = find(stream)) exchange->tell_gone();
    while (Http2Exchange* exchange = find(stream)) {
      const std::coroutine_handle<> waiter = exchange->next_waiter();
      if (!waiter) break;
      waiter.resume();
    }
    if (Http2Exchange* exchange = find(stream)) drop_if_over(*exchange);
  }
  ready_.clear();
}

void Http2Connection::start(Http2Exchange& exchange) {
  exchange.is_started = exchange.is_starting = true;
  exchange.run(run_handler(exchange));
  exchange.is_starting = false;
  drop_if_over(exchange);
}

Http2Run Http2Connection::run_handler(Http2Exchange& exchange) {
  local_.counters.requests.add();
  local_.counters.requests_http2.add();
  if (exchange.head_fault) {
    local_.counters.faults.add();
    co_await answer_fault(exchange, exchange.head_fault);
  } else {
    local_.counters.active.add(1);
    co_await local_.handler()(exchange);
    local_.counters.active.add(-1);
    if (!exchange.is_answered() && !exchange.is_stream_closed()) {
      Fault fault = exchange.body_fault();
      if (!fault) {
        log_error("http", "a handler has not answered",
                  {{"method", exchange.request().method()}, {"path", exchange.request().raw_path()}});
        fault = {500, "the server has failed to answer"};
      }
      co_await answer_fault(exchange, fault);
    }
    if (!exchange.has_ended_answer() && !exchange.is_stream_closed()) {  // it broke its answer off
      reset_stream(exchange, Http2Error::kInternal);
    }
  }
  exchange.is_handler_done = true;
  exchange.drop_unread();
  if (!exchange.is_starting) wake_later(exchange.stream_id());
}

Task<void> Http2Connection::answer_fault(Http2Exchange& exchange, Fault fault) {
  const std::string text = std::string(fault.why) + "\n";
  (void)co_await exchange.respond(fault.status, "text/plain; charset=utf-8", text);
}

void Http2Connection::drop_if_over(Http2Exchange& exchange) {
  if (!exchange.is_stream_closed() || (exchange.is_started && !exchange.is_handler_done)) return;
  remember_closed(exchange.stream_id(), exchange.was_reset_here());
  if (exchange.is_queued) {
    senders_.erase(std::find(senders_.begin() + static_cast<ptrdiff_t>(senders_from_), senders_.end(), &exchange));
  }
  exchange.end_stream();
  const size_t place = exchange.place();
  std::swap(exchanges_[place], exchanges_.back());
  streams_[place] = streams_.back();
  streams_.pop_back();
  exchanges_[place]->set_place(place);
  if (spare_.size() < kSparesMax) spare_.push_back(std::move(exchanges_.back()));
  exchanges_.pop_back();
  last_found_ = nullptr;
  update_idle();
  if (exchanges_.empty() && gone_waiter_) gone_.arm_after(0);
}

void Http2Connection::remember_closed(uint32_t stream, bool was_reset_here) {
  closed_[closed_count_++ % kClosedRemembered] = {stream, was_reset_here};
}

void Http2Connection::update_idle() {
  if (!exchanges_.empty()) {
    overdue_at_ = 0;
  } else if (overdue_at_ == 0) {
    overdue_at_ = local_.deadline_after(local_.options().idle_timeout_ms);
  }
}

// Something has come.
void Http2Connection::watch_for_ping() {
  is_pinged_ = false;
  ping_at_ = local_.deadline_after(local_.options().http2.ping_after_ms);
}

void Http2Connection::send_ping() {
  if (is_pinged_) {
    local_.counters.timeouts.add();
    kill();
    return;
  }
  constexpr std::string_view kOpaque = "keelson!";  // 8 bytes (§6.7)
  append_frame_head(output_.buffer(), kOpaque.size(), FrameType::kPing, 0, 0);
  output_.buffer().append(kOpaque);
  is_pinged_ = true;
  ping_at_ = local_.after(local_.options().http2.ping_timeout_ms);
  wish_turn_end();
}

// --- what goes -------------------------------------------------------------------------------------------------------

void Http2Connection::acknowledge(size_t bytes) {
  acknowledged_ += bytes;
  const size_t window = std::max<size_t>(local_.options().http2.connection_window_bytes, kFirstWindowBytes);
  if (acknowledged_ < window / 2) return;
  append_window_update(output_.buffer(), 0, static_cast<uint32_t>(acknowledged_));
  receive_window_ += static_cast<int64_t>(acknowledged_);
  acknowledged_ = 0;
  wish_turn_end();
}

void Http2Connection::reset_stream(Http2Exchange& exchange, Http2Error error) {
  if (exchange.is_stream_closed()) return;
  append_rst_stream(output_.buffer(), exchange.stream_id(), error);
  exchange.take_reset_here();
  wake_later(exchange.stream_id());
}

// At once, if nobody waits for its turn; an end that carries nothing need not wait for a window.
void Http2Connection::want_send(Http2Exchange& exchange) {
  wish_turn_end();
  if (exchange.is_queued) return;
  if (senders_from_ == senders_.size() || !exchange.has_content()) {
    while (!output_.is_full() || !exchange.has_content()) {
      const Http2Exchange::Sent sent = exchange.send_frame();
      if (sent == Http2Exchange::Sent::kNothingMore) return;
      if (sent == Http2Exchange::Sent::kWindowIsShut) break;
    }
  }
  queue(exchange);
}

void Http2Connection::queue(Http2Exchange& exchange) {
  if (exchange.is_queued) return;
  exchange.is_queued = true;
  senders_.push_back(&exchange);
  wish_turn_end();
}

// A frame of each in turn.
bool Http2Connection::send_content() {
  while (senders_from_ != senders_.size()) {
    if (output_.is_full()) return true;
    Http2Exchange* const exchange = senders_[senders_from_];
    const Http2Exchange::Sent sent = exchange->send_frame();
    if (sent == Http2Exchange::Sent::kWindowIsShut) return false;  // for the others as well
    if (++senders_from_ == senders_.size() || senders_from_ == kSendersDoneMax) {
      senders_.erase(senders_.begin(), senders_.begin() + static_cast<ptrdiff_t>(senders_from_));
      senders_from_ = 0;
    }
    if (sent == Http2Exchange::Sent::kMore) {
      senders_.push_back(exchange);
    } else {
      exchange->is_queued = false;
    }
  }
  return false;
}

void Http2Connection::pump() {
  if (is_dead_) return;
  bool has_more = true;
  for (int round = 0; has_more && !output_.is_full() && round < kRoundsPerTurn; ++round) {
    has_more = send_content();
    output_.flush();
  }
  if (output_.is_broken()) kill();
  if (has_more && !output_.is_full() && !is_dead_) again_.arm_after(0);  // the stream takes all; others have their turn
  if (output_.is_full() && !is_pumping_later_ && !is_dead_) {
    is_pumping_later_ = true;
    tasks_->spawn(pump_when_drained());
  }
}

Task<void> Http2Connection::pump_when_drained() {
  (void)co_await output_.drain(Output::kPauseBytes / 2);
  is_pumping_later_ = false;
  wish_turn_end();
}

void Http2Connection::at_turn_end() {
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    run_ready();
    pump();
    if (ready_.empty()) break;
  }
  if (!ready_.empty()) again_.arm_after(0);
  if (is_ending_ && exchanges_.empty() && !is_pumping_later_ && !output_.is_sending() && !is_shut_down_ && !is_dead_) {
    is_shut_down_ = true;
    stream_->shutdown_write();  // the client closes, or the time is up
    overdue_at_ = local_.after(kLingerMs);
  }
}

void Http2Connection::end_connection(Http2Error error) {
  is_ending_ = true;
  append_goaway(output_.buffer(), last_stream_, error);
  wish_turn_end();
}

void Http2Connection::end_when_idle() {
  if (!is_ending_) end_connection(Http2Error::kNone);
  wish_turn_end();
}

void Http2Connection::kill() {
  if (is_dead_) return;
  is_dead_ = true;
  stream_->close();
  output_.fail();
}

void Http2Connection::check_deadlines(uint32_t tick) {
  if (is_dead_) return;
  if (local_.is_stopping()) end_when_idle();
  if ((overdue_at_ != 0 && tick >= overdue_at_) || output_.is_overdue(tick)) {
    if (!is_shut_down_) local_.counters.timeouts.add();
    kill();
    return;
  }
  if (ping_at_ != 0 && tick >= ping_at_ && !exchanges_.empty()) send_ping();
  for (const auto& exchange : exchanges_) {
    if (!exchange->is_overdue(tick)) continue;
    if (!exchange->is_draining()) local_.counters.timeouts.add();
    exchange->time_out();
    reset_stream(*exchange, exchange->is_draining() ? Http2Error::kNone : Http2Error::kCancel);
  }
}

// The last frames go out; what the client still sends is read over, so that they are not lost to a reset.
Task<void> Http2Connection::linger() {
  if (is_dead_) co_return;
  pump();
  if (!output_.is_sending()) stream_->shutdown_write();
  is_shut_down_ = true;
  const Deadline end = local_.after(kLingerMs);
  for (int i = 0; i < kLingerReadsMax && !is_dead_; ++i) {
    in_.clear();
    char* to = in_.reserve(kReadBytes);
    overdue_at_ = end;
    const env::IoOutcome got = co_await stream_->read({to, kReadBytes});
    if (!got.ok()) break;
  }
  kill();
}

}  // namespace keelson::net::http
