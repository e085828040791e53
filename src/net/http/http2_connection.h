// One connection of the server that speaks HTTP/2 (RFC 9113), by libnghttp2 over memory.
//
// Frames that come are fed to the library, which checks their order, the header fields (§8) and the windows (§5.2); its
// frames are gathered and leave at the end of the turn. Each stream is an Exchange whose handler runs beside the
// others. The windows follow the handlers: bytes of a body are acknowledged when read_body() has handed them out, and
// the library asks for content when the client's window has room.
//
// Against floods: a bucket of control frames (ServerOptions), streams whose handlers are still at work count as open
// even after the client has reset them (CVE-2023-44487), fields past the limits are dropped and answered with 431, and
// the library bounds CONTINUATION frames and queued acknowledgements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "net/http/server_local.h"

struct nghttp2_session;

namespace keelson::net::http {

class Http2Exchange;

// Memory that a connection's answers are put together in.
struct Http2Scratch {
  std::string names;
  std::vector<Field> lines;
};

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
  struct Callbacks;  // what the library calls
  struct FreeSession {
    void operator()(nghttp2_session* session) const;
  };

  void open_session();
  bool feed(std::string_view bytes);
  void run_ready();
  void pump();
  Task<void> pump_when_drained();
  Task<void> run_handler(Http2Exchange& exchange);
  static Task<void> answer_fault(Http2Exchange& exchange, Fault fault);
  Task<void> linger();
  // Something is to be done for the stream once the library has returned.
  void wake_later(int32_t stream_id);
  void drop_if_over(int32_t stream_id);
  [[nodiscard]] Http2Exchange* find(int32_t stream_id);
  void add_exchange(int32_t stream_id);
  // One more frame of the kinds that floods are made of; false when there were too many.
  bool take_control();
  void end_connection(uint32_t error_code);
  void update_idle();

  std::unique_ptr<env::Stream> stream_;
  const bool is_tls_;
  Output output_;
  Buffer in_;
  std::unique_ptr<nghttp2_session, FreeSession> session_;
  // Whose handler runs or whose stream is open, in no order; some tens at most, and mostly asked for again.
  std::vector<std::unique_ptr<Http2Exchange>> exchanges_;
  std::vector<std::unique_ptr<Http2Exchange>> spare_;
  Http2Exchange* last_found_ = nullptr;
  Http2Scratch scratch_;
  std::vector<int32_t> ready_;
  bool is_pumping_ = false;
  bool is_pumping_later_ = false;
  bool is_flooded_ = false;
  bool is_shut_down_ = false;
  bool is_dead_ = false;
  bool is_ending_ = false;  // GOAWAY was sent
  Deadline overdue_at_ = 0;
  double control_tokens_;
  uint32_t control_tick_ = 0;
  env::Timer again_;                       // more was ready than one turn does
  std::unique_ptr<env::TaskScope> tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
