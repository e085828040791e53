#include "net/grpc/status.h"

#include <algorithm>
#include <array>

namespace keelson::net::grpc {

std::string_view code_name(Code code) {
  constexpr std::array<std::string_view, kCodeCount> kNames = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return kNames[static_cast<size_t>(code)];
}

uint16_t http_status(Code code) {
  constexpr std::array<uint16_t, kCodeCount> kStatus = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                        400, 409, 400, 501, 500, 503, 500, 401};
  return kStatus[static_cast<size_t>(code)];
}

std::string encode_message(std::string_view message) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  text.reserve(std::min(message.size(), kMessageFieldBytesMax));
  for (const char c : message) {
    if (text.size() + 3 > kMessageFieldBytesMax) break;
    if (c >= ' ' && c <= '~' && c != '%') {
      text += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    text += '%';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string encode_binary(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 3);
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<uint8_t>(c);
    for (bits += 8; bits >= 6; bits -= 6) text += kDigits[held >> (bits - 6) & 63];
  }
  if (bits != 0) text += kDigits[held << (6 - bits) & 63];
  return text;
}

}  // namespace keelson::net::grpc
