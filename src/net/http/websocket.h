// WebSocket, the server's side (RFC 6455): the handshake and the frames as pure functions over bytes.
//
// No extension is agreed on, so reserved bits are refused (§5.2). Faults carry the close code that §7.4.1 gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "net/http/exchange.h"

namespace keelson::net::http {

enum class WsOpcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// §7.4.1.
enum class WsClose : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kBadText = 1007,  // a text that is not UTF-8
  kTooLarge = 1009,
  kInternal = 1011,
  kNone = 1005,      // the peer gave no code; never sent
  kAbnormal = 1006,  // the connection ended without a close frame; never sent
};

// What a request must have to become a WebSocket (§4.2.1): GET of HTTP/1.1, Upgrade, Connection, version 13, a key of
// 16 bytes. Returns the value of Sec-WebSocket-Accept, or nullopt.
[[nodiscard]] std::optional<std::string> websocket_accept(const Request& request);
// §4.2.2: base64(SHA-1(key + GUID)).
[[nodiscard]] std::string websocket_accept_of(std::string_view key);

// Streams of UTF-8 (RFC 3629): no surrogates, no overlong forms, nothing above U+10FFFF. May be fed in pieces.
class Utf8Check {
 public:
  // False once the bytes cannot be UTF-8.
  bool feed(std::string_view bytes);
  // No character is cut off.
  [[nodiscard]] bool is_at_end() const { return left_ == 0; }

 private:
  uint8_t left_ = 0;  // continuation bytes to come
  uint8_t low_ = 0x80;
  uint8_t high_ = 0xbf;  // what the next of them may be
};

// Takes frames of a client, which are masked (§5.3), out of bytes.
class WsDecoder {
 public:
  explicit WsDecoder(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  struct Event {
    enum class Kind : uint8_t { kNothing, kMessage, kPing, kPong, kClose, kFault };
    Kind kind = Kind::kNothing;     // kNothing: more bytes are needed
    bool is_text = false;           // of a message
    std::string_view payload;       // of the message, ping, pong; the reason of a close. Until the next call
    WsClose code = WsClose::kNone;  // of a close or a fault
  };
  // Consumes from the front of `in`. After kClose and kFault no further call.
  Event next(Buffer& in);

 private:
  struct Head;
  Event take_payload(const Head& head, std::string_view masked);
  Event take_close(std::string_view payload);
  static Event fault(WsClose code) { return {.kind = Event::Kind::kFault, .payload = {}, .code = code}; }

  size_t message_bytes_max_;
  bool is_in_message_ = false;
  bool is_text_ = false;
  bool is_delivered_ = false;  // message_ was handed out
  Utf8Check utf8_;
  std::string message_;  // fragments so far (§5.4)
  std::string control_;
};

// A frame of the server, which is not masked, whole.
void append_ws_frame(Buffer& out, WsOpcode opcode, std::string_view payload);
void append_ws_close(Buffer& out, WsClose code, std::string_view reason);

}  // namespace keelson::net::http
