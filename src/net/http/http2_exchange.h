// One stream of an HTTP/2 connection as an Exchange. For http2_connection.cc alone; the library's names stay in .cc
// files.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "net/http/exchange.h"
#include "net/http/http2_connection.h"
#include "net/http/parser.h"

namespace keelson::net::http {

class Http2Exchange final : public Exchange {
 public:
  // Content that send() copies aside instead of waiting until it is framed.
  static constexpr size_t kBufferBytes = 32 << 10;

  explicit Http2Exchange(Http2Connection& connection) : connection_(connection) {}
  // For another stream: what it was is forgotten, but for the memory that it holds.
  void start(int32_t stream_id);

  // --- what the connection tells, from within the library's callbacks
  // -------------------------------------------------
  void take_field(std::string_view name, std::string_view value);
  void take_trailer(std::string_view name, std::string_view value);
  // The fields are complete; the fault to answer with, if there is one.
  Fault take_head(bool has_ended);
  void take_data(std::string_view bytes);
  void take_end() { has_request_ended_ = true; }
  void take_close() { is_gone_ = true; }
  // What the next frame of content may hold, of at most `room` bytes.
  struct Provided {
    size_t bytes = 0;
    bool is_end = false;
    bool must_wait = false;  // for the handler
  };
  Provided provide(size_t room);
  // That frame goes out: its bytes behind its head.
  void move_out(size_t bytes, Buffer& to);
  // The content has ended. False if there are no trailers.
  bool submit_trailers();
  // The answer is out, the request is not all in: what still comes is read over, a while and so far, so that the client
  // gets to see the answer before its stream is reset (RFC 9113 §8.1).
  void start_draining();
  [[nodiscard]] bool is_draining() const { return is_draining_; }

  // --- what the connection does outside of them
  // ----------------------------------------------------------------------- A handler's coroutine that has what it
  // waits for; null if there is none. To be resumed, which may end the exchange.
  [[nodiscard]] std::coroutine_handle<> next_waiter();
  // Bytes of the body that nobody has read.
  [[nodiscard]] size_t unread() const { return arriving_.size(); }
  // True if something was overdue; the stream is to be reset then.
  bool is_overdue(uint32_t tick) const;
  void time_out();
  [[nodiscard]] bool is_answered() const { return answer_ != Answer::kNone; }
  [[nodiscard]] bool has_ended_answer() const { return answer_ == Answer::kEnded; }
  [[nodiscard]] const Fault& body_fault() const { return body_fault_; }

  int32_t stream_id() const { return stream_id_; }
  Fault head_fault;              // answered instead of a handler's answer
  bool is_started = false;       // its handler
  bool is_handler_done = false;  // or never to run
  bool is_stream_closed() const { return is_gone_; }
  bool has_request_ended() const { return has_request_ended_; }

  // Exchange.
  const Request& request() const override { return request_; }
  env::Reactor& reactor() override;
  TlsDetails tls_details() const override;
  std::optional<uint64_t> body_length() const override;
  bool has_body() const override { return has_body_; }
  Task<Result<std::string_view>> read_body() override;
  const Fields& trailers() const override;
  Task<bool> respond(uint16_t status, std::string_view content_type, std::string_view content) override;
  Task<bool> begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) override;
  Task<bool> send(std::string_view piece) override;
  Task<bool> end() override;
  void flush() override;

 private:
  enum class Answer : uint8_t { kNone, kBegun, kEnded };
  struct Waiting;

  void submit_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length, bool has_content);
  void resume_data();
  void acknowledge(size_t bytes);
  Task<bool> wait_framed();
  [[nodiscard]] size_t unframed() const { return out_.size() + piece_.size(); }

  Http2Connection& connection_;
  int32_t stream_id_ = 0;
  Request request_;
  RequestHead head_;
  FieldList lines_;
  std::string method_, path_, authority_, cookies_;
  size_t field_bytes_ = 0;
  size_t field_count_ = 0;
  bool is_too_large_ = false;
  bool has_body_ = false;
  std::optional<uint64_t> length_;
  bool is_waiting_for_continue_ = false;

  Buffer arriving_;  // of the body, not handed out
  Buffer handed_;    // out by read_body()
  uint64_t body_bytes_ = 0;
  bool has_request_ended_ = false;
  bool is_gone_ = false;  // the stream is closed, by whomever
  bool has_timed_out_ = false;
  bool is_draining_ = false;
  uint64_t drain_left_ = 0;
  Fault body_fault_;
  FieldList request_trailers_;
  mutable Fields trailers_view_;

  Answer answer_ = Answer::kNone;
  bool is_head_ = false;  // the request's method is HEAD
  bool sends_content_ = false;
  bool is_deferred_ = false;  // the library waits for resume_data()
  uint64_t answer_left_ = 0;
  Buffer out_;              // content to be framed
  std::string_view piece_;  // behind out_: the handler's own bytes, while send() waits
  std::coroutine_handle<> body_waiter_;
  std::coroutine_handle<> send_waiter_;
  Deadline body_overdue_at_ = 0;
  Deadline send_overdue_at_ = 0;
};

}  // namespace keelson::net::http
