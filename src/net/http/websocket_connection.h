// One WebSocket of the server (RFC 6455), in a handler:
//
//   std::unique_ptr<WebSocket> socket = co_await WebSocket::accept(exchange, {});
//   if (socket == nullptr) co_return;                                   // it has been answered 400 or 426
//   while (std::optional<WebSocket::Message> message = co_await socket->receive()) {
//     if (!co_await socket->send_text(message->payload)) break;
//   }
//
// Pings are answered, silent clients are pinged and given up, fragments are put together, texts are UTF-8, and both
// sides close as §7 says. When the server stops the client is told "going away". One coroutine receives; any of the
// reactor's may send.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/task.h"
#include "env/reactor.h"
#include "net/http/exchange.h"
#include "net/http/websocket.h"

namespace keelson::net::http {

struct WebSocketOptions {
  size_t message_bytes_max = 1 << 20;  // larger ones end the connection with 1009
  uint32_t ping_after_ms = 20'000;     // without a byte from the client
  uint32_t silence_timeout_ms = 60'000;
  uint32_t close_timeout_ms = 5'000;  // for the client's answer to our close
  std::string protocol = {};          // Sec-WebSocket-Protocol, if one was agreed on
};

class WebSocket {
 public:
  // The exchange must outlive it.
  static Task<std::unique_ptr<WebSocket>> accept(Exchange& exchange, WebSocketOptions options);
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;
  ~WebSocket();

  struct Message {
    bool is_text = false;
    std::string_view payload;  // until the next receive()
  };
  // nullopt: it is over; close_code() says how.
  [[nodiscard]] Task<std::optional<Message>> receive();
  // False: it is over, or closing.
  [[nodiscard]] Task<bool> send_text(std::string_view text) { return send(WsOpcode::kText, text); }
  [[nodiscard]] Task<bool> send_binary(std::string_view bytes) { return send(WsOpcode::kBinary, bytes); }
  // Says why, then receive() until nullopt waits for the client's answer.
  [[nodiscard]] Task<void> close(WsClose code, std::string_view reason);
  // What the client, or a fault, closed it with; kAbnormal if the connection just ended.
  [[nodiscard]] WsClose close_code() const { return close_code_; }

 private:
  WebSocket(Exchange& exchange, Tunnel& tunnel, WebSocketOptions options);
  Task<bool> send(WsOpcode opcode, std::string_view payload);
  Task<bool> write_close(WsClose code, std::string_view reason);
  void on_timer();
  void spawn_close(WsClose code);

  Tunnel& tunnel_;
  env::Reactor& reactor_;
  const WebSocketOptions options_;
  WsDecoder decoder_;
  Buffer in_;
  bool is_closing_ = false;  // our close frame is on its way
  bool is_over_ = false;
  bool is_pinged_ = false;
  WsClose close_code_ = WsClose::kAbnormal;
  env::Timer timer_;
  env::TaskScope tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::net::http
