// One connection of the server: finds out whether it speaks HTTP/1 or HTTP/2, and serves HTTP/1 (RFC 9112).
//
// Requests are parsed where they were received. While an exchange is under way its head stays where it is; bytes of
// its body that came with the head are handed out from there, later ones from a buffer of their own, so nothing of a
// body is copied or gathered. Pipelined requests wait in those buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "net/http/body_decoder.h"
#include "net/http/exchange.h"
#include "net/http/parser.h"
#include "net/http/server_local.h"

namespace keelson::net::http {

class Http1Connection final : public Exchange, public ServerConnection, private Tunnel {
 public:
  // At most this much of a body is read ahead of its handler (what came with the head comes on top: kHeadReadBytes).
  static constexpr size_t kBodyReadBytes = 128 << 10;
  static constexpr size_t kHeadReadBytes = 4 << 10;

  Http1Connection(ServerLocal& local, std::unique_ptr<env::Stream> stream, bool is_tls);
  ~Http1Connection() override;

  enum class End : uint8_t { kClosed, kHttp2 };
  // Serves requests until the connection ends, or until its first bytes turn out to be HTTP/2's.
  Task<End> run();
  // After kHttp2: what is needed to go on with it.
  std::unique_ptr<env::Stream> take_stream() { return std::move(stream_); }
  Buffer take_received() { return std::move(in_); }
  // Answers the fault and ends.
  Task<void> refuse(Fault fault);

  // Exchange.
  const Request& request() const override { return request_; }
  env::Reactor& reactor() override { return local_.reactor(); }
  TlsDetails tls_details() const override { return TlsContext::details_of(*stream_); }
  std::optional<uint64_t> body_length() const override;
  bool has_body() const override { return head_.framing.kind != Framing::Kind::kNone; }
  Task<Result<std::string_view>> read_body() override;
  void set_body_timeout(uint32_t timeout_ms) override { body_timeout_ms_ = timeout_ms; }
  const Fields& trailers() const override;
  Task<bool> respond(uint16_t status, std::string_view content_type, std::string_view content) override;
  Task<bool> begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) override;
  Task<bool> send(std::string_view piece) override;
  Task<bool> end() override;
  void flush() override { output_.flush(); }
  Tunnel* upgrade(std::string_view protocol) override;

  // ServerConnection.
  void at_turn_end() override { output_.flush(); }
  void check_deadlines(uint32_t tick) override;
  void end_when_idle() override;
  void kill() override;

 private:
  // What the answer is at.
  enum class Answer : uint8_t { kNone, kBegun, kEnded };
  // How the content of the answer is delimited.
  enum class Delimited : uint8_t { kNothing, kLength, kChunks, kClose };

  // Tunnel. Its kill() is the connection's.
  Task<bool> read(Buffer& into) override;
  Task<bool> write(std::string_view bytes) override;

  HeadOutcome parse_head(size_t seen, bool& is_http2);
  Task<bool> run_exchange();
  Task<bool> finish_request();
  Task<bool> fill_body();
  Task<void> linger();
  void start_request(size_t head_bytes);
  void drop_request();
  void answer_for_handler();
  [[nodiscard]] std::string_view unread() const;
  void advance(size_t count);
  [[nodiscard]] bool must_close() const;
  void write_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length, bool is_chunked);
  [[nodiscard]] bool sends_content(uint16_t status) const;
  Task<bool> settle();

  std::unique_ptr<env::Stream> stream_;
  const bool is_tls_;
  Output output_;

  Buffer in_;                       // begins with the head of the present request
  std::unique_ptr<Field[]> lines_;  // of the head
  size_t used_ = 0;                 // bytes of in_ that are done with: the head, then body bytes behind it
  Buffer body_in_;                  // body bytes that came later
  size_t body_used_ = 0;
  RequestHead head_;
  Request request_;
  BodyDecoder decoder_;
  Fault body_fault_;
  uint32_t body_timeout_ms_ = 0;  // 0: none
  mutable Fields trailers_view_;
  Deadline overdue_at_ = 0;  // for the read under way
  Answer answer_ = Answer::kNone;
  Delimited delimited_ = Delimited::kNothing;
  uint64_t answer_left_ = 0;  // of a length that was told
  bool keeps_alive_ = true;
  bool is_waiting_for_continue_ = false;
  bool is_cut_short_ = false;  // the body
  bool is_busy_ = false;
  bool is_dead_ = false;
  bool has_begun_ = false;  // a request has come: it is no HTTP/2
  bool is_tunnel_ = false;
  bool has_timed_out_ = false;
};

}  // namespace keelson::net::http
