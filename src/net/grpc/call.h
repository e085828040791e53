// One call of gRPC over an exchange of HTTP/2, as its method sees it (PROTOCOL-HTTP2.md).
//
//   Task<CallStatus> echo(Call& call) {                  // bidirectional
//     std::string_view message;
//     while (co_await call.read(message) == Read::kMessage) {
//       if (!co_await call.send(message)) co_return {};  // the client is gone
//     }
//     co_return call.failure();                          // OK at the client's end
//   }
//
// One coroutine reads and one sends at a time; they may be two. What send() gives is framed and leaves at the end of
// the turn; it waits while the client takes nothing, so a slow client holds up its own call alone, with a bounded
// buffer.
//
// A call ends early when its client goes, when its deadline (grpc-timeout) passes, or when the service stops: on_cancel
// is called once, is_cancelled() is true from then on, and read() fails. send() fails when the client has gone. A
// method that waits for something else than its client sets on_cancel.
//
// Belongs to the connection's reactor; lives as long as the method's coroutine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/task.h"
#include "env/reactor.h"
#include "net/grpc/frames.h"
#include "net/grpc/status.h"
#include "net/http/exchange.h"

namespace keelson::net::grpc {

enum class Read : uint8_t { kMessage, kEnd, kFailed };

class Call {
 public:
  // `timeout_ns` from now; nothing: none.
  Call(http::Exchange& exchange, size_t message_bytes_max, std::optional<int64_t> timeout_ns);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  [[nodiscard]] env::Reactor& reactor() { return exchange_.reactor(); }
  // A field of the request's header.
  [[nodiscard]] std::optional<std::string_view> metadata(std::string_view name) const {
    return exchange_.request().fields().find(name);
  }

  // `message` holds until the next read(). After kFailed, failure() is what the method returns; after kEnd it is OK.
  [[nodiscard]] Task<Read> read(std::string_view& message);
  // The message of a call without a stream of the client's; none is kFailed. What comes behind it is not looked at.
  [[nodiscard]] Task<Read> read_only(std::string_view& message);
  [[nodiscard]] const CallStatus& failure() const { return failure_; }
  // The stream may be silent for as long as the client stays.
  void read_without_timeout() { exchange_.set_body_timeout(0); }

  // False: the client is gone. `message` is not used after the call has ended.
  [[nodiscard]] Task<bool> send(std::string_view message);

  [[nodiscard]] bool is_cancelled() const { return is_cancelled_; }
  // Why; OK if it is not.
  [[nodiscard]] const CallStatus& cancellation() const { return cancellation_; }
  // Once, from the reactor, never from within the method's own call of something here.
  std::function<void()> on_cancel;
  // For the deadline, the client's going, and a service that stops. The first counts.
  void cancel(CallStatus why);

  // For the server: the answer's end. Not called by methods.
  [[nodiscard]] Task<void> finish(CallStatus status);

 private:
  http::Exchange& exchange_;
  FrameReader frames_;
  CallStatus failure_;
  CallStatus cancellation_;
  bool is_cancelled_ = false;
  bool has_begun_ = false;
  env::Timer deadline_;
};

}  // namespace keelson::net::grpc
