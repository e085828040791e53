#include "net/grpc/status.h"

#include <algorithm>
#include <array>

#include "base/base64.h"

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
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace keelson::net::grpc
