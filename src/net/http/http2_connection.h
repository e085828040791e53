// One connection of the server that speaks HTTP/2 (RFC 9113).
//
// Frames are taken from the buffer that they were received in (http2_receive.cc); each stream is an Exchange whose
// handler runs beside the others, and begins as soon as its header is there. What is to be sent is written as frames
// into the connection's output and leaves at the end of the turn: header blocks and control frames when they arise,
// content as far as the windows (§5.2) and the output have room, the streams taking turns. The windows for what the
// client sends follow the handlers: bytes of a body are acknowledged when read_body() has handed them out.
//
// Against floods: a bucket of control frames (ServerOptions); streams whose handlers are still at work count as open
// even after the client has reset them (CVE-2023-44487); fields past the limits are dropped and answered with 431;
// header blocks and their CONTINUATION frames are bounded (CVE-2024-28182); and when a client takes nothing of what is
// sent to it, nothing more is read from it.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "net/http/hpack.h"
#include "net/http/http2_frames.h"
#include "net/http/server_local.h"

namespace keelson::net::http {

class Http2Exchange;
class Http2Run;

class Http2Connection final : public ServerConnection {
 public:
  // The bytes with which a client begins (RFC 9113 §3.4).
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  // `received` begins with the preface.
  Http2Connection(ServerLocal& local, std::unique_ptr<env::Stream> stream, bool is_tls, Buffer received);
  ~Http2Connection() override;

  // Serves streams until the connection ends.
  Task<void> run();

  // ServerConnection.
  void at_turn_end() override;
  void check_deadlines(uint32_t tick) override;
  void end_when_idle() override;
  void kill() override;

 private:
  friend class Http2Exchange;
  struct AllGone;

  void send_preface();
  // --- what comes (http2_receive.cc)
  // Takes the whole frames that were received. False: the connection ends.
  [[nodiscard]] bool feed();
  // An error of the connection (§5.4.1), or kNone.
  Http2Error take_frame(const FrameHead& head, std::string_view payload);
  Http2Error take_data(const FrameHead& head, std::string_view payload);
  Http2Error take_for_closed(uint32_t stream, const Http2Exchange* exchange);
  Http2Error take_headers(const FrameHead& head, std::string_view payload);
  Http2Error take_continuation(const FrameHead& head, std::string_view payload);
  Http2Error take_block(std::string_view block);
  Http2Error open_stream(std::string_view block);
  Http2Error take_trailers(Http2Exchange& exchange, std::string_view block);
  Http2Error skip_block(std::string_view block);
  Http2Error take_settings(const FrameHead& head, std::string_view payload);
  Http2Error take_setting(SettingId id, uint32_t value);
  Http2Error take_window_update(const FrameHead& head, std::string_view payload);
  Http2Error take_rst_stream(const FrameHead& head, std::string_view payload);
  Http2Error take_ping(const FrameHead& head, std::string_view payload);
  // One more frame of the kinds that floods are made of; an error when there were too many.
  Http2Error take_control();

  // --- what goes
  // The client's bytes were read, or dropped: its window opens again.
  void acknowledge(size_t bytes);
  void reset_stream(Http2Exchange& exchange, Http2Error error);
  // The exchange has content to send, or an end.
  void want_send(Http2Exchange& exchange);
  // The same, but not before the turn's end, so that more can gather.
  void queue(Http2Exchange& exchange);
  // True: there is more, which the output has no room for.
  bool send_content();
  void pump();
  Task<void> pump_when_drained();
  // Says GOAWAY; nothing more is taken from the client.
  void end_connection(Http2Error error);

  // --- streams
  [[nodiscard]] Http2Exchange* find(uint32_t stream);
  Http2Exchange& add_exchange(uint32_t stream);
  void start(Http2Exchange& exchange);
  Http2Run run_handler(Http2Exchange& exchange);
  static Task<void> answer_fault(Http2Exchange& exchange, Fault fault);
  // Something is to be done for the stream at the end of the turn.
  void wake_later(uint32_t stream);
  void run_ready();
  void drop_if_over(Http2Exchange& exchange);
  void remember_closed(uint32_t stream, bool was_reset_here);
  Task<void> linger();
  void update_idle();
  void watch_for_ping();
  void send_ping();

  std::unique_ptr<env::Stream> stream_;
  const bool is_tls_;
  Output output_;
  Buffer in_;
  HpackDecoder decoder_;
  HpackEncoder encoder_;
  // Whose handler runs or whose stream is open, in no order; mostly some tens, and mostly asked for again.
  std::vector<std::unique_ptr<Http2Exchange>> exchanges_;
  std::vector<uint32_t> streams_;  // of exchanges_, in their order: looked through without touching them
  std::vector<std::unique_ptr<Http2Exchange>> spare_;
  Http2Exchange* last_found_ = nullptr;
  std::vector<uint32_t> ready_;
  // With content that the windows let go, in the order of their turns; those before senders_from_ had theirs.
  std::vector<Http2Exchange*> senders_;
  size_t senders_from_ = 0;

  // Streams of the client.
  uint32_t last_stream_ = 0;
  // The last that are closed, and whether it was us who reset them: then what was under way is no fault.
  struct Closed {
    uint32_t stream = 0;
    bool was_reset_here = false;
  };
  static constexpr size_t kClosedRemembered = 128;
  std::array<Closed, kClosedRemembered> closed_{};
  size_t closed_count_ = 0;
  // A header block that has begun (§4.3): nothing but its CONTINUATION frames may come.
  FrameHead block_head_;
  Buffer block_;
  uint32_t continuations_ = 0;
  bool is_in_block_ = false;

  // Windows: what may be sent to the client, and what it may send (§6.9).
  int64_t send_window_ = kFirstWindowBytes;
  int64_t first_send_window_ = kFirstWindowBytes;  // of a stream
  int64_t receive_window_ = kFirstWindowBytes;
  int64_t first_receive_window_ = kFirstWindowBytes;  // of a stream; ours when the client has heard of it
  size_t acknowledged_ = 0;                           // and not yet said

  bool has_preface_ = false;
  bool has_settings_ = false;
  bool is_pumping_later_ = false;
  bool is_flooded_ = false;
  bool has_sent_data_ = false;  // since the client's last PING
  bool is_shut_down_ = false;
  bool is_dead_ = false;
  bool is_ending_ = false;  // GOAWAY was sent
  Deadline overdue_at_ = 0;
  Deadline ping_at_ = 0;  // our PING is sent, or was answered by nothing
  bool is_pinged_ = false;
  double control_tokens_;
  uint32_t control_tick_ = 0;
  std::coroutine_handle<> gone_waiter_;    // run(), until all exchanges are gone
  env::Timer gone_;                        // resumes it
  env::Timer again_;                       // more was ready than one turn does
  std::unique_ptr<env::TaskScope> tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
