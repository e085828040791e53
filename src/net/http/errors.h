// What can go wrong between HTTP's two ends, as error codes.
#pragma once

#include <cstdint>
#include <system_error>

namespace keelson::net::http {

enum class HttpErrc : uint8_t {
  kOk = 0,
  kBroken,     // the connection (or the stream, in HTTP/2) ended before the message did
  kMalformed,  // the message is not HTTP
  kTimedOut,   // the peer was silent for too long
  kTooLarge,   // the message is larger than its reader takes
  kBusy,       // no connection of a pool came free in time
};
std::error_code make_error_code(HttpErrc code);

}  // namespace keelson::net::http

template <>
struct std::is_error_code_enum<keelson::net::http::HttpErrc> : std::true_type {};
