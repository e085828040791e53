#include "net/http/websocket_connection.h"

#include <utility>

namespace keelson::net::http {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

}  // namespace

Task<std::unique_ptr<WebSocket>> WebSocket::accept(Exchange& exchange, WebSocketOptions options) {
  const std::optional<std::string> accept = websocket_accept(exchange.request());
  if (!accept) {
    // RFC 6455 §4.4: an unknown version is told which one is spoken; whoever wanted none, that one is needed.
    const bool is_websocket = exchange.request().fields().has("Sec-WebSocket-Version");
    const bool is_other_version = exchange.request().fields().find("Sec-WebSocket-Version") != "13";
    if (is_other_version) {
      exchange.add_field("Upgrade", "websocket");
      exchange.add_field("Sec-WebSocket-Version", "13");
    }
    const uint16_t status = is_other_version ? 426 : 400;
    (void)co_await exchange.respond(status, kPlain,
                                    is_websocket ? "a bad WebSocket handshake\n" : "this is a WebSocket (RFC 6455)\n");
    co_return nullptr;
  }
  exchange.add_field("Sec-WebSocket-Accept", *accept);
  if (!options.protocol.empty()) exchange.add_field("Sec-WebSocket-Protocol", options.protocol);
  Tunnel* tunnel = exchange.upgrade("websocket");
  if (tunnel == nullptr) {
    (void)co_await exchange.respond(400, kPlain, "a WebSocket handshake has no body\n");
    co_return nullptr;
  }
  // tidy: naked new, because the constructor is private.
  co_return std::unique_ptr<WebSocket>(new WebSocket(exchange, *tunnel, std::move(options)));
}

WebSocket::WebSocket(Exchange& exchange, Tunnel& tunnel, WebSocketOptions options)
    : tunnel_(tunnel),
      reactor_(exchange.reactor()),
      options_(std::move(options)),
      decoder_(options_.message_bytes_max),
      timer_(reactor_, [this] { on_timer(); }),
      tasks_(reactor_) {
  timer_.arm_after(options_.ping_after_ms * kNsPerMs);
  tunnel_.on_stop = [this] { spawn_close(WsClose::kGoingAway); };
}

WebSocket::~WebSocket() { tunnel_.on_stop = {}; }

// The client has been silent: it is asked, then given up.
void WebSocket::on_timer() {
  if (is_closing_ || is_pinged_) {
    tunnel_.kill();
    return;
  }
  is_pinged_ = true;
  tasks_.spawn([](WebSocket& self) -> Task<void> { (void)co_await self.send(WsOpcode::kPing, ""); }(*this));
  timer_.arm_after((options_.silence_timeout_ms - options_.ping_after_ms) * kNsPerMs);
}

void WebSocket::spawn_close(WsClose code) {
  tasks_.spawn([](WebSocket& self, WsClose why) -> Task<void> { co_await self.close(why, ""); }(*this, code));
}

Task<bool> WebSocket::send(WsOpcode opcode, std::string_view payload) {
  if (is_closing_ || is_over_) co_return false;
  Buffer frame;
  append_ws_frame(frame, opcode, payload);
  co_return co_await tunnel_.write(frame.view());
}

Task<bool> WebSocket::write_close(WsClose code, std::string_view reason) {
  if (is_closing_ || is_over_) co_return false;
  is_closing_ = true;
  timer_.arm_after(options_.close_timeout_ms * kNsPerMs);
  Buffer frame;
  append_ws_close(frame, code, reason);
  co_return co_await tunnel_.write(frame.view());
}

Task<void> WebSocket::close(WsClose code, std::string_view reason) { (void)co_await write_close(code, reason); }

Task<std::optional<WebSocket::Message>> WebSocket::receive() {
  using Kind = WsDecoder::Event::Kind;
  while (!is_over_) {
    const WsDecoder::Event event = decoder_.next(in_);
    switch (event.kind) {
      case Kind::kMessage:
        if (is_closing_) continue;  // §5.5.1: nothing more is said
        co_return Message{event.is_text, event.payload};
      case Kind::kPing:
        (void)co_await send(WsOpcode::kPong, event.payload);
        continue;
      case Kind::kPong:
        continue;
      case Kind::kClose:
      case Kind::kFault:
        close_code_ = event.code;
        (void)co_await write_close(event.code, "");  // unless ours was first
        is_over_ = true;
        continue;
      case Kind::kNothing:
        break;
    }
    if (!co_await tunnel_.read(in_)) {
      is_over_ = true;
      break;
    }
    if (is_closing_) continue;
    is_pinged_ = false;
    timer_.arm_after(options_.ping_after_ms * kNsPerMs);
  }
  timer_.disarm();
  co_return std::nullopt;
}

}  // namespace keelson::net::http
