// One stream of an HTTP/2 connection as an Exchange. For http2_connection.cc and http2_receive.cc alone.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/buffer.h"
#include "base/check.h"
#include "net/http/exchange.h"
#include "net/http/http2_connection.h"
#include "net/http/parser.h"

namespace keelson::net::http {

// What runs an exchange's handler; its frame lies in the exchange's memory, for one stream after the other.
class Http2Run {
 public:
  struct promise_type {
    static void* operator new(size_t bytes, Http2Connection& /*connection*/, Http2Exchange& exchange);
    // tidy: naked delete, because the exchange owns the memory.
    static void operator delete(void* /*memory*/, size_t /*bytes*/) {}
    Http2Run get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { KEELSON_CHECK(false, "an exception leaves a handler"); }
  };
  std::coroutine_handle<promise_type> handle;
};

class Http2Exchange final : public Exchange {
 public:
  // Content that send() copies aside instead of waiting until it is framed.
  static constexpr size_t kBufferBytes = 32 << 10;

  explicit Http2Exchange(Http2Connection& connection) : connection_(connection) {}
  ~Http2Exchange() override { end_stream(); }
  // For another stream: what it was is forgotten, but for the memory that it holds. `place` is the connection's.
  void begin_stream(uint32_t stream, size_t place);
  // The handler is done or never to run, or the connection goes: its coroutine is destroyed.
  void end_stream();
  void run(Http2Run run) {
    run_ = run.handle;
    run_.resume();
  }
  [[nodiscard]] void* run_memory(size_t bytes);

  // --- what the connection tells
  void take_field(std::string_view name, std::string_view value, bool is_known_good);
  void take_trailer(std::string_view name, std::string_view value);
  // The fields are complete; the fault to answer with, if there is one.
  Fault take_head(bool has_ended);
  // So much of a DATA frame has come. False if the stream's window is smaller.
  [[nodiscard]] bool take_window(size_t bytes);
  void take_data(std::string_view bytes);
  void take_end();
  void take_close() { is_gone_ = true; }
  // Whoever waits for the client to go hears of it.
  void tell_gone();
  void take_reset_here() { is_gone_ = was_reset_here_ = true; }
  // The request is none that HTTP knows (RFC 9113 §8.1.1): its stream is to be reset.
  [[nodiscard]] bool is_malformed() const { return is_malformed_; }
  // Bytes that came were handed out, or dropped: the client may send so many more.
  void acknowledge(size_t bytes);
  // The client takes so much more, or less. False if that is more than there may be.
  [[nodiscard]] bool open_send_window(int64_t bytes);

  // The next frame of content, or of the trailers, goes into the connection's output.
  enum class Sent : uint8_t {
    kMore,          // there is more, and room
    kNothingMore,   // until the handler, or the client's window of this stream, says otherwise
    kWindowIsShut,  // the connection's
  };
  Sent send_frame();
  // Not framed.
  [[nodiscard]] bool has_content() const { return unframed() != 0; }
  [[nodiscard]] bool is_draining() const { return is_draining_; }

  // A handler's coroutine that has what it waits for; null if there is none. To be resumed, which may end the exchange.
  [[nodiscard]] std::coroutine_handle<> next_waiter();
  // What came of the body and nobody will read.
  void drop_unread();
  // True if something was overdue; the stream is to be reset then.
  bool is_overdue(uint32_t tick) const;
  void time_out();
  [[nodiscard]] bool is_answered() const { return answer_ != Answer::kNone; }
  [[nodiscard]] bool has_ended_answer() const { return answer_ == Answer::kEnded; }
  [[nodiscard]] const Fault& body_fault() const { return body_fault_; }

  [[nodiscard]] uint32_t stream_id() const { return stream_id_; }
  [[nodiscard]] size_t place() const { return place_; }
  void set_place(size_t place) { place_ = place; }
  // By either side, or with both sides' ends.
  [[nodiscard]] bool is_stream_closed() const { return is_gone_ || (has_request_ended_ && has_sent_end_); }
  [[nodiscard]] bool has_request_ended() const { return has_request_ended_; }
  [[nodiscard]] bool was_reset_here() const { return was_reset_here_; }

  // The connection's.
  Fault head_fault;          // answered instead of a handler's answer
  bool is_started = false;   // its handler
  bool is_starting = false;  // it runs for the first time
  bool is_handler_done = false;
  bool is_queued = false;  // in the connection's senders_
  int64_t receive_window = 0;
  int64_t send_window = 0;

  // Exchange.
  const Request& request() const override { return request_; }
  env::Reactor& reactor() override;
  TlsDetails tls_details() const override;
  std::optional<uint64_t> body_length() const override;
  bool has_body() const override { return has_body_; }
  Task<Result<std::string_view>> read_body() override;
  void stop_reading() override;
  void set_body_timeout(uint32_t timeout_ms) override { body_timeout_ms_ = timeout_ms; }
  const Fields& trailers() const override;
  Task<bool> respond(uint16_t status, std::string_view content_type, std::string_view content) override;
  Task<bool> begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) override;
  Task<bool> send(std::string_view piece) override;
  Task<bool> end() override;
  void flush() override;

 private:
  enum class Answer : uint8_t { kNone, kBegun, kEnded };
  struct Waiting;

  void take_pseudo_field(std::string_view name, std::string_view value);
  void take_framing_field(std::string_view name, std::string_view value);
  [[nodiscard]] bool is_head_whole() const;
  void check_length(bool is_all);
  // The answer is out, the request is not all in: what still comes is read over, a while and so far, so that the client
  // gets to see the answer before its stream is reset (RFC 9113 §8.1).
  void start_draining();
  void send_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length, bool is_end);
  // A block that was encoded into the connection's output from `at` on, behind the room for a frame's head.
  void frame_block(size_t at, bool is_end);
  void send_trailers();
  void finish_sending();
  // Content waits for a window or for room.
  void watch_sending();
  Task<bool> wait_framed();
  [[nodiscard]] size_t unframed() const { return out_.size() + piece_.size(); }

  Http2Connection& connection_;
  uint32_t stream_id_ = 0;
  size_t place_ = 0;
  std::coroutine_handle<> run_;
  std::unique_ptr<char[]> run_memory_;
  size_t run_memory_bytes_ = 0;

  Request request_;
  RequestHead head_;
  FieldList lines_;
  std::string method_, path_, authority_, cookies_;
  uint8_t pseudo_ = 0;  // which pseudo-header fields have come
  size_t field_bytes_ = 0;
  size_t field_count_ = 0;
  bool is_too_large_ = false;
  bool is_malformed_ = false;
  bool has_fields_ = false;  // behind the pseudo-header fields
  bool has_unknown_expectation_ = false;
  std::optional<size_t> host_at_;  // in lines_
  bool has_body_ = false;
  std::optional<uint64_t> length_;
  bool is_waiting_for_continue_ = false;

  Buffer arriving_;  // of the body, not handed out
  Buffer handed_;    // out by read_body()
  uint64_t body_bytes_ = 0;
  size_t acknowledged_ = 0;  // and not yet said to the client
  bool has_request_ended_ = false;
  bool is_gone_ = false;  // the stream was reset, by whomever
  bool was_reset_here_ = false;
  bool has_timed_out_ = false;
  bool is_reading_stopped_ = false;
  bool is_draining_ = false;
  uint64_t drain_left_ = 0;
  Fault body_fault_;
  uint32_t body_timeout_ms_ = 0;  // 0: none
  FieldList request_trailers_;
  mutable Fields trailers_view_;

  Answer answer_ = Answer::kNone;
  bool is_head_ = false;  // the request's method is HEAD
  bool sends_content_ = false;
  bool has_sent_end_ = false;
  uint64_t answer_left_ = 0;
  Buffer out_;              // content to be framed
  std::string_view piece_;  // behind out_: the handler's own bytes, while send() waits
  std::coroutine_handle<> body_waiter_;
  std::coroutine_handle<> send_waiter_;
  Deadline body_overdue_at_ = 0;
  Deadline send_overdue_at_ = 0;
};

}  // namespace keelson::net::http
