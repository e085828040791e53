// What the head of an HTTP/1.1 request or response says (RFC 9110, RFC 9112), as views into the bytes that were parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http/fields.h"

namespace keelson::net::http {

// How the body that follows a head is delimited (RFC 9112 §6.3).
struct Framing {
  enum class Kind : uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;
};

// RFC 9112 §3.2.
enum class TargetForm : uint8_t {
  kOrigin,     // "/path?query"
  kAbsolute,   // "http://host/path?query"
  kAuthority,  // "host:port", with CONNECT alone
  kAsterisk,   // "*", with OPTIONS alone
};

struct RequestHead {
  std::string_view method;
  std::string_view target;  // as sent
  TargetForm form = TargetForm::kOrigin;
  std::string_view host;   // with its port, of the target in absolute and authority form, otherwise of the Host field
  std::string_view path;   // as sent, escapes and all (they are good, and none is NUL); "/" if the target has none
  std::string_view query;  // as sent, without "?"
  uint8_t minor_version = 1;
  Fields fields;
  Framing framing;
  bool keeps_alive = true;        // may further requests follow on the connection (RFC 9112 §9.3)?
  bool expects_continue = false;  // RFC 9110 §10.1.1
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason;
  uint8_t minor_version = 1;
  Fields fields;
  Framing framing;
  bool keeps_alive = true;
};

// "Not Found" for 404; "Unknown" for a status that no registered text is known of.
std::string_view reason_of(uint16_t status);
// May content follow a response with this status (RFC 9112 §6.3)?
[[nodiscard]] constexpr bool status_has_body(uint16_t status) {
  return status >= 200 && status != 204 && status != 304;
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7); milliseconds since 1970, rounded down to the second.
[[nodiscard]] std::string format_http_date(int64_t wall_ms);

}  // namespace keelson::net::http
