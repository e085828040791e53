#include "net/http/http2_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <iterator>
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
// SETTINGS and PING acknowledgements that may wait for a client that does not read.
constexpr size_t kAcksMax = 100;
// Rounds of "send, go on with who has sent" in one turn.
constexpr int kRoundsPerTurn = 4;
// Exchanges that wait for the connection's next streams, with the memory they hold (a few KiB each at most).
constexpr size_t kSparesMax = 16;
constexpr uint32_t kLingerMs = 1000;
constexpr int kLingerReadsMax = 64;
constexpr size_t kFrameHeadBytes = 9;  // RFC 9113 §4.1
constexpr uint32_t kTicksPerSecond = 4;

std::string_view view_of(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

struct FreeCallbacks {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};
struct FreeOption {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

}  // namespace

// What the library calls while it is fed, or asked for frames. Nothing here runs a handler.
struct Http2Connection::Callbacks {
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Connection& self = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const int32_t id = frame->hd.stream_id;
    // Streams that the client has reset are over for the library, but their handlers may not be.
    if (self.exchanges_.size() >= self.local_.options().http2.streams_max || self.is_ending_) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
      return self.take_control() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    self.add_exchange(id);
    return 0;
  }

  static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t /*flags*/, void* user) {
    Http2Exchange* exchange = of(user).find(frame->hd.stream_id);
    if (exchange == nullptr) return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      exchange->take_field(view_of(name, name_size), view_of(value, value_size));
    } else {
      exchange->take_trailer(view_of(name, name_size), view_of(value, value_size));
    }
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Http2Connection& self = of(user);
    const bool has_ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !has_ended && !self.take_control()) {
          return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        Http2Exchange* exchange = self.find(frame->hd.stream_id);
        if (exchange == nullptr) return 0;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          exchange->head_fault = exchange->take_head(has_ended);
        }
        if (has_ended) exchange->take_end();
        self.wake_later(frame->hd.stream_id);
        return 0;
      }
      case NGHTTP2_RST_STREAM:
      case NGHTTP2_PRIORITY:
      case NGHTTP2_SETTINGS:
      case NGHTTP2_PING:
        return self.take_control() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
      default:
        return 0;
    }
  }

  static int on_invalid_frame(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, int /*error*/, void* user) {
    of(user).local_.counters.faults.add();
    return of(user).take_control() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int on_data(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t stream_id, const uint8_t* bytes,
                     size_t size, void* user) {
    Http2Connection& self = of(user);
    Http2Exchange* exchange = self.find(stream_id);
    if (exchange == nullptr) {
      nghttp2_session_consume(self.session_.get(), stream_id, size);
      return 0;
    }
    exchange->take_data(view_of(bytes, size));
    self.wake_later(stream_id);
    return 0;
  }

  static int on_stream_close(nghttp2_session* /*session*/, int32_t stream_id, uint32_t /*error*/, void* user) {
    Http2Connection& self = of(user);
    if (Http2Exchange* exchange = self.find(stream_id)) {
      exchange->take_close();
      self.wake_later(stream_id);
    }
    return 0;
  }

  static int on_frame_sent(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends) return 0;
    Http2Exchange* exchange = of(user).find(frame->hd.stream_id);
    if (exchange != nullptr && !exchange->has_request_ended()) exchange->start_draining();
    return 0;
  }

  static int send_data(nghttp2_session* /*session*/, nghttp2_frame* /*frame*/, const uint8_t* head, size_t size,
                       nghttp2_data_source* source, void* user) {
    Http2Connection& self = of(user);
    if (self.output_.is_full()) return NGHTTP2_ERR_WOULDBLOCK;
    self.output_.buffer().append(view_of(head, kFrameHeadBytes));
    static_cast<Http2Exchange*>(source->ptr)->move_out(size, self.output_.buffer());
    return 0;
  }
};

void Http2Connection::FreeSession::operator()(nghttp2_session* session) const { nghttp2_session_del(session); }

Http2Connection::Http2Connection(ServerLocal& local, std::unique_ptr<env::Stream> stream, bool is_tls, Buffer received)
    : ServerConnection(local),
      stream_(std::move(stream)),
      is_tls_(is_tls),
      output_(local, *stream_),
      in_(std::move(received)),
      control_tokens_(local.options().http2.control_burst),
      again_(local.reactor(), [this] { wish_turn_end(); }),
      tasks_(std::make_unique<env::TaskScope>(local.reactor())) {
  open_session();
}

Http2Connection::~Http2Connection() {
  tasks_.reset();  // handlers go before what they use
}

void Http2Connection::open_session() {
  nghttp2_session_callbacks* made_callbacks = nullptr;
  nghttp2_option* made_option = nullptr;
  KEELSON_CHECK(nghttp2_session_callbacks_new(&made_callbacks) == 0 && nghttp2_option_new(&made_option) == 0,
                "libnghttp2 fails only without memory");
  const std::unique_ptr<nghttp2_session_callbacks, FreeCallbacks> callbacks(made_callbacks);
  const std::unique_ptr<nghttp2_option, FreeOption> option(made_option);
  nghttp2_session_callbacks_set_on_begin_headers_callback(made_callbacks, Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(made_callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made_callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made_callbacks, Callbacks::on_invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made_callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(made_callbacks, Callbacks::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(made_callbacks, Callbacks::on_frame_sent);
  nghttp2_session_callbacks_set_send_data_callback(made_callbacks, Callbacks::send_data);
  nghttp2_option_set_no_auto_window_update(made_option, 1);
  nghttp2_option_set_no_closed_streams(made_option, 1);
  nghttp2_option_set_max_outbound_ack(made_option, kAcksMax);
  nghttp2_session* session = nullptr;
  KEELSON_CHECK(nghttp2_session_server_new2(&session, made_callbacks, this, made_option) == 0,
                "libnghttp2 fails only without memory");
  session_.reset(session);
  const Http2Limits& limits = local_.options().http2;
  const std::array<nghttp2_settings_entry, 4> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(local_.options().limits.head_bytes_max)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  KEELSON_CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0 &&
                    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                                          static_cast<int32_t>(limits.connection_window_bytes)) == 0,
                "limits of HTTP/2 that the library refuses");
}

Http2Exchange* Http2Connection::find(int32_t stream_id) {
  if (last_found_ != nullptr && last_found_->stream_id() == stream_id) return last_found_;
  for (const auto& exchange : exchanges_) {
    if (exchange->stream_id() == stream_id) return last_found_ = exchange.get();
  }
  return nullptr;
}

void Http2Connection::add_exchange(int32_t stream_id) {
  if (spare_.empty()) {
    exchanges_.push_back(std::make_unique<Http2Exchange>(*this));
  } else {
    exchanges_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  last_found_ = exchanges_.back().get();
  last_found_->start(stream_id);
}

void Http2Connection::wake_later(int32_t stream_id) {
  if (ready_.empty() || ready_.back() != stream_id) ready_.push_back(stream_id);
  wish_turn_end();
}

bool Http2Connection::take_control() {
  const Http2Limits& limits = local_.options().http2;
  const uint32_t tick = local_.after(0);
  if (control_tick_ != 0) {
    const double refill = static_cast<double>(tick - control_tick_) * limits.control_per_s / kTicksPerSecond;
    control_tokens_ = std::min<double>(limits.control_burst, control_tokens_ + refill);
  }
  control_tick_ = tick;
  if (control_tokens_ < 1) {
    if (!is_flooded_) {
      log_warn("http", "a client floods its HTTP/2 connection", {{"address", stream_->remote().text()}});
    }
    is_flooded_ = true;
    return false;
  }
  control_tokens_ -= 1;
  return true;
}

// --- the connection's life -------------------------------------------------------------------------------------------

Task<void> Http2Connection::run() {
  bool goes_on = feed(in_.view());
  in_.clear();
  while (goes_on && !is_dead_) {
    in_.shrink_if_empty(kIdleBufferBytes);
    char* to = in_.reserve(kReadBytes);
    const env::IoOutcome got = co_await stream_->read({to, kReadBytes});
    if (!got.ok()) {
      kill();
      break;
    }
    local_.counters.received.add(got.count);
    goes_on = feed({to, got.count});
  }
  co_await linger();
  // Handlers see that their client is gone; what they do meanwhile is theirs.
  for (const auto& exchange : exchanges_) {
    exchange->take_close();
    ready_.push_back(exchange->stream_id());
  }
  run_ready();
  co_await tasks_->join();
}

// False: the connection ends.
bool Http2Connection::feed(std::string_view bytes) {
  const ssize_t taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) {
    local_.counters.faults.add();
    end_connection(is_flooded_ || taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    return false;
  }
  run_ready();
  update_idle();
  wish_turn_end();
  return nghttp2_session_want_read(session_.get()) != 0 || nghttp2_session_want_write(session_.get()) != 0;
}

void Http2Connection::run_ready() {
  for (size_t i = 0; i < ready_.size(); ++i) {
    const int32_t id = ready_[i];
    while (Http2Exchange* exchange = find(id)) {
      if (!exchange->is_started && !exchange->is_stream_closed()) {
        exchange->is_started = true;
        tasks_->spawn(run_handler(*exchange));
        continue;
      }
      const std::coroutine_handle<> waiter = exchange->next_waiter();
      if (!waiter) break;
      waiter.resume();
    }
    drop_if_over(id);
  }
  ready_.clear();
}

Task<void> Http2Connection::run_handler(Http2Exchange& exchange) {
  const int32_t id = exchange.stream_id();
  const Fault head_fault = exchange.head_fault;
  local_.counters.requests.add();
  local_.counters.requests_http2.add();
  if (head_fault) {
    local_.counters.faults.add();
    co_await answer_fault(exchange, head_fault);
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
      nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    }
  }
  exchange.is_handler_done = true;
  if (exchange.unread() != 0) nghttp2_session_consume(session_.get(), id, exchange.unread());
  wake_later(id);
}

Task<void> Http2Connection::answer_fault(Http2Exchange& exchange, Fault fault) {
  const std::string text = std::string(fault.why) + "\n";
  (void)co_await exchange.respond(fault.status, "text/plain; charset=utf-8", text);
}

void Http2Connection::drop_if_over(int32_t stream_id) {
  Http2Exchange* exchange = find(stream_id);
  if (exchange == nullptr || !exchange->is_stream_closed()) return;
  if (exchange->is_started && !exchange->is_handler_done) return;
  const auto place =
      std::find_if(exchanges_.begin(), exchanges_.end(), [&](const auto& other) { return other.get() == exchange; });
  std::swap(*place, exchanges_.back());
  if (spare_.size() < kSparesMax) spare_.push_back(std::move(exchanges_.back()));
  exchanges_.pop_back();
  last_found_ = nullptr;
  update_idle();
}

void Http2Connection::update_idle() {
  if (!exchanges_.empty()) {
    overdue_at_ = 0;
  } else if (overdue_at_ == 0) {
    overdue_at_ = local_.after(local_.options().idle_timeout_ms);
  }
}

// What the library has to send goes into the output, as long as that has room, and on to the client.
void Http2Connection::pump() {
  if (is_dead_ || is_pumping_) return;
  is_pumping_ = true;
  while (!output_.is_full()) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size <= 0) {
      if (size < 0) kill();
      break;
    }
    output_.buffer().append(view_of(bytes, static_cast<size_t>(size)));
  }
  is_pumping_ = false;
  output_.flush();
  if (output_.is_broken()) kill();
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

void Http2Connection::end_connection(uint32_t error_code) {
  is_ending_ = true;
  nghttp2_session_terminate_session(session_.get(), error_code);
  wish_turn_end();
}

void Http2Connection::end_when_idle() {
  if (!is_ending_) {
    is_ending_ = true;
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  }
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
  for (const auto& exchange : exchanges_) {
    if (!exchange->is_overdue(tick)) continue;
    const int32_t id = exchange->stream_id();
    if (!exchange->is_draining()) local_.counters.timeouts.add();
    exchange->time_out();
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id,
                              exchange->is_draining() ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    wake_later(id);
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
